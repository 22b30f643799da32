"""What every index can do, whatever stands behind it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, Self

from elva.encoding import ModelIdentity, Vectors


@dataclass(frozen=True, slots=True)
class Entry:
    """One indexed item, as a search result shows it.

    Attributes:
        id: unique in the index.
        text: the item's text, if any.
        image: path of its image relative to the index's `root`, if any.
        summary: what the model wrote about it.
        metadata: anything else that should come back with a hit; JSON values.
        content: hash of what was embedded, "" where that is not known.
    """

    id: str
    text: str | None = None
    image: str | None = None
    summary: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    content: str = ""


@dataclass(frozen=True, slots=True)
class Hit:
    """One result: rank from 1, cosine rounded to a millionth, and the entry."""

    rank: int
    score: float
    entry: Entry


@dataclass(frozen=True, slots=True)
class Stats:
    """How much an index holds and who made its vectors."""

    items: int
    images: int
    bytes: int
    model: ModelIdentity


class Index(Protocol):
    """A searchable set of vectors of one model."""

    @property
    def model(self) -> ModelIdentity:
        """The model whose vectors these are."""

    @property
    def root(self) -> Path | None:
        """The folder that image paths are relative to."""

    def add(self, entries: Sequence[Entry], vectors: Vectors) -> None:
        """Add unit vectors float32 [n, d]; VectorError on NaN, a repeated id or a wrong width."""

    def search(self, queries: Vectors, k: int = 10) -> list[list[Hit]]:
        """The k nearest of each query [n, d], best first, ties by id ascending."""

    def stats(self) -> Stats:
        """Size and model."""

    def save(self, out: Path) -> None:
        """Write a folder, at once or not at all."""

    @classmethod
    def open(cls, folder: Path, model: ModelIdentity | None = None) -> Self:
        """Read it back; IndexMismatch names both models when `model` gives other vectors."""
