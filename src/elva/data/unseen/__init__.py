"""Published benchmarks in the formats of their own repositories, each read as it is downloaded."""
