"""Data on disk: the M-BEIR layout, its validation, stage-1 triples, the built-in world and the importer."""
