"""Embedding a whole data root: every query and candidate of the chosen tasks, checked first, once each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from elva.data.mbeir import Choice, MBeir, Scope, TaskName
from elva.data.opening import open_tasks
from elva.encoding import Encoder, ModelIdentity, Watch
from elva.evaluation.store import VectorStore
from elva.index.folder import VECTORS, require_free


def embed_tasks(
    bench: MBeir,
    names: Sequence[TaskName],
    encoder: Encoder,
    store: VectorStore,
    scopes: Sequence[Scope] = ("local",),
    watch: Watch | None = None,
) -> None:
    """Bring the queries and pools of `names` into `store`; what several pools share only once."""
    for name in names:
        queries = {each.qid: bench.query_item(each, choice=store.instruction_choice) for each in bench.queries(name)}
        store.embed(encoder, "query", queries, f"{name}: queries", watch)
        if "local" in scopes:
            candidates = {each.did: bench.candidate_item(each) for each in bench.pool(name)}
            store.embed(encoder, "candidate", candidates, f"{name}: candidates", watch)
    if "global" in scopes:
        candidates = {each.did: bench.candidate_item(each) for each in bench.pool(names[0], "global")}
        store.embed(encoder, "candidate", candidates, "candidates of all data sets", watch)


def embedded(
    root: Path,
    encoder: Encoder,
    *,
    split: str,
    datasets: Sequence[str],
    tasks: Sequence[int],
    instruction_choice: Choice,
    scopes: Sequence[Scope] = ("local",),
    vectors: Path | None = None,
    skip_bad_rows: bool,
    watch: Watch | None,
) -> tuple[MBeir, Sequence[TaskName], VectorStore]:
    """Check the chosen tasks of a data root and embed them; arguments and errors as in `embed_root`.

    Args:
        root: the data.
        encoder: the model.
        split: which split.
        datasets: names to keep.
        tasks: task ids to keep.
        instruction_choice: which prompts.
        scopes: which pools: the tasks' own, the one of all data sets, or both.
        vectors: a folder of vectors; what it holds is not embedded again. IndexMismatch where they are others'.
        skip_bad_rows: leave bad rows out.
        watch: told of the work.

    Returns:
        The data, its tasks, and the vectors.
    """
    bench, names, skipped = open_tasks(
        root, split, datasets, tasks, by_task=True, scopes=scopes, skip_bad_rows=skip_bad_rows, watch=watch
    )
    store = store_of(bench, encoder, instruction_choice, vectors)
    embed_tasks(bench, names, encoder, store, scopes, watch)
    store.counts.skipped_rows = skipped
    return bench, names, store


def store_of(bench: MBeir, encoder: Encoder, choice: Choice, vectors: Path | str | None) -> VectorStore:
    """A store for these data: empty, or with the vectors of a folder; IndexMismatch where they are others'."""
    model, data = ModelIdentity.of(encoder), bench.fingerprint()
    if vectors is None:
        return VectorStore(model, choice, data)
    store = VectorStore.load(Path(vectors))
    store.require(model, choice, data)
    return store


def embed_root(
    root: Path,
    encoder: Encoder,
    out: Path,
    *,
    split: str = "test",
    datasets: Sequence[str] = (),
    tasks: Sequence[int] = (),
    instruction_choice: Choice = 0,
    skip_bad_rows: bool = False,
    watch: Watch | None = None,
) -> VectorStore:
    """Embed the queries and local pools of a split into a vector folder (see `VectorStore`).

    Args:
        root: data in the M-BEIR layout.
        encoder: the model.
        out: the folder to write; an older vector folder is replaced.
        split: train, val or test.
        datasets: names to keep; all when empty.
        tasks: task ids to keep; all when empty.
        instruction_choice: which of a task's prompts every query gets, or "qid" for one drawn by the query's id.
        skip_bad_rows: leave bad data rows out and count them instead of refusing the data.
        watch: told of each piece of work and its progress.

    Raises:
        InputError: no task fits the choice.
        DataErrors: every bad row, unless they are to be left out.
        FolderError: `out` holds anything but vectors.
    """
    require_free(out, VECTORS)
    _, _, store = embedded(
        root,
        encoder,
        split=split,
        datasets=datasets,
        tasks=tasks,
        instruction_choice=instruction_choice,
        skip_bad_rows=skip_bad_rows,
        watch=watch,
    )
    store.save(out)
    return store
