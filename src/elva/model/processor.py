"""Items to token ids and pixels, by transformers' own PIL image processor and the checkpoint's chat template.

The stock Qwen2VLProcessor builds a video processor that needs torchvision, so the two parts are held side by
side here: a fast tokenizer and a Qwen2VLImageProcessorPil. Both are saved in their usual files.

A picture is a clip of one frame. The vision tower looks at `temporal_patch_size` frames at a time (two, in all
families) as one temporal patch, so a picture is shown twice, and so is the last frame of an odd number. A clip that
does not move is therefore the same patches, visual tokens and rotary positions as its picture, once per temporal patch.
What differs is written: the one-word prompt says "video", and Qwen3-VL puts a time before each temporal patch. The pad
that stands for a visual token differs too, which no model sees: the token takes its place.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from transformers import AutoTokenizer
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil, smart_resize

from elva.clips import size_and_frames
from elva.errors import CheckpointError
from elva.items import FRAMES_PER_SECOND, Item
from elva.model.layouts import OWN_TOKENS, read_settings
from elva.model.settings import Settings
from elva.prompts import CANDIDATE, MATCH, QUERY, RET, Prompt

IMAGE_PAD = "<|image_pad|>"
VIDEO_PAD = "<|video_pad|>"
VISION_START, VISION_END = "<|vision_start|>", "<|vision_end|>"


@dataclass(frozen=True, slots=True)
class Tokens:
    """One item as the language model sees it.

    Attributes:
        ids: (S,) int64, with one pad id of image or video per visual token.
        truncated: whether the item's text was cut to `Settings.max_text`.
    """

    ids: Tensor
    truncated: bool


class Processor:
    """Tokenizer, image processor and templates of one checkpoint.

    Attributes:
        told: what a user should know of how the folder was read; mostly nothing.
        control_tokens: what is no text: special tokens, and a retriever's own, which need not be marked as special.
            Written by a user they must not become control tokens of the turn.
    """

    def __init__(
        self, tokenizer: Any, image_processor: Qwen2VLImageProcessorPil, settings: Settings, told: str = ""
    ) -> None:
        self.tokenizer = tokenizer
        self.image_processor = image_processor
        self.settings, self.told = settings, told
        vocabulary = tokenizer.get_vocab()
        self._pads = [int(vocabulary.get(pad, -1)) for pad in (IMAGE_PAD, VIDEO_PAD)]
        added = (token for token in tokenizer.added_tokens_decoder.values() if token.special)
        own = (token for token in OWN_TOKENS if token in vocabulary)
        known = [*tokenizer.all_special_tokens, *(str(token) for token in added), *own]
        self.control_tokens = [token for token in dict.fromkeys(known) if token]

    @classmethod
    def load(cls, folder: Path) -> Processor:
        """Read tokenizer and image processor from a checkpoint folder in the hub's layout.

        Raises:
            CheckpointError: a file is missing, damaged or of another kind; see `read_settings` too.
        """
        try:
            tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
            images = Qwen2VLImageProcessorPil.from_pretrained(folder, local_files_only=True)
        except Exception as error:  # damaged files surface as many types; the user needs the folder's name
            raise CheckpointError(f"{folder}: tokenizer or image processor can't be read: {error}") from error
        if tokenizer.chat_template is None:
            raise CheckpointError(f"{folder}: the tokenizer has no chat template; use the instruction-tuned checkpoint")
        _check_turn(folder, tokenizer)
        reading = read_settings(folder, tokenizer.get_vocab())
        if reading.max_pixels is not None:
            size = dict(images.size)
            images.size = {**size, "longest_edge": min(size["longest_edge"], reading.max_pixels)}
        return cls(tokenizer, images, reading.settings, reading.told)

    def save(self, folder: Path) -> None:
        """Write tokenizer, image processor and settings in their usual files."""
        self.tokenizer.save_pretrained(folder)
        self.image_processor.save_pretrained(folder)
        self.settings.save(folder)

    @property
    def ret_id(self) -> int:
        """Id of [RET]."""
        return int(self.tokenizer.convert_tokens_to_ids(RET))

    @property
    def end_id(self) -> int:
        """Id that ends a turn of the chat, and so an answer, as [RET] ends a summary.

        Raises:
            CheckpointError: the tokenizer names none.
        """
        end = self.tokenizer.eos_token_id
        if end is None:
            raise CheckpointError(
                "the tokenizer names no eos_token, which ends answers; add it to tokenizer_config.json"
            )
        return int(end)

    @property
    def pad_id(self) -> int:
        """Id that fills short rows."""
        return int(self.tokenizer.pad_token_id)

    def types(self, ids: Tensor) -> Tensor:
        """What each id stands for, as transformers counts: 0 itself, 1 a visual token of a picture, 2 of a video."""
        picture, video = self._pads
        return (ids == picture).int() + 2 * (ids == video).int()

    def add_ret(self) -> bool:
        """Add [RET] to the vocabulary; False if it is there already."""
        if RET in self.tokenizer.get_vocab():
            return False
        self.tokenizer.add_special_tokens({"extra_special_tokens": [RET]}, replace_extra_special_tokens=False)
        self.control_tokens.append(RET)
        return True

    def banned_ids(self, end: int | None = None) -> list[int]:
        """Ids never to be sampled: all control tokens but one. One sampled image pad breaks the next forward.

        Args:
            end: the id that ends what is written; [RET] by default.
        """
        kept = self.ret_id if end is None else end
        return sorted({*self.tokenizer.convert_tokens_to_ids(self.control_tokens)} - {kept})

    def pixels(self, clips: Sequence[Sequence[Image.Image]]) -> tuple[Tensor, Tensor]:
        """Patches (sum of t*h*w, C*T*P*P) float32 and grids (n, 3) int64 of n clips.

        Args:
            clips: the RGB frames of each; a picture is one frame. All frames of a clip are scaled as its first.
        """
        if all(len(frames) == 1 for frames in clips):  # they come as they are needed
            batch = self._cut([frame for frames in clips for frame in frames])
            return batch["pixel_values"], batch["image_grid_thw"]
        patches, grids = zip(*map(self._patches, clips), strict=True)
        return torch.cat(patches), torch.stack(grids)

    def _cut(self, pictures: list[Image.Image]) -> Any:
        fit = all(self._scaled(picture.size) == picture.size[::-1] for picture in pictures)
        return self.image_processor(images=pictures, do_resize=not fit, return_tensors="pt")

    def _patches(self, frames: Sequence[Image.Image]) -> tuple[Tensor, Tensor]:
        """Patches (t*h*w, C*T*P*P) and the grid (3,) of one clip."""
        images, size = self.image_processor, frames[0].size
        alike = [frame if frame.size == size else frame.resize(size, images.resample) for frame in frames]
        batch, depth = self._cut(alike), images.temporal_patch_size
        # Each frame comes as a picture, shown T times: (frames, h*w, C, T, P*P). Of the T frames of a temporal patch,
        # the k-th gives what is shown k-th.
        pictures = batch["pixel_values"].unflatten(1, (-1, depth, images.patch_size**2)).unflatten(0, (len(frames), -1))
        order = [*range(len(frames)), *[-1] * (-len(frames) % depth)]
        moving = torch.stack([pictures[:, :, :, k][order[k::depth]] for k in range(depth)], 3)
        return moving.flatten(2).flatten(0, 1), batch["image_grid_thw"][0] * torch.tensor([len(moving), 1, 1])

    def grid(self, size: tuple[int, int], frames: int = 1) -> Tensor:
        """The (3,) int64 grid that `pixels` gives so many frames, the first of this (width, height) in pixels."""
        images, sides = self.image_processor, self._scaled(size)
        return torch.tensor([-(-frames // images.temporal_patch_size), *(side // images.patch_size for side in sides)])

    def _scaled(self, size: tuple[int, int]) -> tuple[int, int]:
        """Height and width that a picture of this (width, height) is scaled to."""
        images = self.image_processor
        width, height = size
        scaled: tuple[int, int] = smart_resize(
            height,
            width,
            images.patch_size * images.merge_size,
            min_pixels=images.size["shortest_edge"],
            max_pixels=images.size["longest_edge"],
        )
        return scaled

    def visual_tokens(self, grid: Tensor) -> int:
        """Number of visual tokens of a picture or clip with this (3,) grid."""
        return int(grid.prod()) // int(self.image_processor.merge_size) ** 2

    def times(self, frames: int) -> list[float]:
        """Seconds of each temporal patch of a clip: the middle between its first and last frame."""
        depth, last = self.image_processor.temporal_patch_size, frames - 1
        return [(first + min(first + depth - 1, last)) / 2 / FRAMES_PER_SECOND for first in range(0, frames, depth)]

    def tokens(self, item: Item, prompt: Prompt, grid: Tensor | None = None, timed: bool = False) -> Tokens:
        """As `all_tokens`, of one item."""
        return self.all_tokens([item], prompt, [grid], timed)[0]

    def all_tokens(
        self, items: Sequence[Item], prompt: Prompt, grids: Sequence[Tensor | None], timed: bool = False
    ) -> list[Tokens]:
        """The user's turn for each item, up to the place where the model starts to write.

        Args:
            items: what the turns are about.
            prompt: what they end with.
            grids: (3,) of what each item shows, (n, 3) where its parts show n; None leaves one pad for each.
            timed: each temporal patch of a clip stands alone, behind its time (`Backbone.times_clips`).

        Raises:
            CheckpointError: the chat template has no place for what an item shows.
        """
        messages = [self._message(item, prompt) for item in items]
        return self._turns(messages, [item.parts for item in items], grids, timed)

    def pair_tokens(self, pairs: Sequence[tuple[Item, Item]], grids: Sequence[Tensor | None]) -> list[Tokens]:
        """The user's turn that asks whether a candidate matches a query, for each pair.

        Args:
            pairs: query and candidate, of texts and pictures.
            grids: of each pair (n, 3) of its n pictures, the query's first, or None.

        Raises:
            CheckpointError: the chat template has no place for a picture.
        """
        messages = [self._pair_message(*pair) for pair in pairs]
        return self._turns(messages, [(*query.parts, *other.parts) for query, other in pairs], grids, timed=False)

    def _turns(
        self,
        messages: Sequence[tuple[list[dict[str, Any]], bool]],
        parts: Sequence[Sequence[Item]],
        grids: Sequence[Tensor | None],
        timed: bool,
    ) -> list[Tokens]:
        """Tokens of conversations, each with whether a text was cut, what it is about in its order, and the grids."""
        if not messages:
            return []
        conversations, truncated = zip(*messages, strict=True)
        turns = self.tokenizer.apply_chat_template([*conversations], add_generation_prompt=True, tokenize=False)
        written = [self._with_pads(*row, timed) for row in zip(turns, parts, grids, strict=True)]
        # All at once: the tokenizer has threads for that.
        ids = self.tokenizer(written, add_special_tokens=False, return_attention_mask=False)["input_ids"]
        return [Tokens(torch.tensor(one, dtype=torch.long), cut) for one, cut in zip(ids, truncated, strict=True)]

    def _message(self, item: Item, prompt: Prompt) -> tuple[list[dict[str, Any]], bool]:
        """The conversation about an item, which is one message of the user, and whether the item's text was cut."""
        texts, truncated = self._own_texts(item)
        asked = self.settings.prompts.user_texts(self._with_plain_instruction(item), texts, prompt)
        return [{"role": "user", "content": _content(item, asked)}], truncated

    def _pair_message(self, query: Item, candidate: Item) -> tuple[list[dict[str, Any]], bool]:
        """The conversation about a pair, and whether one of its texts was cut."""
        content, truncated = [{"type": "text", "text": MATCH}], False
        for head, item in ((QUERY, query), (CANDIDATE, candidate)):
            texts, cut = self._own_texts(item)
            truncated |= cut
            content.append({"type": "text", "text": head})
            content += _content(item, self.settings.prompts.own_texts(self._with_plain_instruction(item), texts))
        return [{"role": "user", "content": content}], truncated

    def _with_pads(self, turn: str, parts: Sequence[Item], grids: Tensor | None, timed: bool) -> str:
        """The turn with a pad per visual token where the template wrote one for all of a picture or clip."""
        if grids is None:
            return turn
        written, showing = "", (part for part in parts if part.shown is not None)
        for item, grid in zip(showing, grids.view(-1, 3), strict=True):
            pad = IMAGE_PAD if item.video is None else VIDEO_PAD
            before, found, turn = turn.partition(pad)
            if not found:
                raise CheckpointError(f"the chat template writes no {pad}; take that of a Qwen-VL model, which does")
            written += before + self._pads_of(item, pad, grid, timed)
        return written + turn

    def _pads_of(self, item: Item, pad: str, grid: Tensor, timed: bool) -> str:
        if item.video is None or item.shown is None or not timed:
            return pad * self.visual_tokens(grid)
        times = self.times(size_and_frames(item.shown)[1])
        block = VISION_START + pad * (self.visual_tokens(grid) // len(times)) + VISION_END
        return "".join(f"<{time:.1f} seconds>{block}" for time in times)

    def _own_texts(self, item: Item) -> tuple[list[str | None], bool]:
        """The text of each part of an item, and whether one was cut."""
        texts, cuts = zip(*map(self._own_text, item.parts), strict=True)
        return [*texts], any(cuts)

    def _own_text(self, item: Item) -> tuple[str | None, bool]:
        if item.text is None:
            return None, False
        text = self._without_control(item.text)
        if len(text.encode()) <= self.settings.max_text:  # a token covers at least one byte
            return text, False
        ids = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        if len(ids) <= self.settings.max_text:
            return text, False
        return self.tokenizer.decode(ids[: self.settings.max_text]), True

    def _with_plain_instruction(self, item: Item) -> Item:
        if not item.instruction:
            return item
        return replace(item, instruction=self._without_control(item.instruction))

    def _without_control(self, text: str) -> str:
        for token in self.control_tokens:
            text = text.replace(token, " ")
        return text

    def summary_ids(self, summary: str) -> list[int]:
        """Token ids of a summary as the model would have written it, [RET] last, cut to `max_summary`."""
        return [*self.written_ids(summary)[: self.settings.max_summary - 1], self.ret_id]

    def cuts(self, summary: str) -> bool:
        """Whether `summary_ids` must cut this text."""
        return len(self.written_ids(summary)) >= self.settings.max_summary

    def answer_ids(self, answer: str) -> list[int]:
        """Token ids of an answer as the model would have written it, the end of its turn last; never cut."""
        return [*self.written_ids(answer), self.end_id]

    def own_words(self, items: Sequence[Item]) -> list[Tensor]:
        """(W,) int64 ids of each item's own text, cut to `max_text`, and of a line break, for [RET] to read.

        Of an item of turns, those of each turn. W is 0 where an item has no text, and for all items where the
        bottleneck is not "pictures".
        """
        if self.settings.bottleneck != "pictures" or not items:
            return [torch.zeros(0, dtype=torch.long)] * len(items)
        texts = [self._without_control(part.text or "") for item in items for part in item.parts]
        rows = self.tokenizer(texts, add_special_tokens=False, return_attention_mask=False)["input_ids"]
        # "red" before "circle" is not "red circle": a break tells what was given from what was written. A line break is
        # one token in every byte-level vocabulary, Qwen's among them, and models know it from between the lines of a
        # turn. It is read alone, not behind the text: a tokenizer may make one token of a full stop and a break.
        end, longest = self.written_ids("\n"), self.settings.max_text
        words = ([*ids[:longest], *end] if text.strip() else [] for text, ids in zip(texts, rows, strict=True))
        joined = ([word for _ in item.parts for word in next(words)] for item in items)
        return [torch.tensor(ids, dtype=torch.long) for ids in joined]

    def written_ids(self, text: str) -> list[int]:
        """Token ids of a text as the model would have written it, without an end."""
        ids: list[int] = self.tokenizer(self._without_control(text), add_special_tokens=False)["input_ids"]
        return ids

    def places(self, text: str, spans: Sequence[tuple[int, int]]) -> list[list[int]]:
        """Which of the `written_ids` of a text hold something of each span (start, end) of its characters.

        White space at the ends of a span doesn't count: a token often begins with the space before its word.
        """
        plain = self._without_control(text)
        found = self.tokenizer(plain, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
        places = []
        for start, end in spans:
            span = text[start:end]
            first = start + len(span) - len(span.lstrip())
            # Control tokens were taken out, so that what follows them has moved.
            first, last = (len(self._without_control(text[:at])) for at in (first, start + len(span.rstrip())))
            places.append([place for place, (a, b) in enumerate(found) if a < last and b > first < last])
        return places

    def decode(self, ids: list[int]) -> str:
        """Text of a sampled summary without control tokens, nor such as a model spells out: the prompt names [RET]."""
        return self._without_control(self.tokenizer.decode(ids, skip_special_tokens=True)).strip()


def _content(item: Item, texts: Sequence[str]) -> list[dict[str, str]]:
    """A message about an item: what each part shows, then its text, if any."""
    content: list[dict[str, str]] = []
    for part, text in zip(item.parts, texts, strict=True):
        if part.shown is not None:
            content.append({"type": "image" if part.video is None else "video"})
        if text:
            content.append({"type": "text", "text": text})
    return content


def _check_turn(folder: Path, tokenizer: Any) -> None:
    """Raise CheckpointError unless a turn with a picture can be written and read.

    Without its files transformers makes an empty tokenizer, and says nothing.
    """
    content = [{"type": "image"}, {"type": "text", "text": "red"}]
    try:
        turn = tokenizer.apply_chat_template([{"role": "user", "content": content}], tokenize=False)
    except Exception as error:  # a template raises what it likes
        raise CheckpointError(f"{folder}: the chat template can't be used ({error}); copy it again") from error
    if IMAGE_PAD not in tokenizer.get_vocab() or turn.count(IMAGE_PAD) != 1:
        raise CheckpointError(
            f"{folder}: tokenizer and chat template have no {IMAGE_PAD} for a picture; "
            "copy tokenizer.json and the template from the instruction-tuned checkpoint"
        )
