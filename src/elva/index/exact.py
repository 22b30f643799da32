"""An index that compares with everything: exact, in memory, three files on disk.

meta.json      schema, model, number of items, root of the image paths
items.jsonl    one entry a line, in the order of the vectors
vectors.npy    float32 [n, dimension], unit length
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from elva.encoding import ModelIdentity, Vectors
from elva.errors import IndexMismatch
from elva.index.folder import (
    INDEX,
    FolderError,
    published,
    read_jsonl,
    read_meta,
    read_vectors,
    reading,
    write_json,
    write_jsonl,
)
from elva.index.gallery import Gallery, VectorError, require_finite, require_unique
from elva.index.protocol import Entry, Hit, Stats


class ExactIndex:
    """See the module. Nothing is approximate, so it is also the measure for any other index."""

    def __init__(self, model: ModelIdentity, root: Path | None = None) -> None:
        """Start an empty index for vectors of `model`, with image paths relative to `root`."""
        self.model = model
        self.root = root
        self._entries: list[Entry] = []
        self._vectors: Vectors = np.empty((0, model.dimension), np.float32)
        self._gallery: Gallery | None = None

    def __len__(self) -> int:
        """How many items it holds."""
        return len(self._entries)

    def add(self, entries: Sequence[Entry], vectors: Vectors) -> None:
        """Add n entries with unit vectors float32 [n, dimension].

        Raises:
            VectorError: NaN, another width or number, or an id that is already there; nothing is
                added then.
        """
        if vectors.shape != (len(entries), self.model.dimension):
            raise VectorError(
                f"vectors of shape {vectors.shape} for {len(entries)} entries: "
                f"expected {(len(entries), self.model.dimension)}"
            )
        require_finite([each.id for each in entries], vectors)
        require_unique(each.id for each in (*self._entries, *entries))
        self._entries += entries
        self._vectors = np.concatenate([self._vectors, np.asarray(vectors, np.float32)])
        self._gallery = None

    def search(self, queries: Vectors, k: int = 10) -> list[list[Hit]]:
        """The k nearest entries of each query [n, dimension]; best first, ties by id ascending."""
        if queries.ndim != 2 or queries.shape[1] != self.model.dimension:
            raise VectorError(f"queries of shape {queries.shape}: expected (n, {self.model.dimension})")
        require_finite([f"query {i}" for i in range(len(queries))], queries)
        if self._gallery is None:
            self._gallery = Gallery.of([each.id for each in self._entries], self._vectors)
        gallery, entries = self._gallery, {each.id: each for each in self._entries}
        ranked = gallery.rank(queries, k)
        return [
            [Hit(rank, score, entries[gallery.ids[c]]) for rank, (c, score) in enumerate(found, start=1)]
            for found in (
                zip(columns, scores, strict=True)
                for columns, scores in zip(ranked.columns.tolist(), ranked.scores.tolist(), strict=True)
            )
        ]

    def image_path(self, entry: Entry) -> Path | None:
        """Where an entry's image lies."""
        return (self.root or Path()) / entry.image if entry.image else None

    def stats(self) -> Stats:
        """Size and model."""
        images = sum(each.image is not None for each in self._entries)
        return Stats(len(self), images, self._vectors.nbytes, self.model)

    def save(self, out: Path) -> None:
        """Write the folder, at once or not at all; an older index there is replaced."""
        with published(out, INDEX) as folder:
            np.save(folder / "vectors.npy", self._vectors)
            write_jsonl(folder / "items.jsonl", (asdict(each) for each in self._entries))
            write_json(folder / "meta.json", self._meta())

    @classmethod
    def open(cls, folder: Path, model: ModelIdentity | None = None) -> ExactIndex:
        """Read a folder that `save` wrote.

        Raises:
            FolderError: it is no index, or damaged.
            IndexMismatch: `model` is given and would not give such vectors.
        """
        meta = read_meta(folder, INDEX)
        with reading(folder / "meta.json", INDEX):
            built_with, root, items = ModelIdentity.from_row(meta["model"]), meta["root"], meta["items"]
            index = cls(built_with, Path(root) if root else None)
        if model is not None and not built_with.produces(model):
            raise IndexMismatch(
                f"{folder} was built with {_named(built_with)}, not with {_named(model)}: "
                f"search with {built_with.name}, or build the index again"
            )
        with reading(folder / "items.jsonl", INDEX):
            entries = [Entry(**row) for row in read_jsonl(folder / "items.jsonl")]
        with reading(folder / "vectors.npy", INDEX):
            vectors = read_vectors(folder / "vectors.npy", built_with.dimension)
        if not len(entries) == len(vectors) == items:
            raise FolderError(f"{folder} is damaged: {len(entries)} items, {len(vectors)} vectors: {INDEX.remedy}")
        index.add(entries, vectors)
        return index

    def _meta(self) -> dict[str, Any]:
        root = str(self.root) if self.root else None
        return {**INDEX.says, "model": self.model.to_row(), "items": len(self), "root": root}


def _named(model: ModelIdentity) -> str:
    return f"{model.name} ({model.extraction}, {model.fingerprint[:12]})"
