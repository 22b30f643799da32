"""Items to a left-padded batch of embedded prefixes: everything the language model reads before it writes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from PIL import Image
from torch import Tensor

from elva.encoding import Extraction
from elva.items import Item
from elva.media import ImageSource, load_image
from elva.model.backbone import Backbone, Deep
from elva.model.features import VisionFeatures
from elva.model.processor import Processor


@dataclass(frozen=True, slots=True)
class Prepared:
    """One item, tokenised and seen.

    Attributes:
        ids: (S,) token ids of the turn.
        positions: (3, S) rotary positions.
        next_position: rotary position of the first written token.
        image: its picture, or None.
        visual: (n, W) visual tokens of the picture as `Backbone.see` gives them; None where it wasn't looked at yet.
        truncated: whether its text was cut.
    """

    ids: Tensor
    positions: Tensor
    next_position: int
    image: ImageSource | None
    visual: Tensor | None
    truncated: bool

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True, slots=True)
class Prefix:
    """A batch of prefixes, padded on the left so that all end together.

    Attributes:
        inputs: (B, P, D) embedded inputs.
        positions: (3, B, P).
        mask: (B, P) bool, False on padding.
        next_position: (B,) int64.
        deep: what the tower adds behind the first layers, for families that do so.
    """

    inputs: Tensor
    positions: Tensor
    mask: Tensor
    next_position: Tensor
    deep: Deep | None = None

    def __len__(self) -> int:
        return self.inputs.shape[0]


class Inputs:
    """Prepares items for one backbone."""

    def __init__(self, backbone: Backbone, processor: Processor, features: VisionFeatures) -> None:
        self.backbone, self.processor, self.features = backbone, processor, features

    def prepare(self, items: Sequence[Item], extraction: Extraction, look: bool = True) -> list[Prepared]:
        """Tokenise items, in order.

        Args:
            items: what to prepare.
            extraction: which prompt.
            look: look at their pictures too; else `collate` does, when they are read.

        Raises:
            MediaError: a picture is missing, damaged or too large.
        """
        pictures = [item.image for item in items if item.image is not None]
        if look:
            seen: Iterator[tuple[Tensor | None, Tensor]] = iter(self.features.look(pictures))
        else:
            seen = ((None, self.features.grid(picture)) for picture in pictures)
        return [self._prepare(item, extraction, next(seen) if item.image is not None else None) for item in items]

    def prepare_live(
        self,
        items: Sequence[Item],
        extraction: Extraction,
        alter: Callable[[Image.Image], Image.Image] = lambda picture: picture,
    ) -> list[Prepared]:
        """As `prepare`, but looks anew with gradient into the vision tower: only the base stage trains it.

        Args:
            items: what to look at.
            extraction: which prompt.
            alter: augments a picture before it is looked at.
        """
        pictures = [alter(load_image(item.image)) for item in items if item.image is not None]
        seen: Iterator[tuple[Tensor, Tensor]] = iter(())
        if pictures:
            pixels, grids = self.processor.pixels(pictures)
            seen = iter(list(zip(self.backbone.see(pixels, grids), grids, strict=True)))
        return [self._prepare(item, extraction, next(seen) if item.image is not None else None) for item in items]

    def _prepare(self, item: Item, extraction: Extraction, seen: tuple[Tensor | None, Tensor] | None) -> Prepared:
        visual, grid = seen if seen is not None else (None, None)
        tokens = self.processor.tokens(item, extraction, 0 if grid is None else self.processor.visual_tokens(grid))
        placed = grid if self.processor.settings.positions == "grid" else None
        positions, following = self.backbone.positions(tokens.ids, self.processor.image_pad_id, placed)
        return Prepared(tokens.ids, positions, following, item.image, visual, tokens.truncated)

    def collate(self, batch: Sequence[Prepared]) -> Prefix:
        """Pad and embed; gradients flow into the token embeddings where they train.

        Raises:
            MediaError: a picture that wasn't looked at yet is missing, damaged or too large.
        """
        device = self.backbone.device
        width = max(len(one) for one in batch)
        ids = torch.full((len(batch), width), self.processor.pad_id)
        positions = torch.zeros(3, len(batch), width, dtype=torch.long)
        mask = torch.zeros(len(batch), width, dtype=torch.bool)
        for row, one in enumerate(batch):
            ids[row, width - len(one) :] = one.ids
            positions[:, row, width - len(one) :] = one.positions
            mask[row, width - len(one) :] = True
        ids = ids.to(device)
        inputs = self.backbone.embed(ids)
        unseen = self.features.look([one.image for one in batch if one.visual is None and one.image is not None])
        fresh = iter(unseen)
        visual = [next(fresh)[0] if one.visual is None else one.visual for one in batch if one.image is not None]
        deep = None
        if visual:
            places = ids == self.processor.image_pad_id
            seen = torch.cat([tokens.to(device=device, dtype=inputs.dtype) for tokens in visual])
            inputs = inputs.masked_scatter(places.unsqueeze(-1), seen[:, : self.backbone.dimension])
            deep = self.backbone.deep(places, seen)
        following = torch.tensor([one.next_position for one in batch], device=device)
        return Prefix(inputs, positions.to(device), mask.to(device), following, deep)
