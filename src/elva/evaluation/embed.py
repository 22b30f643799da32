"""Embedding a whole data root: every query and candidate of the chosen tasks, checked first, once each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from elva.data.mbeir import Choice, MBeir, TaskName
from elva.data.opening import open_tasks
from elva.encoding import Encoder, ModelIdentity, Watch
from elva.evaluation.store import VectorStore
from elva.index.folder import VECTORS, require_free


def embed_tasks(
    bench: MBeir,
    names: Sequence[TaskName],
    encoder: Encoder,
    store: VectorStore,
    watch: Watch | None = None,
) -> None:
    """Bring the queries and pools of `names` into `store`; what several pools share only once."""
    for name in names:
        queries = {each.qid: bench.query_item(each, choice=store.instruction_choice) for each in bench.queries(name)}
        store.embed(encoder, "query", queries, f"{name}: queries", watch)
        candidates = {each.did: bench.candidate_item(each) for each in bench.pool(name)}
        store.embed(encoder, "candidate", candidates, f"{name}: candidates", watch)


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
    bench, names, skipped = open_tasks(
        root, split, datasets, tasks, by_task=True, skip_bad_rows=skip_bad_rows, watch=watch
    )
    store = VectorStore(ModelIdentity.of(encoder), instruction_choice, bench.fingerprint())
    embed_tasks(bench, names, encoder, store, watch)
    store.counts.skipped_rows = skipped
    store.save(out)
    return store
