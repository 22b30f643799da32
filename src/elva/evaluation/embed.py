"""Embedding a whole data root: every query and candidate of the chosen tasks, checked first, once each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from elva.data.mbeir import Candidate, Choice, MBeir, Query, Scope, TaskName
from elva.data.opening import EVERYTHING, Selection
from elva.data.stored import Stored
from elva.encoding import Encoder, ModelIdentity, Watch
from elva.errors import InputError
from elva.evaluation.cache import BLOCK, VectorCache
from elva.evaluation.store import Kind, VectorStore
from elva.evaluation.workers import processes
from elva.index.folder import VECTORS, require_free
from elva.items import Item

AT_ONCE = 16 * BLOCK
"""Rows that are items at a time."""


@dataclass(frozen=True, slots=True)
class Part:
    """A file of queries or candidates.

    Attributes:
        kind: which of the two.
        rows: its rows, in their order.
        item_of: a row -> what is embedded.
        label: what to call it.
    """

    kind: Kind
    rows: Stored[Query] | Stored[Candidate]
    item_of: Callable[[Any], Item]
    label: str

    def items(self, places: Iterable[int]) -> dict[str, Item]:
        """The items of these rows, by their ids."""
        return {id_of(row): self.item_of(row) for row in (self.rows[place] for place in places)}


def parts(
    bench: MBeir, names: Sequence[TaskName], choice: Choice, scopes: Sequence[Scope] = ("local",)
) -> Iterator[Part]:
    """The files that tasks need embedded, in the order in which they are; several may hold the same ids."""
    for name in names:
        asked = partial(bench.query_item, choice=choice)
        yield Part("query", bench.queries(name), asked, f"{name}: queries")
        if "local" in scopes:
            yield Part("candidate", bench.pool(name), bench.candidate_item, f"{name}: candidates")
    if "global" in scopes:
        yield Part("candidate", bench.pool(names[0], "global"), bench.candidate_item, "candidates of all data sets")


def embed_tasks(
    bench: MBeir,
    names: Sequence[TaskName],
    encoder: Encoder,
    store: VectorStore,
    scopes: Sequence[Scope] = ("local",),
    watch: Watch | None = None,
) -> None:
    """Bring the queries and pools of `names` into `store`; what several pools share only once."""
    for part in parts(bench, names, store.instruction_choice, scopes):
        _embed(store, encoder, part, watch)


def _embed(store: VectorStore, encoder: Encoder, part: Part, watch: Watch | None) -> None:
    """Bring rows of a file into the store, some at a time: as items they take far more room than in their file."""
    progress = watch(part.label, len(part.rows)) if watch else None
    for start in range(0, len(part.rows), AT_ONCE):
        some = {id_of(row): row for row in part.rows[start : start + AT_ONCE]}
        new = {each: part.item_of(row) for each, row in some.items() if (part.kind, each) not in store}
        if progress and len(new) < len(some):
            progress(len(some) - len(new))
        if new:
            store.add(encoder, part.kind, new, progress)


def id_of(row: Query | Candidate) -> str:
    """The id that it has in its name space."""
    return row.qid if isinstance(row, Query) else row.did


def embedded(
    root: Path,
    encoder: Encoder,
    selection: Selection,
    *,
    scopes: Sequence[Scope] = ("local",),
    vectors: Path | None = None,
    cache: Path | None = None,
    watch: Watch | None,
) -> tuple[MBeir, Sequence[TaskName], VectorStore]:
    """Check the chosen tasks of a data root and embed them; errors as in `embed_root`.

    Args:
        root: the data.
        encoder: the model.
        selection: what of the data.
        scopes: which pools: the tasks' own, the one of all data sets, or both.
        vectors: a folder of vectors; what it holds is not embedded again. IndexMismatch where they are others'.
        cache: a folder of vectors by content, where all are kept; see `elva.evaluation.cache`.
        watch: told of the work.

    Returns:
        The data, its tasks, and the vectors.
    """
    bench, names, skipped = selection.open(root, scopes=scopes, watch=watch)
    store = store_of(bench, encoder, selection.instruction_choice, vectors, cache)
    embed_tasks(bench, names, encoder, store, scopes, watch)
    store.counts.skipped_rows = skipped
    return bench, names, store


def store_of(
    bench: MBeir, encoder: Encoder, choice: Choice, vectors: Path | str | None, cache: Path | None = None
) -> VectorStore:
    """A store for these data, over a cache if there is one: empty, or with the vectors of a folder.

    Raises:
        InputError: both are given, or the cache is a file.
        IndexMismatch: the vectors are others'.
    """
    model, data = ModelIdentity.of(encoder), bench.fingerprint()
    if vectors is not None and cache is not None:
        raise InputError("give a folder of vectors or a cache, not both: what the one holds never enters the other")
    if vectors is None:
        return VectorStore(model, choice, data, kept=cached(encoder, cache))
    store = VectorStore.load(Path(vectors))
    store.require(model, choice, data)
    return store


def cached(encoder: Encoder, cache: Path | None) -> VectorCache | None:
    """A model's vectors in a cache, if there is one; InputError where it is a file."""
    if cache is None:
        return None
    return VectorCache(cache, ModelIdentity.of(encoder), BLOCK * processes(encoder))


def embed_root(
    root: Path, encoder: Encoder, out: Path, selection: Selection = EVERYTHING, watch: Watch | None = None
) -> VectorStore:
    """Embed the queries and local pools of a split into a vector folder (see `VectorStore`).

    Args:
        root: data in the M-BEIR layout.
        encoder: the model.
        out: the folder to write; an older vector folder is replaced.
        selection: what of the data.
        watch: told of each piece of work and its progress.

    Raises:
        InputError: no task fits the choice.
        DataErrors: every bad row, unless they are to be left out.
        FolderError: `out` holds anything but vectors.
    """
    require_free(out, VECTORS)
    _, _, store = embedded(root, encoder, selection, watch=watch)
    store.save(out)
    return store
