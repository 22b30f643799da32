"""Asking an index: queries, reranking, and what a model listened to."""
