"""Questions about videos, answered in words by the model that retrieves: SEED-Bench-R1, VCR-Bench, LongVideoBench."""
