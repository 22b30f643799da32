"""What transformers' own forward takes, to compare with what ELVA makes of an item."""

from __future__ import annotations

from typing import Any

import torch

from elva.clips import frames_of
from elva.items import Item
from elva.media import load_image
from elva.model.embedder import Embedder
from elva.prompts import Prompt


def plain_inputs(
    embedder: Embedder, item: Item, written: torch.Tensor, prompt: Prompt = "generative"
) -> dict[str, Any]:
    """The arguments for one item in the turn of a prompt, and the ids (T,) that the model wrote behind it."""
    processor, grids = embedder.processor, None
    shown: dict[str, torch.Tensor] = {}
    if item.visuals:
        pixels, grids = processor.pixels([[load_image(each) for each in frames_of(one)] for one in item.visuals])
        moves = torch.tensor([part.video is not None for part in item.parts if part.shown is not None])
        patches = moves.repeat_interleave(grids.prod(-1))
        for name, some, which in (("image", "pixel_values", ~moves), ("video", "pixel_values_videos", moves)):
            if which.any():
                shown |= {some: pixels[patches == (name == "video")], f"{name}_grid_thw": grids[which]}
    turn = processor.tokens(item, prompt, grids, embedder.backbone.times_clips).ids
    ids = torch.cat([turn, written])[None]
    return {"input_ids": ids, "mm_token_type_ids": processor.types(ids), **shown}
