"""Asking an index: queries answered, explained and reranked."""
