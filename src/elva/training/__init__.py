"""How a retriever is made: recipes, the three stages, checkpoints and metrics."""
