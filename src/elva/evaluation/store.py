"""Vectors of queries and candidates, each embedded once, in memory and on disk.

The folder (`elva embed`) holds `ids.jsonl` (kind, id, summary; one line per row),
`vectors-NNNNN.npy` (float32 [rows, dimension], unit length, in the order of ids.jsonl) and
`meta.json`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from elva.data.mbeir import Choice
from elva.encoding import Encoder, Encoding, ModelIdentity, Vectors, Watch
from elva.errors import IndexMismatch
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
from elva.index.gallery import require_finite
from elva.items import Item

Kind = Literal["query", "candidate"]
"""Query and candidate ids are two name spaces: "100:7" may be both."""

_SHARD_ROWS = 65_536


@dataclass(slots=True)
class Counts:
    """What embedding met: nothing of it is silent."""

    embedded: int = 0
    forced_ret: int = 0
    truncated: int = 0
    skipped_rows: int = 0

    def add(self, encoding: Encoding) -> None:
        """Count one call of the encoder."""
        self.embedded += len(encoding.vectors)
        self.forced_ret += encoding.forced_ret
        self.truncated += encoding.truncated

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
    _rows: dict[tuple[str, str], int] = field(default_factory=dict)
    _blocks: list[Vectors] = field(default_factory=list)
    _summaries: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        """How many vectors it holds."""
        return len(self._rows)

    def __contains__(self, key: tuple[Kind, str]) -> bool:
        """Whether it holds the vector of (kind, id)."""
        return key in self._rows

    def embed(
        self,
        encoder: Encoder,
        kind: Kind,
        items: Mapping[str, Item],
        label: str = "embedding",
        watch: Watch | None = None,
    ) -> None:
        """Embed those of `items` (by id) that are not held; VectorError names a NaN vector's id."""
        wanted = [each for each in items if (kind, each) not in self._rows]
        if not wanted:
            return
        progress = watch(label, len(wanted)) if watch else None
        encoding = encoder.embed([items[each] for each in wanted], progress=progress)
        self.put(kind, wanted, encoding)

    def put(self, kind: Kind, ids: Sequence[str], encoding: Encoding) -> None:
        """Take what an encoder gave for new ids; VectorError names one whose vector is NaN."""
        require_finite(ids, encoding.vectors)
        start = len(self._rows)
        self._rows.update({(kind, each): start + i for i, each in enumerate(ids)})
        self._blocks.append(np.asarray(encoding.vectors, np.float32))
        self._summaries.extend(encoding.summaries)
        self.counts.add(encoding)

    def vectors(self, kind: Kind, ids: Sequence[str]) -> Vectors:
        """Unit vectors of `ids`, float32 [n, d]; raises KeyError for one not held."""
        rows = [self._rows[kind, each] for each in ids]
        return self._all()[rows] if rows else np.empty((0, self.model.dimension), np.float32)

    def summary(self, kind: Kind, each: str) -> str:
        """What the model wrote about one item."""
        return self._summaries[self._rows[kind, each]]

    def rows(self) -> list[dict[str, str]]:
        """Kind, id and summary of every vector, in the order in which they came."""
        return [{"kind": kind, "id": each, "summary": self._summaries[row]} for (kind, each), row in self._rows.items()]

    def save(self, out: Path) -> None:
        """Write the folder, at once or not at all."""
        with published(out, VECTORS) as folder:
            write_jsonl(folder / "ids.jsonl", self.rows())
            vectors = self._all()
            for shard, start in enumerate(range(0, len(vectors), _SHARD_ROWS)):
                np.save(folder / f"vectors-{shard:05d}.npy", vectors[start : start + _SHARD_ROWS])
            write_json(folder / "meta.json", self._meta())

    @classmethod
    def load(cls, folder: Path) -> VectorStore:
        """Read a folder that `save` wrote; raises FolderError for any other."""
        meta = read_meta(folder, VECTORS)
        with reading(folder / "meta.json", VECTORS):
            model, counts = ModelIdentity.from_row(meta["model"]), Counts(**meta["counts"])
            store = cls(model, meta["instruction_choice"], meta["data"], counts)
            vectors = meta["vectors"]
        with reading(folder / "ids.jsonl", VECTORS):
            for row in read_jsonl(folder / "ids.jsonl"):
                store._rows[row["kind"], row["id"]] = len(store._summaries)
                store._summaries.append(row["summary"])
        for shard in sorted(folder.glob("vectors-*.npy")):
            with reading(shard, VECTORS):
                store._blocks.append(read_vectors(shard, model.dimension))
        held = sum(len(block) for block in store._blocks)
        if not held == len(store._rows) == len(store._summaries) == vectors:
            raise FolderError(
                f"{folder} is damaged: {len(store._summaries)} lines in ids.jsonl, {held} vectors in vectors-*.npy, "
                f"{vectors} in meta.json: {VECTORS.remedy}"
            )
        return store

    def require(self, model: ModelIdentity, instruction_choice: Choice, data: str) -> None:
        """Refuse vectors made by another model, with another instruction, or of other data."""
        if not self.model.produces(model):
            raise IndexMismatch(
                f"these vectors were made by {self.model.name} ({self.model.extraction}, "
                f"{self.model.fingerprint[:12]}), not by {model.name} ({model.extraction}, "
                f"{model.fingerprint[:12]}): embed again with {model.name}"
            )
        if self.instruction_choice != instruction_choice:
            raise IndexMismatch(
                f"these vectors were made with instruction {self.instruction_choice}, "
                f"not {instruction_choice}: embed again"
            )
        if self.data != data:
            raise IndexMismatch("these vectors were made from other data, or the data changed: embed again")

    def _all(self) -> Vectors:
        if not self._blocks:
            return np.empty((0, self.model.dimension), np.float32)
        if len(self._blocks) > 1:
            self._blocks = [np.concatenate(self._blocks)]
        return self._blocks[0]

    def _meta(self) -> dict[str, Any]:
        return {
            **VECTORS.says,
            "model": self.model.to_row(),
            "instruction_choice": self.instruction_choice,
            "data": self.data,
            "counts": self.counts.to_row(),
            "vectors": len(self),
        }
