"""What a model's matrices cost on items at the least: no padding, no attention, no Python."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from torch import nn

from elva.items import Item
from elva.model.embedder import Embedder


@dataclass(frozen=True)
class Floor:
    """Matrix products of one pass over some items, forward.

    Attributes:
        tokens: that the language model reads.
        language: floating-point operations of its layers' matrices, 2 per weight and token.
        vision: likewise of the vision tower, for patches and visual tokens.
    """

    tokens: int
    language: float
    vision: float

    @classmethod
    def of(cls, embedder: Embedder, items: Sequence[Item]) -> Floor:
        """That of one-word prompts about these items."""
        processor, tower = embedder.processor, embedder.backbone.plain.model.visual
        grids = [None if item.shown is None else embedder.features.grid(item.shown) for item in items]
        turns = (processor.tokens(item, "one_word", grid) for item, grid in zip(items, grids, strict=True))
        tokens = sum(len(turn.ids) for turn in turns)
        shown = [grid for grid in grids if grid is not None]
        looked = sum(int(grid.prod()) for grid in shown) * _weights([tower.patch_embed, tower.blocks])
        merged = sum(processor.visual_tokens(grid) for grid in shown) * _weights([tower.merger])
        return cls(tokens, 2.0 * tokens * _weights(embedder.backbone.layers), 2.0 * (looked + merged))


def _weights(modules: Iterable[nn.Module]) -> int:
    return sum(weight.numel() for module in modules for weight in module.parameters() if weight.ndim > 1)
