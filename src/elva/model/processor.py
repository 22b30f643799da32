"""Items to token ids and pixels, by transformers' own PIL image processor and the checkpoint's chat template.

The stock Qwen2VLProcessor builds a video processor that needs torchvision, so the two parts are held side by
side here: a fast tokenizer and a Qwen2VLImageProcessorPil. Both are saved in their usual files.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from transformers import AutoTokenizer
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from elva.encoding import Extraction
from elva.errors import CheckpointError
from elva.items import Item
from elva.prompts import RET, Prompts

SETTINGS_FILE = "elva.json"
IMAGE_PAD = "<|image_pad|>"


@dataclass(frozen=True, slots=True)
class Settings:
    """What ELVA adds to a checkpoint folder (elva.json): how its embeddings are read.

    Attributes:
        extraction: the extraction it was trained for, used unless the caller says otherwise.
        prompts: the two templates.
        max_summary: tokens of a summary, [RET] included; then [RET] is forced and counted.
        max_text: tokens of an item's own text; the rest is cut and counted (LamRA's 480).
        trained: the stages behind this checkpoint, oldest first.
    """

    extraction: Extraction = "generative"
    prompts: Prompts = field(default_factory=Prompts)
    max_summary: int = 128
    max_text: int = 480
    trained: tuple[str, ...] = ()

    @classmethod
    def load(cls, folder: Path) -> Settings:
        """Read elva.json; a checkpoint without it (a plain base model) gets the paper's defaults."""
        path = folder / SETTINGS_FILE
        if not path.is_file():
            return cls()
        try:
            row = json.loads(path.read_text("utf-8"))
            row["prompts"], row["trained"] = Prompts(**row["prompts"]), tuple(row["trained"])
            return cls(**row)
        except (ValueError, KeyError, TypeError) as error:
            raise CheckpointError(
                f"{path}: not a settings file of ELVA ({error}); copy it again from its source"
            ) from error

    def save(self, folder: Path) -> None:
        """Write elva.json."""
        (folder / SETTINGS_FILE).write_text(json.dumps(asdict(self), indent=2) + "\n", "utf-8")


@dataclass(frozen=True, slots=True)
class Tokens:
    """One item as the language model sees it.

    Attributes:
        ids: (S,) int64, with one image-pad id per visual token.
        truncated: whether the item's text was cut to `Settings.max_text`.
    """

    ids: Tensor
    truncated: bool


class Processor:
    """Tokenizer, image processor and templates of one checkpoint."""

    def __init__(self, tokenizer: Any, image_processor: Qwen2VLImageProcessorPil, settings: Settings) -> None:
        self.tokenizer = tokenizer
        self.image_processor = image_processor
        self.settings = settings
        # Control tokens written by a user must not become control tokens of the turn.
        self.control_tokens = [token for token in tokenizer.all_special_tokens if token]

    @classmethod
    def load(cls, folder: Path) -> Processor:
        """Read tokenizer and image processor from a checkpoint folder in the hub's layout.

        Raises:
            CheckpointError: a file is missing, damaged or of another kind.
        """
        try:
            tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
            images = Qwen2VLImageProcessorPil.from_pretrained(folder, local_files_only=True)
        except Exception as error:  # damaged files surface as many types; the user needs the folder's name
            raise CheckpointError(f"{folder}: tokenizer or image processor can't be read: {error}") from error
        if tokenizer.chat_template is None:
            raise CheckpointError(f"{folder}: the tokenizer has no chat template; use the instruction-tuned checkpoint")
        _check_turn(folder, tokenizer)
        return cls(tokenizer, images, Settings.load(folder))

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
    def pad_id(self) -> int:
        """Id that fills short rows."""
        return int(self.tokenizer.pad_token_id)

    @property
    def image_pad_id(self) -> int:
        """Id that stands for one visual token."""
        return int(self.tokenizer.convert_tokens_to_ids(IMAGE_PAD))

    def add_ret(self) -> bool:
        """Add [RET] to the vocabulary; False if it is there already."""
        if RET in self.tokenizer.get_vocab():
            return False
        self.tokenizer.add_special_tokens({"extra_special_tokens": [RET]}, replace_extra_special_tokens=False)
        self.control_tokens.append(RET)
        return True

    def banned_ids(self) -> list[int]:
        """Ids never to be sampled: all control tokens but [RET]. One sampled image pad breaks the next forward."""
        return sorted((set(self.tokenizer.all_special_ids) | set(self._added_ids())) - {self.ret_id})

    def _added_ids(self) -> list[int]:
        return [i for i, token in self.tokenizer.added_tokens_decoder.items() if token.special]

    def pixels(self, images: list[Image.Image]) -> tuple[Tensor, Tensor]:
        """Patches (sum of t*h*w, C*T*P*P) float32 and grids (n, 3) int64 of RGB images."""
        batch = self.image_processor(images=images, return_tensors="pt")
        return batch["pixel_values"], batch["image_grid_thw"]

    def visual_tokens(self, grid: Tensor) -> int:
        """Number of image-pad tokens of one image with this (3,) grid."""
        return int(grid.prod()) // int(self.image_processor.merge_size) ** 2

    def tokens(self, item: Item, extraction: Extraction, visual_tokens: int = 0) -> Tokens:
        """The user's turn for one item, up to the place where the model starts to write."""
        text, truncated = self._own_text(item)
        content: list[dict[str, str]] = [{"type": "image"}] if item.image is not None else []
        instruction = self._without_control(item.instruction) if item.instruction else None
        words = self.settings.prompts.user_text(replace(item, instruction=instruction), text, extraction)
        content.append({"type": "text", "text": words})
        turn = self.tokenizer.apply_chat_template(
            [{"role": "user", "content": content}], add_generation_prompt=True, tokenize=False
        )
        if visual_tokens:
            turn = turn.replace(IMAGE_PAD, IMAGE_PAD * visual_tokens, 1)
        ids = self.tokenizer(turn, add_special_tokens=False)["input_ids"]
        return Tokens(torch.tensor(ids, dtype=torch.long), truncated)

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

    def _without_control(self, text: str) -> str:
        for token in self.control_tokens:
            text = text.replace(token, " ")
        return text

    def summary_ids(self, summary: str) -> list[int]:
        """Token ids of a summary as the model would have written it, [RET] last, cut to `max_summary`."""
        return [*self._written(summary)[: self.settings.max_summary - 1], self.ret_id]

    def cuts(self, summary: str) -> bool:
        """Whether `summary_ids` must cut this text."""
        return len(self._written(summary)) >= self.settings.max_summary

    def _written(self, summary: str) -> list[int]:
        ids: list[int] = self.tokenizer(summary, add_special_tokens=False)["input_ids"]
        return ids

    def decode(self, ids: list[int]) -> str:
        """Text of a sampled summary without control tokens."""
        return str(self.tokenizer.decode(ids, skip_special_tokens=True)).strip()


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
