"""What every index can do, whatever stands behind it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from elva.encoding import ModelIdentity, Vectors
from elva.errors import InputError
from elva.index.bm25 import Scored
from elva.index.condition import Condition

Codes = Literal["none", "int8", "binary"]
"""What a store looks through for the nearest of many: whole vectors, a byte a number, or a bit a number."""


class UnknownItem(InputError):
    """An id that the index doesn't hold."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One indexed item, as a search result shows it.

    Attributes:
        id: unique in the index.
        text: the item's text, if any.
        image: path of its image relative to the index's `root`, if any.
        summary: what the model wrote about it.
        metadata: anything else that should come back with a hit; JSON values, which conditions ask about.
        content: digest of what was embedded and of what stands beside it, if known; tells what has changed.
        thumbnail: a small encoded picture, given when an entry is added. Entries that come back hold none: ask
            `Index.thumbnail` for it.
    """

    id: str
    text: str | None = None
    image: str | None = None
    summary: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    content: str = ""
    thumbnail: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Hit:
    """One result: rank from 1, cosine rounded to a millionth, and the entry."""

    rank: int
    score: float
    entry: Entry


@dataclass(frozen=True, slots=True)
class Stats:
    """How much an index holds and who made its vectors.

    Attributes:
        items: entries.
        images: those of them with an image.
        bytes: of the vectors.
        model: what made them.
        store: "exact", "lance" or "milvus".
        version: what was published last; 0 before that.
        tidy: whether that was a tidy publication, see `Index.publish`.
        codes: what is looked through where there are many.
    """

    items: int
    images: int
    bytes: int
    model: ModelIdentity
    store: str
    version: int
    tidy: bool = True
    codes: Codes = "none"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the items of an index come from, so that they are found again.

    Attributes:
        root: the folder that image paths are relative to.
        source: what was indexed: a folder, or a table.
        model: path of the model, or its name where it is a packaged one.
    """

    root: Path | None = None
    source: Path | None = None
    model: str | None = None


NOWHERE = Origin()


class Index(Protocol):
    """A searchable set of vectors of one model.

    Changes are in force at once for who makes them. Others see them after `publish`, when they open the folder
    again: at any moment it opens at what was published last.
    """

    origin: Origin

    @property
    def model(self) -> ModelIdentity:
        """The model whose vectors these are."""

    @property
    def most(self) -> int:
        """Hits that one search gives at most; VectorError for more."""

    def __len__(self) -> int:
        """How many items it holds."""

    def add(self, entries: Sequence[Entry], vectors: Vectors) -> None:
        """Add unit vectors float32 [n, d].

        Raises:
            VectorError: NaN, a repeated id or a wrong width; nothing is added then.
            InputError: metadata that JSON can't hold.
        """

    def upsert(self, entries: Sequence[Entry], vectors: Vectors) -> None:
        """Add, in place of the entries that have these ids already; raises as `add`."""

    def delete(self, ids: Sequence[str]) -> int:
        """Remove entries; ids that aren't there are no error. Gives how many were removed."""

    def search(
        self, queries: Vectors, k: int = 10, where: Condition | None = None, match: str | None = None
    ) -> list[list[Hit]]:
        """The k nearest of each query [n, d], best first, ties by id ascending.

        Args:
            queries: unit vectors, float32.
            k: length of each list, 1 or more; fewer where fewer fit.
            where: what the metadata of a hit must satisfy.
            match: words that must all occur in a hit, in its text or its summary; whole words, in any order, case
                and accents' composition aside. A text without a word asks for nothing.

        Raises:
            VectorError: queries of another width, with NaN, or k below 1.
        """

    def by_words(
        self, text: str, k: int = 10, where: Condition | None = None, match: str | None = None
    ) -> list[Scored]:
        """The ids of the k best by BM25 of a text's words, best first, with their scores (see bm25.py).

        An entry's words are those of its text and its summary. One that holds none of the text's words is not given.
        `where` and `match` are those of `search`, and change no score; VectorError for k below 1.
        """

    def get(self, ids: Sequence[str]) -> list[Entry]:
        """The entries of these ids, in this order; UnknownItem names one that isn't there."""

    def vectors(self, ids: Sequence[str]) -> Vectors:
        """Their vectors, float32 [n, d]: for a search from a result without the model. UnknownItem as `get`."""

    def contents(self) -> Mapping[str, str]:
        """Id -> `Entry.content`, of all entries."""

    def thumbnail(self, item: str) -> bytes | None:
        """The small picture of an entry, if there is one; UnknownItem as `get`."""

    def fields(self) -> tuple[str, ...]:
        """Fields that conditions may ask about, sorted."""

    def stats(self) -> Stats:
        """Size, model and version."""

    def publish(self, *, tidy: bool = True) -> int:
        """Make the changes what others find, at once or not at all; gives the version, one more than before.

        Args:
            tidy: also do what makes searches faster and files fewer. Once after many changes, not at each of many
                publications in a row.

        Raises:
            FolderError: it was not opened for writing, or the system refuses; what was published before stays.
        """

    def close(self) -> None:
        """Let go of the folder. What was not published is forgotten."""


def image_path(index: Index, entry: Entry) -> Path | None:
    """Where an entry's image lies."""
    return (index.origin.root or Path()) / entry.image if entry.image else None
