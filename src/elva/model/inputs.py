"""Items to a left-padded batch of embedded prefixes: everything the language model reads before it writes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch
from PIL import Image
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from elva.clips import Visual, frames_of
from elva.errors import InputError
from elva.items import Item
from elva.media import load_image
from elva.model.backbone import Backbone, Deep
from elva.model.feature_files import Seen
from elva.model.features import VisionFeatures
from elva.model.processor import Processor, Tokens
from elva.prompts import Prompt


@dataclass(frozen=True, slots=True)
class Prepared:
    """One item, tokenised and seen.

    Attributes:
        ids: (S,) token ids of the turn.
        positions: (3, S) rotary positions.
        next_position: rotary position of the first written token.
        shown: the pictures or clips of it, in order.
        visual: (n, W) visual tokens of each as `Backbone.see` gives them; none where they weren't looked at yet.
        truncated: whether its text was cut.
        own: (W,) ids of its own words, where [RET] reads them apart (`Processor.own_words`).
    """

    ids: Tensor
    positions: Tensor
    next_position: int
    shown: tuple[Visual, ...]
    visual: tuple[Tensor, ...]
    truncated: bool
    own: Tensor

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
        own: (B, W) int64, the items' own words, where [RET] reads them apart; -1 on padding.
        deep: what the tower adds behind the first layers, for families that do so.
    """

    inputs: Tensor
    positions: Tensor
    mask: Tensor
    next_position: Tensor
    own: Tensor
    deep: Deep | None = None

    def __len__(self) -> int:
        return self.inputs.shape[0]


class Inputs:
    """Prepares items for one backbone."""

    def __init__(self, backbone: Backbone, processor: Processor, features: VisionFeatures) -> None:
        self.backbone, self.processor, self.features = backbone, processor, features

    def prepare(self, items: Sequence[Item], prompt: Prompt, look: bool = True) -> list[Prepared]:
        """Tokenise items, in order.

        Args:
            items: what to prepare.
            prompt: what their turns end with.
            look: look at what they show too; else `collate` does, when they are read.

        Raises:
            MediaError: a picture is missing, damaged or too large.
            InputError: a video, and a model that can't be shown any.
        """
        shown = self._shown(items)
        if look:
            return self._prepare(items, prompt, *_parted(self.features.look(shown)))
        return self._prepare(items, prompt, [], [self.features.grid(one) for one in shown])

    def prepare_live(
        self,
        items: Sequence[Item],
        prompt: Prompt,
        alter: Callable[[list[Image.Image]], list[Image.Image]] = lambda frames: frames,
    ) -> list[Prepared]:
        """As `prepare`, but looks anew with gradient into the vision tower: only the base stage trains it.

        Args:
            items: what to look at.
            prompt: what their turns end with.
            alter: augments the frames of a clip, or the one of a picture, before they are looked at.
        """
        clips = [alter([load_image(frame) for frame in frames_of(one)]) for one in self._shown(items)]
        if not clips:
            return self._prepare(items, prompt, [], [])
        pixels, grids = self.processor.pixels(clips)
        return self._prepare(items, prompt, self.backbone.see(pixels, grids), grids)

    def prepare_pairs(self, pairs: Sequence[tuple[Item, Item]]) -> list[Prepared]:
        """Tokenise and look at pairs of query and candidate, for the turn that asks whether they match.

        Raises:
            MediaError: a picture is missing, damaged or too large.
            InputError: one of them holds a video.
        """
        clip = next((item for pair in pairs for item in pair if item.modality.startswith("video")), None)
        if clip is not None:
            raise InputError(
                f"{clip.label()}: the question whether two items match was tried with no video; leave it out"
            )
        shown = [(*query.visuals, *candidate.visuals) for query, candidate in pairs]
        tokens, grids = _parted(self.features.look([picture for pictures in shown for picture in pictures]))
        stacked = _stacked(grids, shown)
        turns = self.processor.pair_tokens(pairs, stacked)
        return self._put_together(turns, shown, tokens, stacked, [torch.zeros(0, dtype=torch.long)] * len(pairs))

    def _shown(self, items: Sequence[Item]) -> list[Visual]:
        """What is looked at, in the order of the items; InputError where the model can't be shown a clip."""
        if any(item.modality.startswith("video") for item in items):
            self.backbone.check_clips()
        return [shown for item in items for shown in item.visuals]

    def _prepare(
        self, items: Sequence[Item], prompt: Prompt, tokens: Sequence[Tensor], grids: Iterable[Tensor]
    ) -> list[Prepared]:
        """With visual tokens (none: not yet) and grid of all that is shown, in its order."""
        shown = [item.visuals for item in items]
        stacked = _stacked(grids, shown)
        turns = self.processor.all_tokens(items, prompt, stacked, self.backbone.times_clips)
        return self._put_together(turns, shown, tokens, stacked, self.processor.own_words(items))

    def _put_together(
        self,
        turns: Sequence[Tokens],
        shown: Sequence[tuple[Visual, ...]],
        tokens: Sequence[Tensor],
        grids: Sequence[Tensor | None],
        own: Sequence[Tensor],
    ) -> list[Prepared]:
        """`tokens` are those of all that is shown, in its order, or none; the others have one entry an item."""
        seen = iter(tokens)
        return [
            Prepared(
                turn.ids,
                *self._positions(turn.ids, grid),
                visuals,
                tuple(next(seen) for _ in visuals) if tokens else (),
                turn.truncated,
                words,
            )
            for turn, visuals, grid, words in zip(turns, shown, grids, own, strict=True)
        ]

    def _positions(self, ids: Tensor, grid: Tensor | None) -> tuple[Tensor, int]:
        """Rotary positions (3, S) of a turn and of the token after it; on a line they are those of words."""
        if grid is None or self.processor.settings.positions == "line":
            return self.backbone.positions(torch.zeros_like(ids), None)
        return self.backbone.positions(self.processor.types(ids), grid)

    def collate(self, batch: Sequence[Prepared], reader: Backbone | None = None) -> Prefix:
        """Pad and embed; gradients flow into the token embeddings where they train.

        Args:
            batch: what to read.
            reader: whose token embeddings, where another model with the same vision tower is to read.

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
        inputs = (reader or self.backbone).embed(ids)
        unseen = self.features.look([visual for one in batch if not one.visual for visual in one.shown])
        fresh = (tokens for tokens, _ in unseen)
        visual = [tokens for one in batch for tokens in (one.visual or [next(fresh) for _ in one.shown])]
        deep = None
        if visual:
            places = self.processor.types(ids) > 0
            seen = torch.cat([tokens.to(device=device, dtype=inputs.dtype) for tokens in visual])
            inputs = inputs.masked_scatter(places.unsqueeze(-1), seen[:, : self.backbone.dimension])
            deep = self.backbone.deep(places, seen)
        following = torch.tensor([one.next_position for one in batch], device=device)
        return Prefix(inputs, positions.to(device), mask.to(device), following, self.own_words(batch), deep)

    def own_words(self, batch: Sequence[Prepared]) -> Tensor:
        """(B, W) int64, as in `Prefix.own`."""
        return pad_sequence([one.own for one in batch], True, -1).to(self.backbone.device)


def _parted(seen: Sequence[Seen]) -> tuple[list[Tensor], list[Tensor]]:
    """Visual tokens of each, and grids."""
    return [tokens for tokens, _ in seen], [grid for _, grid in seen]


def _stacked(grids: Iterable[Tensor], shown: Sequence[Sequence[Visual]]) -> list[Tensor | None]:
    """The grids (n, 3) of each item's n pictures or clips, of those (3,) of all; None for an item without."""
    rest = iter(grids)
    return [torch.stack([next(rest) for _ in visuals]) if visuals else None for visuals in shown]
