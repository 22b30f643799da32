"""A corpus in shards: cut in a fixed order, embedded one by one by whoever sees the folder, then joined.

    OUT/
        unfinished.json    of what: model, data, instruction, tasks; how many items and shards
        shards/NNNNN/      a vector folder of one shard each, written whole; its meta.json has a digest of its items
        attempts/          RUN.NNNNN.K: a worker began a shard for the Kth time, and has not ended it

When all are there, a vector folder as `elva embed` writes it takes the place of all this. A shard never crosses a file
of the data and is cut at `BLOCK` items, where one process begins a batch too: so both embed the same batches.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from elva import __version__
from elva.data.mbeir import Choice, MBeir, TaskName
from elva.data.opening import Selection
from elva.encoding import Encoder, ModelIdentity
from elva.errors import IndexMismatch
from elva.evaluation.cache import BLOCK, item_key
from elva.evaluation.embed import AT_ONCE, Part, parts
from elva.evaluation.store import Counts, VectorStore
from elva.index.folder import (
    UNFINISHED,
    VECTORS,
    FolderError,
    published,
    read_meta,
    reading,
    refusing,
    require_free,
    write_json,
)
from elva.index.gallery import Ints
from elva.items import Item
from elva.whole import whole_folder


@dataclass(frozen=True, slots=True)
class Shard:
    """Some rows of one file.

    Attributes:
        number: from 0, over all files.
        part: which of the corpus's parts.
        rows: int64 [n], their places in it.
    """

    number: int
    part: int
    rows: Ints

    def folder(self, out: Path) -> Path:
        """Where its vectors go."""
        return out / "shards" / f"{self.number:05d}"


@dataclass(frozen=True)
class Corpus:
    """What is embedded: small enough to be sent to every worker, which reads the rows themselves where they lie.

    Attributes:
        bench: the data, with the places of their rows.
        names: the tasks.
        choice: which of a task's prompts every query gets.
        data: the fingerprint of the data.
    """

    bench: MBeir
    names: tuple[TaskName, ...]
    choice: Choice
    data: str

    @cached_property
    def parts(self) -> list[Part]:
        """Its files, in the order in which one process embeds them."""
        return [*parts(self.bench, self.names, self.choice)]

    def items(self, shard: Shard) -> dict[str, Item]:
        """The items of a shard by their ids, in order."""
        return self.parts[shard.part].items(shard.rows.tolist())

    def first(self, shard: Shard) -> str:
        """The kind and id of a shard's first item, for people."""
        part = self.parts[shard.part]
        return f"{part.kind} {next(iter(part.items(shard.rows[:1].tolist())))}"

    def shards(self) -> list[Shard]:
        """All of it, cut; an id that several files hold stands where it comes first."""
        cut = list[Shard]()
        known = {"query": np.zeros(0, np.int64), "candidate": np.zeros(0, np.int64)}
        for number, part in enumerate(self.parts):
            keys = part.rows.column("keys")
            new = np.flatnonzero(~np.isin(keys, known[part.kind]))
            known[part.kind] = np.union1d(known[part.kind], keys)
            for start in range(0, len(keys), AT_ONCE):
                some = new[(new >= start) & (new < start + AT_ONCE)]
                for at in range(0, len(some), BLOCK):
                    cut.append(Shard(len(cut), number, some[at : at + BLOCK]))
        return cut


@dataclass(frozen=True, slots=True)
class Done:
    """A shard that is there.

    Attributes:
        number: which.
        counts: what embedding it met.
        found: it was there already.
    """

    number: int
    counts: Counts
    found: bool


def embed_shard(
    out: Path, corpus: Corpus, shard: Shard, model: ModelIdentity, load: Callable[[], Encoder], batch_size: int
) -> Done:
    """Write the vectors of a shard, unless they are there.

    Args:
        out: the unfinished embedding.
        corpus: of what.
        shard: which part of it.
        model: whose vectors they must be.
        load: gives the model, when it is needed.
        batch_size: items per forward.

    Raises:
        IndexMismatch: the shard is there, of other items; or the model that is loaded is another one.
        MediaError: a picture can't be read.
        VectorError: a vector is not finite.
        FolderError: what is there is damaged, or the system refuses to write.
    """
    items, kind, folder = corpus.items(shard), corpus.parts[shard.part].kind, shard.folder(out)
    note = {"items": items_digest(items), "version": __version__}
    store = VectorStore(model, corpus.choice, corpus.data)
    if folder.is_dir():
        return Done(shard.number, _counts_of_same(folder, note, store), found=True)
    encoder = load()
    store.require(ModelIdentity.of(encoder), corpus.choice, corpus.data)
    store.put(kind, [*items], encoder.embed([*items.values()], batch_size=batch_size))
    with refusing(folder):
        store.save(folder, note)
    return Done(shard.number, store.counts, found=False)


def items_digest(items: Mapping[str, Item]) -> str:
    """sha256 in hex over ids and what each item says and shows; MediaError where a picture can't be read."""
    digest = hashlib.sha256()
    for each, item in items.items():
        digest.update(f"{len(each)} {each} ".encode() + item_key(item))
    return digest.hexdigest()


def _counts_of_same(folder: Path, note: Mapping[str, Any], expected: VectorStore) -> Counts:
    meta = read_meta(folder, VECTORS)
    with reading(folder / "meta.json", VECTORS):
        there = VectorStore(ModelIdentity.from_row(meta["model"]), meta["instruction_choice"], meta["data"])
        counts = Counts(**meta["counts"])
    there.require(expected.model, expected.instruction_choice, expected.data)
    if any(meta.get(key) != value for key, value in note.items()):
        raise IndexMismatch(
            f"{folder} was embedded from other items: a picture of theirs has changed since; remove "
            f"{folder.parents[1]} and embed again, or bring the picture back"
        )
    return counts


# -- the folder of all shards ----------------------------------------------------------------------------------------


def require_embeddable(out: Path) -> None:
    """Refuse a place that holds anything but an unfinished embedding: FolderError.

    One that is finished is refused too: what many machines made is not replaced by a slip.
    """
    if not out.is_dir() or UNFINISHED.foreign(out) is not None:
        require_free(out, VECTORS)
        if out.is_dir() and any(out.iterdir()):
            raise FolderError(f"{out} holds a finished embedding already; remove it first, or choose another folder")


def begin(out: Path, model: ModelIdentity, corpus: Corpus, selection: Selection, shards: Sequence[Shard]) -> None:
    """Begin an embedding, or make sure that the one that lies there is of the same.

    Args:
        out: where.
        model: whose vectors.
        corpus: of what.
        selection: what of the data that is.
        shards: the corpus, cut.

    Raises:
        IndexMismatch: another model, other data or other choices began it; names the first that differs.
        FolderError: its marker is damaged, or the system refuses to write.
    """
    says = {
        "data": corpus.data,
        **selection.to_row(),
        "items": sum(len(shard.rows) for shard in shards),
        "shards": len(shards),
        "version": __version__,
    }
    if not (out / UNFINISHED.marker).is_file():
        with refusing(out), whole_folder(out) as folder:
            write_json(folder / UNFINISHED.marker, {**UNFINISHED.says, "model": model.to_row(), **says})
        return
    meta = read_meta(out, UNFINISHED)
    with reading(out / UNFINISHED.marker, UNFINISHED):
        begun = ModelIdentity.from_row(meta["model"])
    other = f"; give what began it to go on, or remove {out} to begin anew"
    if not begun.produces(model):
        raise IndexMismatch(f"{out} is half embedded by {begun}, not by {model}{other}")
    for key, value in says.items():
        if meta.get(key) != value:
            what = "other data, or the data changed" if key == "data" else f"{key} {meta.get(key)!r}, not {value!r}"
            raise IndexMismatch(f"{out} is half embedded with {what}{other}")


def finish(out: Path, model: ModelIdentity, corpus: Corpus, shards: Sequence[Shard], counts: Counts) -> None:
    """Put the vector folder of all shards in the place of the unfinished one; files are linked where that can be.

    Args:
        out: where.
        model: whose vectors.
        corpus: of what.
        shards: the corpus, cut; all of them are there.
        counts: what embedding them met.

    Raises:
        FolderError: the system refuses to write.
    """
    whole = VectorStore(model, corpus.choice, corpus.data, counts)
    with refusing(out), published(out, VECTORS, stage=UNFINISHED) as folder:
        with (folder / "ids.jsonl").open("wb") as ids:
            for shard in shards:
                with (shard.folder(out) / "ids.jsonl").open("rb") as own:
                    shutil.copyfileobj(own, ids)
                (vectors,) = shard.folder(out).glob("vectors-*.npy")
                _link(vectors, folder / f"vectors-{shard.number:05d}.npy")
        write_json(folder / "meta.json", whole.meta(sum(len(shard.rows) for shard in shards)))


def _link(source: Path, target: Path) -> None:
    """The same file under another name, or a copy on a file system that has one name a file."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


# -- workers that die ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Attempts:
    """How often workers of one run began a shard without ending it: one that kills them is told from one that dies.

    Attributes:
        folder: where they are noted, seen by all workers.
        run: the name of the run.
    """

    folder: Path
    run: str

    def begin(self, shard: Shard) -> tuple[int, Path]:
        """Note an attempt: how many began it before and never ended, and what to remove when this one ends."""
        self.folder.mkdir(exist_ok=True)
        before = len([*self.folder.glob(f"{self.run}.{shard.number:05d}.*")])
        note = self.folder / f"{self.run}.{shard.number:05d}.{before}"
        note.touch()
        return before, note
