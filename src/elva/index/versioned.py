"""What stores share whose folder points at a version of something that lies behind it: see lance.py and milvus.py.

A store says how rows are found, written and published. What is taken in, whose lists these are and how they are ordered
is said here, and is the same for all.
"""

from __future__ import annotations

import sys
import weakref
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np

from elva.encoding import ModelIdentity, Vectors
from elva.index.accepting import Said, accepted, grown_fields, require_new, require_queries, there
from elva.index.condition import Condition
from elva.index.facts import facts
from elva.index.folder import FolderError, refusing
from elva.index.gallery import MARGIN, MICRO, VectorError, cosines_micro
from elva.index.pointer import Pointer
from elva.index.protocol import Entry, Hit
from elva.index.readers import hold_newest
from elva.locks import FolderLock

SPARE = 4
"""More rows than are wanted are asked for, since the last bits of float32 may order near ties otherwise."""


def hold(folder: Path, model: ModelIdentity | None, holding: ExitStack, *, writing: bool) -> Pointer:
    """Hold what is in force, until the stack is closed: for writing the folder, else the version.

    Raises:
        FolderError: it is no index, or damaged, or the system refuses.
        IndexMismatch: `model` is given and would not give such vectors.
        FolderInUse: `writing`, and another process is; names it.
    """
    Pointer.read(folder).require(folder, model)
    if not writing:
        return hold_newest(folder, holding)
    with refusing(folder):
        holding.enter_context(FolderLock(folder))
    return Pointer.read(folder)  # the lock holds it


class Taken(NamedTuple):
    """Entries that were accepted: their vectors float32 [n, d], their metadata as JSON, and what these say."""

    entries: Sequence[Entry]
    vectors: Vectors
    metadata: Sequence[str]
    said: Sequence[Said]

    def part(self, some: slice) -> Taken:
        """Those at these places."""
        return Taken(self.entries[some], self.vectors[some], self.metadata[some], self.said[some])


class VersionedIndex(ABC):
    """An `Index`, but for what only its store knows."""

    most: int = sys.maxsize
    displayed: ClassVar[Sequence[str]]
    """Columns that an entry is made of."""

    def __init__(self, folder: Path, pointer: Pointer, holding: ExitStack, *, writing: bool) -> None:
        self.origin = pointer.origin
        self._folder, self._pointer, self._fields = folder, pointer, pointer.fields
        self._writing, self._holding = writing, holding
        weakref.finalize(self, holding.close)  # whoever forgets to close it lets go of the folder all the same

    @property
    def model(self) -> ModelIdentity:
        """See `Index`."""
        return self._pointer.model

    # -- what a store knows --------------------------------------------------------------------------------------

    @abstractmethod
    def __len__(self) -> int:
        """How many items it holds."""

    @abstractmethod
    def delete(self, ids: Sequence[str]) -> int:
        """See `Index`."""

    @abstractmethod
    def _insert(self, new: Taken, fields: tuple[str, ...], *, instead: bool) -> None:
        """Write rows, `instead` of those of the same ids, and take over `fields`, which may have grown."""

    @abstractmethod
    def _selected(self, columns: Sequence[str], ids: Sequence[str]) -> Iterator[tuple[str, dict[str, Any]]]:
        """Id and row of those of these ids that are there, in any order."""

    @abstractmethod
    def _clause(self, where: Condition | None, match: str | None) -> str:
        """Which rows may be found; "" for all."""

    @abstractmethod
    def _near(self, query: Vectors, count: int, clause: str) -> tuple[list[dict[str, Any]], Vectors]:
        """The nearest rows of a query [d], by any arithmetic, and their vectors [n, d]."""

    @abstractmethod
    def _entry(self, row: dict[str, Any]) -> Entry:
        """The entry of a row of the columns `displayed`."""

    # -- what follows from it ------------------------------------------------------------------------------------

    def add(self, entries: Sequence[Entry], vectors: Vectors) -> None:
        """See `Index`."""
        self._put(entries, vectors, instead=False)

    def upsert(self, entries: Sequence[Entry], vectors: Vectors) -> None:
        """See `Index`."""
        self._put(entries, vectors, instead=True)

    def _put(self, entries: Sequence[Entry], vectors: Vectors, *, instead: bool) -> None:
        vectors, metadata = accepted(entries, vectors, self.model.dimension)
        self._require_writing()
        if not instead:
            require_new(each for each, _ in self._selected(["id"], [each.id for each in entries]))
        said = [facts(each.metadata) for each in entries]
        fields = grown_fields(self._fields, said)
        self._insert(Taken(entries, vectors, metadata, said), fields, instead=instead)

    def search(
        self, queries: Vectors, k: int = 10, where: Condition | None = None, match: str | None = None
    ) -> list[list[Hit]]:
        """See `Index`; some of the nearest may be missing where the store looks at a part, and k is `most` at most."""
        require_queries(queries, k, self.model.dimension)
        self._require_given(k)
        clause = self._clause(where, match)
        return [self._nearest(query, k, clause) for query in queries]

    def _nearest(self, query: Vectors, k: int, clause: str) -> list[Hit]:
        """The k nearest of one query [d]: more are asked for until those left out are surely further."""
        asked = min(k + SPARE, self.most)
        while True:
            rows, vectors = self._near(query, asked, clause)
            micro = cosines_micro(vectors, query).tolist()
            order = sorted(range(len(rows)), key=lambda i: (-micro[i], rows[i]["id"]))[:k]
            sure = len(rows) < asked or min(micro) < micro[order[-1]] - 2 * MARGIN * MICRO
            if sure or asked == self.most:
                return [Hit(rank, micro[i] / MICRO, self._entry(rows[i])) for rank, i in enumerate(order, start=1)]
            asked = min(4 * asked, self.most)

    def get(self, ids: Sequence[str]) -> list[Entry]:
        """See `Index`."""
        rows = dict(self._selected(self.displayed, ids))
        return [self._entry(there(rows, each)) for each in ids]

    def vectors(self, ids: Sequence[str]) -> Vectors:
        """See `Index`."""
        rows = dict(self._selected(["id", "vector"], ids))
        found = [there(rows, each)["vector"] for each in ids]
        return np.array(found, np.float32).reshape(len(ids), self.model.dimension)

    def fields(self) -> tuple[str, ...]:
        """See `Index`; also those that only removed entries had."""
        return tuple(sorted(self._fields))

    def close(self) -> None:
        """See `Index`."""
        self._writing = False
        self._holding.close()

    def _require_writing(self) -> None:
        if not self._writing:
            raise FolderError(f"{self._folder} was opened for reading: open it with writing=True")

    def _require_given(self, k: int) -> None:
        if k > self.most:
            raise VectorError(f"lists of length {k:,} were asked for: the store gives {self.most:,} at most")
