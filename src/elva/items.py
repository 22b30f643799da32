"""The one value passed everywhere: text, image or both, with an optional instruction."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from elva.errors import ItemError

if TYPE_CHECKING:
    from elva.media import ImageSource

Modality = Literal["text", "image", "image,text"]

LABEL_LENGTH = 60

HALF_CHARACTER = re.compile("[\ud800-\udfff]")
"""Half of a character in UTF-16: what bytes that are no UTF-8 are decoded to."""


@dataclass(frozen=True, slots=True)
class Item:
    """What is embedded: a query or a candidate.

    Attributes:
        text: the words, or None.
        image: a path, encoded bytes or a PIL image, or None; opened only when it is embedded.
        instruction: what to look for, put before a query; candidates have none.

    Raises:
        ItemError: neither text nor image; text of white space counts as none. Or half a character, which is what
            a terminal makes of bytes that are no UTF-8.
    """

    text: str | None = None
    image: ImageSource | None = None
    instruction: str | None = None

    def __post_init__(self) -> None:
        """Refuse an item that says nothing, or that can't be written down."""
        if not self._has_text and self.image is None:
            raise ItemError("the item has neither text nor image; give at least one of them")
        for text in (self.text, self.instruction):
            if text and not text.isascii() and HALF_CHARACTER.search(text):
                shown = text.encode("utf-8", "replace").decode()
                raise ItemError(f"the text {shown!r} is not UTF-8; write it as UTF-8")

    @property
    def modality(self) -> Modality:
        """What the item holds, in M-BEIR's words."""
        if self.image is None:
            return "text"
        return "image,text" if self._has_text else "image"

    def label(self) -> str:
        """A short name for tables and errors: the text, else the image's name."""
        if self.text is not None and self._has_text:
            words = " ".join(self.text.split())
            short = len(words) <= LABEL_LENGTH
            return words if short else words[: LABEL_LENGTH - 1].rstrip() + "…"
        from elva.media import describe

        assert self.image is not None  # held by __post_init__
        return describe(self.image)

    @property
    def _has_text(self) -> bool:
        return bool(self.text and self.text.strip())
