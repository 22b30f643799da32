"""An index that compares with everything: exact, in memory, for small sets and as the measure of any other.

meta.json           which of the others are in force, see pointer.py
items-N.jsonl       one entry a line, in the order of the vectors
vectors-N.npy       float32 [n, dimension], unit length
thumbnails-N.bin    the small pictures, one behind the other; each entry says how many bytes are its own

Each publication writes all of them anew, then the pointer, then removes the old ones: a reader has read all before.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import fields, replace
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np

from elva.encoding import ModelIdentity, Vectors
from elva.index.accepting import accepted, require_length, require_new, require_queries, unknown, words_of
from elva.index.bm25 import Postings, Scored
from elva.index.condition import Condition
from elva.index.facts import Fact, facts, scalars
from elva.index.folder import (
    INDEX,
    OLD_INDEX,
    FolderError,
    new_index,
    read_jsonl,
    read_vectors,
    reading,
    refusing,
    write_jsonl,
)
from elva.index.gallery import MICRO, Gallery
from elva.index.pointer import Pointer
from elva.index.protocol import NOWHERE, Entry, Hit, Origin, Stats
from elva.index.words import words
from elva.locks import FolderLock
from elva.whole import sync

STORE = "exact"
_COLUMNS = tuple(each.name for each in fields(Entry) if each.name != "thumbnail")
_TRIES = 20
"""Publications that a reader may meet before it gives up."""


class ExactIndex:
    """See the module. Nothing is approximate."""

    most: int = sys.maxsize

    def __init__(self, model: ModelIdentity, origin: Origin = NOWHERE) -> None:
        """Start an empty index in memory for vectors of `model`; `save` writes it."""
        self.origin = origin
        self._pointer = Pointer(STORE, model, origin)
        self._entries: dict[str, Entry] = {}
        self._rows: dict[str, Vectors] = {}
        self._thumbnails: dict[str, bytes] = {}
        self._gallery: Gallery | None = None
        self._said: dict[str, Mapping[str, Fact]] = {}
        self._words: dict[str, frozenset[str]] = {}
        self._postings: Postings | None = None
        self._folder: Path | None = None
        self._holding = ExitStack()

    @property
    def model(self) -> ModelIdentity:
        """See `Index`."""
        return self._pointer.model

    def __len__(self) -> int:
        """How many items it holds."""
        return len(self._entries)

    # -- changing ------------------------------------------------------------------------------------------------

    def add(self, entries: Sequence[Entry], vectors: Vectors) -> None:
        """See `Index`."""
        require_new(each.id for each in entries if each.id in self._entries)
        self.upsert(entries, vectors)

    def upsert(self, entries: Sequence[Entry], vectors: Vectors) -> None:
        """See `Index`."""
        vectors, _ = accepted(entries, vectors, self.model.dimension)
        self.delete([each.id for each in entries])
        for entry, vector in zip(entries, vectors, strict=True):
            self._rows[entry.id] = vector
            if entry.thumbnail is not None:
                self._thumbnails[entry.id] = entry.thumbnail
            self._entries[entry.id] = entry if entry.thumbnail is None else replace(entry, thumbnail=None)

    def delete(self, ids: Sequence[str]) -> int:
        """See `Index`."""
        self._gallery = self._postings = None
        there = [each for each in dict.fromkeys(ids) if each in self._entries]
        for each in there:
            del self._entries[each], self._rows[each]
            self._thumbnails.pop(each, None)
            self._said.pop(each, None)
            self._words.pop(each, None)
        return len(there)

    # -- asking --------------------------------------------------------------------------------------------------

    def search(
        self, queries: Vectors, k: int = 10, where: Condition | None = None, match: str | None = None
    ) -> list[list[Hit]]:
        """See `Index`."""
        require_queries(queries, k, self.model.dimension)
        if self._gallery is None:
            self._gallery = Gallery.of(list(self._entries), self.vectors(list(self._entries)))
        gallery = self._gallery
        wanted = frozenset(words(match)) if match else frozenset()
        if where is not None or wanted:
            kept = [i for i, each in enumerate(gallery.ids) if self._fits(each, where, wanted)]
            gallery = Gallery(tuple(gallery.ids[i] for i in kept), gallery.vectors[kept])
        found: list[list[Hit]] = []
        for start, block in gallery.cosines(queries):
            for row, cosines in enumerate(block, start):
                columns, micro = gallery.nearest(queries[row], cosines, k)
                near = [self._entries[gallery.ids[column]] for column in columns.tolist()]
                scores = (micro / MICRO).tolist()
                found.append([Hit(rank, scores[rank - 1], each) for rank, each in enumerate(near, start=1)])
        return found

    def by_words(
        self, text: str, k: int = 10, where: Condition | None = None, match: str | None = None
    ) -> list[Scored]:
        """See `Index`."""
        require_length(k)
        if self._postings is None:
            self._postings = Postings.of({each.id: words_of(each) for each in self._entries.values()})
        wanted = frozenset(words(match)) if match else frozenset()
        return self._postings.best(words(text), k, lambda item: self._fits(item, where, wanted))

    def get(self, ids: Sequence[str]) -> list[Entry]:
        """See `Index`."""
        self._require(ids)
        return [self._entries[each] for each in ids]

    def vectors(self, ids: Sequence[str]) -> Vectors:
        """See `Index`."""
        self._require(ids)
        return np.array([self._rows[each] for each in ids], np.float32).reshape(len(ids), self.model.dimension)

    def contents(self) -> Mapping[str, str]:
        """See `Index`."""
        return {each.id: each.content for each in self._entries.values()}

    def thumbnail(self, item: str) -> bytes | None:
        """See `Index`."""
        self._require([item])
        return self._thumbnails.get(item)

    def fields(self) -> tuple[str, ...]:
        """See `Index`."""
        return tuple(sorted({field for each in self._entries.values() for field, _ in scalars(each.metadata)}))

    def stats(self) -> Stats:
        """See `Index`."""
        images = sum(each.image is not None for each in self._entries.values())
        size = sum(each.nbytes for each in self._rows.values())
        return Stats(len(self), images, size, self.model, STORE, self._pointer.version)

    # -- on disk -------------------------------------------------------------------------------------------------

    @classmethod
    def create(cls, folder: Path, model: ModelIdentity, origin: Origin = NOWHERE) -> ExactIndex:
        """Make a folder of an empty index, and open it for writing; FolderError where something lies there."""
        with new_index(folder) as part:
            index = cls(model, origin)
            index._write(part, index._pointer)
        return cls.open(folder, model, writing=True)

    @classmethod
    def open(cls, folder: Path, model: ModelIdentity | None = None, *, writing: bool = False) -> ExactIndex:
        """Read what was published last.

        Raises:
            FolderError: it is no index, or damaged.
            IndexMismatch: `model` is given and would not give such vectors.
            FolderInUse: `writing`, and another process is; names it.
        """
        Pointer.read(folder).require(folder, model)
        with ExitStack() as holding:
            if writing:
                with refusing(folder):
                    holding.enter_context(FolderLock(folder))
            index = cls._read_newest(folder)
            index._folder, index._holding = folder if writing else None, holding.pop_all()
        return index

    def save(self, out: Path) -> None:
        """Write a folder, at once or not at all; an index there is replaced, anything else a FolderError."""
        with new_index(out, (OLD_INDEX, INDEX)) as folder:
            self._write(folder, replace(self._pointer, version=0))

    def publish(self, *, tidy: bool = True) -> int:
        """See `Index`; this store is always tidy."""
        if self._folder is None:
            raise FolderError("this index was not opened for writing: open it with writing=True, or save it")
        with refusing(self._folder):
            self._pointer = self._write(self._folder, self._pointer)
            _remove_all_but(self._folder, self._pointer.table)
        return self._pointer.version

    def close(self) -> None:
        """See `Index`."""
        self._folder = None
        self._holding.close()

    def _write(self, folder: Path, before: Pointer) -> Pointer:
        pointer = before.next(self.origin, before.table + 1, len(self), self.fields())
        items, vectors, thumbnails = _files(folder, pointer.table)
        try:
            write_jsonl(items, map(self._row, self._entries.values()))
            np.save(vectors, self.vectors(list(self._entries)))
            thumbnails.write_bytes(b"".join(self._thumbnails.get(each, b"") for each in self._entries))
            for path in (items, vectors, thumbnails):
                sync(path)
            pointer.write(folder)
        except OSError:
            for path in (items, vectors, thumbnails):
                path.unlink(missing_ok=True)
            raise
        return pointer

    def _row(self, entry: Entry) -> dict[str, Any]:
        row = {name: getattr(entry, name) for name in _COLUMNS}  # `asdict` copies all that metadata hold
        return {**row, "thumbnail": len(self._thumbnails.get(entry.id, b""))}

    @classmethod
    def _read_newest(cls, folder: Path) -> ExactIndex:
        """Read what is in force; where it was replaced meanwhile, what is in force then."""
        for _ in range(_TRIES):
            pointer = Pointer.read(folder)
            try:
                return cls._read(folder, pointer)
            except FolderError:
                if Pointer.read(folder) == pointer:
                    raise
        raise FolderError(f"{folder} is published faster than it can be read: try again when its writer is done")

    @classmethod
    def _read(cls, folder: Path, pointer: Pointer) -> ExactIndex:
        index = cls(pointer.model, pointer.origin)
        index._pointer = pointer
        items, vectors, thumbnails = _files(folder, pointer.table)
        with reading(items, INDEX):
            rows = read_jsonl(items)
            sizes = [int(row.pop("thumbnail")) for row in rows]
            entries = [Entry(**row) for row in rows]
        with reading(vectors, INDEX):
            numbers = read_vectors(vectors, pointer.model.dimension)
        with reading(thumbnails, INDEX):
            pictures = thumbnails.read_bytes()
        if not len(entries) == len(numbers) == pointer.items or len(pictures) != sum(sizes):
            raise FolderError(f"{folder} is damaged: its files don't fit each other: {INDEX.remedy}")
        ends = accumulate(sizes)
        shown = [pictures[end - size : end] or None for end, size in zip(ends, sizes, strict=True)]
        index.add([replace(each, thumbnail=one) for each, one in zip(entries, shown, strict=True)], numbers)
        return index

    # -- what is made of entries, once -----------------------------------------------------------------------------

    def _fits(self, item: str, where: Condition | None, wanted: frozenset[str]) -> bool:
        return (where is None or where.true_of(self._facts(item))) and (not wanted or wanted <= self._words_of(item))

    def _facts(self, item: str) -> Mapping[str, Fact]:
        if item not in self._said:
            self._said[item] = facts(self._entries[item].metadata)
        return self._said[item]

    def _words_of(self, item: str) -> frozenset[str]:
        if item not in self._words:
            self._words[item] = frozenset(words_of(self._entries[item]))
        return self._words[item]

    def _require(self, ids: Sequence[str]) -> None:
        for each in ids:
            if each not in self._entries:
                raise unknown(each)


def _files(folder: Path, number: int) -> tuple[Path, Path, Path]:
    return folder / f"items-{number}.jsonl", folder / f"vectors-{number}.npy", folder / f"thumbnails-{number}.bin"


def _remove_all_but(folder: Path, number: int) -> None:
    kept = _files(folder, number)
    for pattern in ("items-*.jsonl", "vectors-*.npy", "thumbnails-*.bin"):
        for path in folder.glob(pattern):
            if path not in kept:
                path.unlink()
