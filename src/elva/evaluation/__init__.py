"""Judging a retriever: embed once, rank, write TREC files, measure, look at each kind of grain."""
