"""ELVA's models in other people's tools: sentence-transformers and MTEB."""
