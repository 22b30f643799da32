"""Vectors of queries and candidates by their ids, each embedded once; kept in memory, or in a cache on disk.

The folder (`elva embed`) holds `ids.jsonl` (kind, id, summary; one line per row),
`vectors-NNNNN.npy` (float32 [rows, dimension], unit length, in the order of ids.jsonl) and
`meta.json`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import InitVar, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from elva.data.mbeir import Choice
from elva.encoding import Encoder, Encoding, ModelIdentity, Progress, Vectors, Watch
from elva.errors import IndexMismatch
from elva.evaluation.kept import InMemory, Keep, Taken
from elva.index.folder import (
    VECTORS,
    FolderError,
    published,
    read_jsonl,
    read_meta,
    read_vectors,
    reading,
    write_json,
    write_jsonl,
)
from elva.index.gallery import Ints, require_finite
from elva.index.stacked import Stacked
from elva.items import Item

Kind = Literal["query", "candidate"]
"""Query and candidate ids are two name spaces: "100:7" may be both."""

_FILE_ROWS = 65_536


@dataclass(slots=True)
class Counts:
    """What embedding met: nothing of it is silent."""

    embedded: int = 0
    forced_ret: int = 0
    truncated: int = 0
    skipped_rows: int = 0

    def add(self, taken: Taken) -> None:
        """Count some more items, whether they are embedded now or were before."""
        self.merge(Counts(len(taken.rows), taken.forced_ret, taken.truncated))

    def merge(self, other: Counts) -> None:
        """Count what another one counted."""
        self.embedded += other.embedded
        self.forced_ret += other.forced_ret
        self.truncated += other.truncated
        self.skipped_rows += other.skipped_rows

    @property
    def missing_ret(self) -> float:
        """Share of summaries that did not end in [RET] by themselves."""
        return self.forced_ret / self.embedded if self.embedded else 0.0

    def to_row(self) -> dict[str, int]:
        """A JSON object."""
        return {
            "embedded": self.embedded,
            "forced_ret": self.forced_ret,
            "truncated": self.truncated,
            "skipped_rows": self.skipped_rows,
        }


@dataclass(slots=True)
class VectorStore:
    """(kind, id) -> unit vector and summary, by one model with one choice of instruction."""

    model: ModelIdentity
    instruction_choice: Choice = 0
    data: str = ""
    counts: Counts = field(default_factory=Counts)
    kept: InitVar[Keep | None] = None
    keep: Keep = field(init=False)
    _rows: dict[tuple[str, str], int] = field(default_factory=dict, init=False)

    def __post_init__(self, kept: Keep | None) -> None:
        """Keep vectors in memory unless told where else."""
        self.keep = InMemory(self.model.dimension) if kept is None else kept

    def __len__(self) -> int:
        """How many vectors it holds."""
        return len(self._rows)

    def __contains__(self, key: tuple[Kind, str]) -> bool:
        """Whether it holds the vector of (kind, id)."""
        return key in self._rows

    @property
    def stacked(self) -> Stacked:
        """The vectors, by the rows that `places` gives."""
        return self.keep.vectors

    def embed(
        self,
        encoder: Encoder,
        kind: Kind,
        items: Mapping[str, Item],
        label: str = "embedding",
        watch: Watch | None = None,
    ) -> None:
        """Embed those of `items` (by id) that are not held; VectorError names a NaN vector's id."""
        wanted = {each: item for each, item in items.items() if (kind, each) not in self._rows}
        if wanted:
            self.add(encoder, kind, wanted, watch(label, len(wanted)) if watch else None)

    def add(self, encoder: Encoder, kind: Kind, items: Mapping[str, Item], progress: Progress | None = None) -> None:
        """Embed items by their ids, none of which is held; VectorError names a NaN vector's id."""
        taken = self.keep.take(encoder, [*items.values()], progress)
        self._hold(kind, [*items], taken)

    def encode(self, encoder: Encoder, items: Sequence[Item], progress: Progress | None = None) -> Vectors:
        """Unit vectors, float32 [n, d], of items that nobody will ask for by an id; they are counted."""
        taken = self.keep.take(encoder, items, progress)
        self.counts.add(taken)
        return self.stacked.take(taken.rows)

    def put(self, kind: Kind, ids: Sequence[str], encoding: Encoding) -> None:
        """Take into memory what an encoder gave for new ids; VectorError names one whose vector is NaN."""
        assert isinstance(self.keep, InMemory)
        self._hold(kind, ids, self.keep.put(encoding))

    def _hold(self, kind: Kind, ids: Sequence[str], taken: Taken) -> None:
        require_finite(ids, self.stacked.take(taken.rows))
        self._rows.update(((kind, each), row) for each, row in zip(ids, taken.rows.tolist(), strict=True))
        self.counts.add(taken)

    def places(self, kind: Kind, ids: Sequence[str]) -> Ints:
        """Rows of the vectors of `ids`, int64 [n]; raises KeyError for one not held."""
        return np.fromiter((self._rows[kind, each] for each in ids), np.int64, len(ids))

    def vectors(self, kind: Kind, ids: Sequence[str]) -> Vectors:
        """Unit vectors of `ids`, float32 [n, d]; raises KeyError for one not held."""
        return self.stacked.take(self.places(kind, ids))

    def summary(self, kind: Kind, each: str) -> str:
        """What the model wrote about one item."""
        return self.keep.summary(self._rows[kind, each])

    def rows(self) -> Iterator[dict[str, str]]:
        """Kind, id and summary of every vector, in the order in which they came."""
        for (kind, each), row in self._rows.items():
            yield {"kind": kind, "id": each, "summary": self.keep.summary(row)}

    def save(self, out: Path, note: Mapping[str, Any] | None = None) -> None:
        """Write the folder, at once or not at all; `note` is added to meta.json."""
        with published(out, VECTORS) as folder:
            write_jsonl(folder / "ids.jsonl", self.rows())
            rows = np.fromiter(self._rows.values(), np.int64, len(self))
            for shard, start in enumerate(range(0, len(rows), _FILE_ROWS)):
                np.save(folder / f"vectors-{shard:05d}.npy", self.stacked.take(rows[start : start + _FILE_ROWS]))
            write_json(folder / "meta.json", {**self.meta(len(self)), **(note or {})})

    @classmethod
    def load(cls, folder: Path) -> VectorStore:
        """Read a folder that `save` wrote; raises FolderError for any other."""
        meta = read_meta(folder, VECTORS)
        with reading(folder / "meta.json", VECTORS):
            model, counts = ModelIdentity.from_row(meta["model"]), Counts(**meta["counts"])
            store = cls(model, meta["instruction_choice"], meta["data"], counts)
            vectors = meta["vectors"]
        with reading(folder / "ids.jsonl", VECTORS):
            rows = read_jsonl(folder / "ids.jsonl")
            ids, summaries = [(row["kind"], row["id"]) for row in rows], [row["summary"] for row in rows]
        blocks = []
        for shard in sorted(folder.glob("vectors-*.npy"), key=lambda path: (len(path.name), path.name)):
            with reading(shard, VECTORS):
                blocks.append(read_vectors(shard, model.dimension, mapped=True))
        held = sum(map(len, blocks))
        if not held == len({*ids}) == len(summaries) == vectors:
            raise FolderError(
                f"{folder} is damaged: {len(summaries)} lines in ids.jsonl, {held} vectors in vectors-*.npy, "
                f"{vectors} in meta.json: {VECTORS.remedy}"
            )
        keep = InMemory(model.dimension)
        for block in blocks:
            keep.put(Encoding(block, summaries[len(keep.vectors) : len(keep.vectors) + len(block)]))
        store.keep, store._rows = keep, {key: row for row, key in enumerate(ids)}
        return store

    def require(self, model: ModelIdentity, instruction_choice: Choice, data: str) -> None:
        """Refuse vectors made by another model, with another instruction, or of other data."""
        if not self.model.produces(model):
            raise IndexMismatch(
                f"these vectors were made by {self.model}, not by {model}: embed again with {model.name}"
            )
        if self.instruction_choice != instruction_choice:
            raise IndexMismatch(
                f"these vectors were made with instruction {self.instruction_choice}, "
                f"not {instruction_choice}: embed again"
            )
        if self.data != data:
            raise IndexMismatch("these vectors were made from other data, or the data changed: embed again")

    def meta(self, vectors: int) -> dict[str, Any]:
        """What meta.json says of a folder of so many vectors."""
        return {
            **VECTORS.says,
            "model": self.model.to_row(),
            "instruction_choice": self.instruction_choice,
            "data": self.data,
            "counts": self.counts.to_row(),
            "vectors": vectors,
        }
