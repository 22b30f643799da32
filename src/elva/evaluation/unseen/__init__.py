"""`elva evaluate unseen` and `elva evaluate video`: published benchmarks in one table, judged by one runner."""
