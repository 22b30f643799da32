"""The built-in world: rendered scenes of many grains, written in the M-BEIR layout."""

from __future__ import annotations

from elva.data.world.words import DOMINANT, KINDS, lexicon
from elva.data.world.write import PLANS, WorldSummary, write_world

__all__ = ["DOMINANT", "KINDS", "PLANS", "WorldSummary", "lexicon", "write_world"]
