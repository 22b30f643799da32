"""The one value passed everywhere: text, an image or a video, text beside one, or several such turns.

With an optional instruction.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from elva.errors import ItemError

if TYPE_CHECKING:
    from elva.clips import Clip, Visual
    from elva.media import ImageSource

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
        video: a `Clip` on disk; or frames in their order, each given as an image is, kept as a tuple; or None. They are
            taken as `FRAMES_PER_SECOND` to a second. An image beside it needs a turn of its own.
        turns: what was shown and said one after the other, each an item without an instruction; kept as a tuple. Then
            the item has nothing else but its instruction.

    Raises:
        ItemError: neither text nor image nor video; text of white space counts as none. Or image and video at once,
            or a video that is neither clip nor frames, or has none. Or turns beside something else, or that are no
            plain items. Or half a character, which is what a terminal makes of bytes that are no UTF-8.
    """

    text: str | None = None
    image: ImageSource | None = None
    instruction: str | None = None
    video: Clip | Sequence[ImageSource] | None = None
    turns: Sequence[Item] | None = None

    def __post_init__(self) -> None:
        """Refuse an item that says nothing, or that can't be written down."""
        if self.turns is not None:
            object.__setattr__(self, "turns", _turns(self.turns))
            if self._has_text or self.shown is not None:
                raise ItemError("the item has turns and something beside them; make that a turn of its own")
        if self.video is not None:
            object.__setattr__(self, "video", _frames(self.video))
        if self.image is not None and self.video is not None:
            raise ItemError("the item has an image and a video; give one of them, or a turn for each")
        if not self._has_text and self.shown is None and self.turns is None:
            raise ItemError("the item has neither text nor image nor video; give at least one of them")
        for text in (self.text, self.instruction):
            if text and not text.isascii() and HALF_CHARACTER.search(text):
                shown = text.encode("utf-8", "replace").decode()
                raise ItemError(f"the text {shown!r} is not UTF-8; write it as UTF-8")

    @property
    def modality(self) -> Modality:
        """What the item holds, in M-BEIR's words; those of a video where turns show images too."""
        text = any(part._has_text for part in self.parts)
        if any(part.video is not None for part in self.parts):
            return "video,text" if text else "video"
        if any(part.image is not None for part in self.parts):
            return "image,text" if text else "image"
        return "text"

    @property
    def shown(self) -> Visual | None:
        """What is to be looked at: the image, the video (a tuple of frames, or a clip), or None. Turns show theirs."""
        from elva.clips import Clip

        return self.image if self.video is None else self.video if isinstance(self.video, Clip) else tuple(self.video)

    @property
    def parts(self) -> tuple[Item, ...]:
        """The turns, in order; an item without turns is its own single part."""
        return (self,) if self.turns is None else tuple(self.turns)

    @property
    def visuals(self) -> tuple[Visual, ...]:
        """All that is to be looked at, in the order of the parts."""
        return tuple(part.shown for part in self.parts if part.shown is not None)

    def label(self) -> str:
        """A short name for tables and errors: the text, else the name of what is shown."""
        if self.turns is not None:
            return f"{len(self.turns)} {'turn' if len(self.turns) == 1 else 'turns'} ({self.turns[0].label()} first)"
        if self.text is not None and self._has_text:
            words = " ".join(self.text.split())
            short = len(words) <= LABEL_LENGTH
            return words if short else words[: LABEL_LENGTH - 1].rstrip() + "…"
        from elva.clips import describe_visual

        assert self.shown is not None  # held by __post_init__
        return describe_visual(self.shown)

    @property
    def _has_text(self) -> bool:
        return bool(self.text and self.text.strip())


def _turns(turns: object) -> tuple[Item, ...]:
    if not isinstance(turns, Sequence) or isinstance(turns, str) or not turns:
        raise ItemError("the turns are no list of items, or none; give at least one")
    for number, turn in enumerate(turns, 1):
        if not isinstance(turn, Item):
            raise ItemError(f"turn {number} is of type {type(turn).__name__}; give an item")
        if turn.turns is not None or turn.instruction is not None:
            fix = "give it to the whole item" if turn.instruction is not None else "put all turns in one list"
            raise ItemError(f"turn {number} has {'turns' if turn.turns else 'an instruction'} of its own; {fix}")
    return tuple(turns)


def _frames(video: object) -> Clip | tuple[ImageSource, ...]:
    from elva.clips import Clip

    if isinstance(video, Clip):
        return video
    if isinstance(video, str | bytes) or not isinstance(video, Sequence):
        found = str(video) if isinstance(video, str | os.PathLike) else f"of type {type(video).__name__}"
        fix = "give its frames, a list of paths, encoded images or PIL images, or an elva.clips.Clip of its path"
        raise ItemError(f"the video is {found}; {fix}")
    if not video:
        raise ItemError("the video has no frames; give at least one")
    from elva.media import ImageSource

    for number, frame in enumerate(video, 1):
        if not isinstance(frame, ImageSource):
            kind = type(frame).__name__
            raise ItemError(f"frame {number} of the video is of type {kind}; give a path, encoded bytes or a PIL image")
    return tuple(video)
