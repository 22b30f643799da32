"""MRBench from any M-BEIR tree: queries of two or more grains, looked through by people (paper, section 6)."""
