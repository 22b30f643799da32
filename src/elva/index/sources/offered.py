"""What a source offers to an index, whatever it is."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from elva.clips import visual_key
from elva.errors import DataError, MediaError
from elva.index.protocol import Entry
from elva.items import Item

_EMBEDDED, _BESIDE = 32, 16
"""Hexadecimal digits of the two parts of `Entry.content`: of what the vector is made from, and of all else."""


Place = tuple[Path, int | None, str | None]


@dataclass(frozen=True, slots=True)
class Offered:
    """One item of a source.

    Attributes:
        entry: how it will be shown; without summary and thumbnail, and without content until `keyed`.
        item: what is embedded.
        place: file, line and field that name its picture, for errors.
    """

    entry: Entry
    item: Item
    place: Place

    def keyed(self) -> Entry:
        """The entry with the digest of its content.

        The first part changes when the text or the bytes of the picture or video do: then it is embedded again. The
        second one changes with what stands beside it, such as metadata: then only the entry is written again.

        Raises:
            MediaError: the picture can't be read.
        """
        picture = visual_key(self.item.shown) if self.item.shown is not None else None
        embedded = _digest([self.item.text, picture])[:_EMBEDDED]
        beside = _digest([self.entry.text, self.entry.image, dict(self.entry.metadata)])[:_BESIDE]
        return replace(self.entry, content=f"{embedded}-{beside}")


class Source(Protocol):
    """Something that offers items, as often as it is asked."""

    @property
    def kind(self) -> str:
        """What it is, for people."""

    @property
    def path(self) -> Path:
        """The folder or file."""

    @property
    def root(self) -> Path:
        """The folder that image paths are relative to."""

    def items(self, errors: list[DataError]) -> Iterator[Offered]:
        """Every usable item, in an order that is always the same; the others are appended to `errors`.

        Raises:
            ElvaError: the source as a whole can't be used.
        """


def embedded_alike(one: str, other: str) -> bool:
    """Whether two values of `Entry.content` stand for the same vector."""
    return one[:_EMBEDDED] == other[:_EMBEDDED]


def bad_picture(place: Place, error: MediaError) -> DataError:
    """What is wrong with a picture, as an error of the place that names it."""
    found = str(error).partition("; ")[0]
    return DataError(*place, found.removeprefix(f"{place[0]} "), "replace the picture, or take it out")


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
