"""Grains: the smallest meaningful units of a query (paper, definition 1), and how texts name them.

A `Lexicon` is data (ROOT/grains.json): which kinds of grain exist, their values and the words for
them. With it a text is read into `Facts`, split into `Grain`s that can each be masked, and two
sets of facts are compared grain by grain.
"""

from __future__ import annotations

from elva.grains.distance import FactTable, grain_distance_matrix
from elva.grains.facts import Facts, Grain
from elva.grains.lexicon import Lexicon
from elva.grains.naming import naming

__all__ = ["FactTable", "Facts", "Grain", "Lexicon", "grain_distance_matrix", "naming"]
