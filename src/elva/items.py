"""The one value passed everywhere: text, an image or a video, or text beside one, with an optional instruction."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from elva.errors import ItemError

if TYPE_CHECKING:
    from elva.media import ImageSource, Visual

Modality = Literal["text", "image", "image,text", "video", "video,text"]

LABEL_LENGTH = 60
FRAMES_PER_SECOND = 2.0
"""How fast the frames of a video are taken to follow, since they do not say: the rate that Qwen's models sample at."""

HALF_CHARACTER = re.compile("[\ud800-\udfff]")
"""Half of a character in UTF-16: what bytes that are no UTF-8 are decoded to."""


@dataclass(frozen=True, slots=True)
class Item:
    """What is embedded: a query or a candidate.

    Attributes:
        text: the words, or None.
        image: a path, encoded bytes or a PIL image, or None; opened only when it is embedded.
        instruction: what to look for, put before a query; candidates have none.
        video: frames in their order, each given as an image is, `FRAMES_PER_SECOND` to a second, or None; kept as a
            tuple. Not beside an image, for now.

    Raises:
        ItemError: neither text nor image nor video; text of white space counts as none. Or image and video at once,
            or a video that is no sequence of frames, or has none. Or half a character, which is what a terminal
            makes of bytes that are no UTF-8.
    """

    text: str | None = None
    image: ImageSource | None = None
    instruction: str | None = None
    video: Sequence[ImageSource] | None = None

    def __post_init__(self) -> None:
        """Refuse an item that says nothing, or that can't be written down."""
        if self.video is not None:
            object.__setattr__(self, "video", _frames(self.video))
        if self.image is not None and self.video is not None:
            raise ItemError("the item has an image and a video; give one of them, or an item for each")
        if not self._has_text and self.shown is None:
            raise ItemError("the item has neither text nor image nor video; give at least one of them")
        for text in (self.text, self.instruction):
            if text and not text.isascii() and HALF_CHARACTER.search(text):
                shown = text.encode("utf-8", "replace").decode()
                raise ItemError(f"the text {shown!r} is not UTF-8; write it as UTF-8")

    @property
    def modality(self) -> Modality:
        """What the item holds, in M-BEIR's words."""
        if self.video is not None:
            return "video,text" if self._has_text else "video"
        if self.image is not None:
            return "image,text" if self._has_text else "image"
        return "text"

    @property
    def shown(self) -> Visual | None:
        """What is to be looked at: the image, the frames of the video (a tuple), or None."""
        return self.image if self.video is None else tuple(self.video)

    def label(self) -> str:
        """A short name for tables and errors: the text, else the name of what is shown."""
        if self.text is not None and self._has_text:
            words = " ".join(self.text.split())
            short = len(words) <= LABEL_LENGTH
            return words if short else words[: LABEL_LENGTH - 1].rstrip() + "…"
        from elva.media import describe

        assert self.shown is not None  # held by __post_init__
        return describe(self.shown)

    @property
    def _has_text(self) -> bool:
        return bool(self.text and self.text.strip())


def _frames(video: object) -> tuple[ImageSource, ...]:
    if isinstance(video, str | bytes) or not isinstance(video, Sequence):
        found = str(video) if isinstance(video, str | os.PathLike) else f"of type {type(video).__name__}"
        raise ItemError(f"the video is {found}; give its frames, a list of paths, encoded images or PIL images")
    if not video:
        raise ItemError("the video has no frames; give at least one")
    from elva.media import ImageSource

    for number, frame in enumerate(video, 1):
        if not isinstance(frame, ImageSource):
            kind = type(frame).__name__
            raise ItemError(f"frame {number} of the video is of type {kind}; give a path, encoded bytes or a PIL image")
    return tuple(video)
