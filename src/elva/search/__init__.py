"""Asking an index: what the model makes of a query, and what of it the model heard."""
