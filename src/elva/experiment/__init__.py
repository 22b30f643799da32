"""Experiments: many forms of training, each with several seeds, at equal budget."""
