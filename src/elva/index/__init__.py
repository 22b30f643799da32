"""Searching by vector: an exact index on disk, and the ranking rule shared with evaluation."""
