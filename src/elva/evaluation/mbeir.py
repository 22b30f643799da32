"""`elva evaluate mbeir`: the whole judgement of a model on data in the M-BEIR layout.

The same code judges the built-in world, imported data and the real benchmark. The folder it leaves:

    results.json     every figure, and what it was measured with
    table.md         the same for people
    runs/*.trec      the top of each ranked list
    qrels/*.txt      the judgements, so that any tool can check the figures
    summaries.jsonl  what the model wrote about each query and candidate
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

from elva.data.mbeir import Choice, MBeir, Scope, TaskName
from elva.data.opening import Selection
from elva.encoding import Encoder, Watch
from elva.evaluation.embed import embedded
from elva.evaluation.grains import MASKED_QUERIES, GrainTally, add_masked, add_pairs, by_cosine
from elva.evaluation.judging import Also, Asked, Judged, Results, circumstances, figures, require_depth, write
from elva.evaluation.retrieve import Retrieval, retrieve
from elva.evaluation.sanity import doubts
from elva.evaluation.store import VectorStore
from elva.index.folder import EVALUATION, Kind, require_free
from elva.index.stored_gallery import StoredGallery

Pool = Literal["local", "global", "both"]
SCOPES: dict[Pool, tuple[Scope, ...]] = {"local": ("local",), "global": ("global",), "both": ("local", "global")}


def evaluate(
    root: Path | str,
    encoder: Encoder,
    *,
    out: Path | str,
    split: str = "test",
    datasets: Sequence[str] = (),
    tasks: Sequence[int] = (),
    instruction_choice: Choice = 0,
    pool: Pool = "local",
    vectors: Path | str | None = None,
    cache: Path | str | None = None,
    depth: int = 100,
    seed: int = 0,
    skip_bad_rows: bool = False,
    watch: Watch | None = None,
    kind: Kind = EVALUATION,
    also: Also = lambda judged: {},
) -> Results:
    """Embed, rank, measure and write `out`, at once or not at all.

    Args:
        root: data in the M-BEIR layout.
        encoder: the model to judge.
        out: the folder to write; an older evaluation there is replaced.
        split: train, val or test.
        datasets: names to keep; all when empty.
        tasks: task ids to keep; all when empty.
        instruction_choice: which of a task's prompts every query gets, or "qid" for one drawn by the query's id;
            fixed and recorded, because peers that draw it at random wander.
        pool: what each task is asked of: its own pool, the pool of all data sets, or both, embedded in one pass and
            reported apart.
        vectors: a folder written by `embed_root`, to skip embedding what it holds.
        cache: a folder that keeps vectors by what items say and show, for later evaluations of any benchmark by the
            same model, and for this one when it is killed; they are ranked from there, and never all in memory.
        depth: length of the lists in the run files, 10 or more; MRR counts what lies below as 0.
        seed: draws the queries whose grains are masked.
        skip_bad_rows: leave bad data rows out and count them instead of refusing the data.
        watch: told of each piece of work and its progress.
        kind: of the folder, which names the benchmark.
        also: what else results.json is to hold beside the means over the pools of one scope.

    Raises:
        InputError: no task fits the choice, or `depth` is below 10.
        DataError: the pool of all data sets is asked for, and there is none.
        DataErrors: every bad row, unless they are to be left out.
        IndexMismatch: `vectors` were made by another model, instruction or data.
        FolderError: `out` holds anything but an evaluation.
    """
    require_depth(depth)
    root, out = Path(root), Path(out)
    require_free(out, kind)
    bench, names, store = embedded(
        root,
        encoder,
        Selection(split, datasets, tasks, instruction_choice, skip_bad_rows),
        scopes=SCOPES[pool],
        vectors=Path(vectors) if vectors is not None else None,
        cache=Path(cache) if cache is not None else None,
        watch=watch,
    )
    judged = [each for scope in SCOPES[pool] for each in judged_in(scope, bench, names, store, depth)]
    tally = GrainTally()
    for asked in (each.asked for each in judged[: len(names)]):  # grains are the queries' own, whatever the pool
        add_pairs(tally, asked.queries, asked.qrels, lambda did: ("candidate", did) in store, by_cosine(store))
        add_masked(tally, str(asked.name), asked.queries, bench, encoder, store, seed=seed, watch=watch)
    row = {
        **figures(judged, also),
        **tally.to_row(),
        "warnings": [each.to_row() for each in doubts(judged, store)],
        "missing_ret": store.counts.missing_ret,
        "counts": store.counts.to_row(),
        **circumstances(bench, split, depth),
        **kind.says,
        "model": store.model.to_row(),
        "data": {"fingerprint": store.data},
        "instruction_choice": store.instruction_choice,
        "masking": {"seed": seed, "queries_per_task": MASKED_QUERIES},
        "masked_queries": tally.sampled,
    }
    write(out, row, judged, store.rows(), kind=kind)
    return Results(row, {each.name: each.retrieval for each in judged})


def judged_in(
    scope: Scope, bench: MBeir, names: Sequence[TaskName], store: VectorStore, depth: int
) -> Iterator[Judged]:
    """The tasks, judged one after the other; the pool that they share is read and sorted once."""
    shared = [each.did for each in bench.pool(names[0], scope)] if scope == "global" else None
    gallery = None if shared is None else gallery_of(shared, store)
    for name in names:
        asked = Asked.of(bench, name, scope, shared)
        yield Judged.of(asked, by_vectors(asked, store, depth, gallery), depth)


def gallery_of(dids: Sequence[str], store: VectorStore) -> StoredGallery:
    """A pool, wherever its vectors lie."""
    return StoredGallery.of(dids, store.places("candidate", dids), store.stacked)


def by_vectors(asked: Asked, store: VectorStore, depth: int, gallery: StoredGallery | None = None) -> Retrieval:
    """Rank a task's pool by cosine; `gallery` is the pool, where it is there already."""
    qids = [each.qid for each in asked.queries]
    gallery = gallery or gallery_of(asked.pool, store)
    return retrieve(qids, store.vectors("query", qids), gallery, asked.positives, depth)
