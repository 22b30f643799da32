"""What transformers' own forward takes, to compare with what ELVA makes of an item."""

from __future__ import annotations

from typing import Any

import torch

from elva.clips import frames_of
from elva.items import Item
from elva.media import load_image
from elva.model.embedder import Embedder


def plain_inputs(embedder: Embedder, item: Item, written: torch.Tensor) -> dict[str, Any]:
    """The arguments for one item in the generative turn, and the ids (T,) that the model wrote behind it."""
    processor, grids = embedder.processor, None
    shown: dict[str, torch.Tensor] = {}
    if item.visuals:
        pixels, grids = processor.pixels([[load_image(each) for each in frames_of(one)] for one in item.visuals])
        if item.modality.startswith("image"):
            shown = {"pixel_values": pixels, "image_grid_thw": grids}
        else:
            shown = {"pixel_values_videos": pixels, "video_grid_thw": grids}
    turn = processor.tokens(item, "generative", grids, embedder.backbone.times_clips).ids
    ids = torch.cat([turn, written])[None]
    return {"input_ids": ids, "mm_token_type_ids": processor.types(ids), **shown}
