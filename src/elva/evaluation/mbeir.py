"""`elva evaluate mbeir`: the whole judgement of a model on data in the M-BEIR layout.

The same code judges the built-in world, imported data and the real benchmark. The folder it leaves:

    results.json     every figure, and what it was measured with
    table.md         the same for people
    runs/*.trec      the top of each ranked list
    qrels/*.txt      the judgements, so that any tool can check the figures
    summaries.jsonl  what the model wrote about each query and candidate
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import fmean
from typing import Any

from elva.data.mbeir import Choice, MBeir, Query, TaskName
from elva.data.opening import open_tasks
from elva.encoding import Encoder, ModelIdentity, Watch
from elva.errors import InputError
from elva.evaluation.embed import embed_tasks
from elva.evaluation.grains import MASKED_QUERIES, GrainTally, add_masked, add_pairs
from elva.evaluation.metrics import (
    CUTOFFS,
    MEASURES,
    chance,
    mean_standard_error,
    means,
    per_query,
    standard_error,
)
from elva.evaluation.retrieve import Retrieval, retrieve
from elva.evaluation.store import VectorStore
from elva.evaluation.table import results_table
from elva.evaluation.trec import Qrels, write_qrels, write_run
from elva.index.folder import EVALUATION, published, require_free, write_json, write_jsonl
from elva.index.gallery import Gallery

TEN = frozenset({"fashion200k", "fashioniq"})
"""Data sets whose headline figure is Recall@10; all others have Recall@5."""


@dataclass(frozen=True, slots=True)
class Results:
    """An evaluation: `row` is what results.json holds, `retrievals` the ranked lists by task."""

    row: Mapping[str, Any]
    retrievals: Mapping[str, Retrieval]

    @property
    def mean(self) -> Mapping[str, float]:
        """hit@1, hit@5, hit@10 and mrr: plain means over tasks."""
        mean: Mapping[str, float] = self.row["mean"]
        return mean


@dataclass(frozen=True, slots=True)
class _Task:
    name: TaskName
    qrels: Qrels
    retrieval: Retrieval
    row: dict[str, Any]


def evaluate(
    root: Path | str,
    encoder: Encoder,
    *,
    out: Path | str,
    split: str = "test",
    datasets: Sequence[str] = (),
    tasks: Sequence[int] = (),
    instruction_choice: Choice = 0,
    vectors: Path | str | None = None,
    depth: int = 100,
    seed: int = 0,
    skip_bad_rows: bool = False,
    watch: Watch | None = None,
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
        vectors: a folder written by `embed_root`, to skip embedding what it holds.
        depth: length of the lists in the run files, 10 or more; MRR counts what lies below as 0.
        seed: draws the queries whose grains are masked.
        skip_bad_rows: leave bad data rows out and count them instead of refusing the data.
        watch: told of each piece of work and its progress.

    Raises:
        InputError: no task fits the choice, or `depth` is below 10.
        DataErrors: every bad row, unless they are to be left out.
        IndexMismatch: `vectors` were made by another model, instruction or data.
        FolderError: `out` holds anything but an evaluation.
    """
    if depth < (deepest := max(CUTOFFS.values())):
        raise InputError(f"lists of depth {depth} can't be judged by hit@{deepest}: give a depth of {deepest} or more")
    root, out = Path(root), Path(out)
    require_free(out, EVALUATION)
    bench, names, skipped = open_tasks(
        root, split, datasets, tasks, by_task=True, skip_bad_rows=skip_bad_rows, watch=watch
    )
    store = _store(bench, encoder, instruction_choice, vectors)
    embed_tasks(bench, names, encoder, store, watch)
    store.counts.skipped_rows = skipped
    tally, judged = GrainTally(), []
    for name in names:
        queries = bench.queries(name)
        judged.append(_judge(bench, name, queries, store, depth))
        add_pairs(tally, queries, judged[-1].qrels, store)
        add_masked(tally, str(name), queries, bench, encoder, store, seed=seed, watch=watch)
    row = {
        **_figures(judged),
        **tally.to_row(),
        "missing_ret": store.counts.missing_ret,
        "counts": store.counts.to_row(),
        **_circumstances(bench, store, split, depth, seed),
        "masked_queries": tally.sampled,
        "ranks": {str(each.name): _ranks(each.retrieval) for each in judged},
    }
    _write(out, row, judged, store)
    return Results(row, {str(each.name): each.retrieval for each in judged})


def _store(bench: MBeir, encoder: Encoder, choice: Choice, vectors: Path | str | None) -> VectorStore:
    model, data = ModelIdentity.of(encoder), bench.fingerprint()
    if vectors is None:
        return VectorStore(model, choice, data)
    store = VectorStore.load(Path(vectors))
    store.require(model, choice, data)
    return store


def _judge(bench: MBeir, name: TaskName, queries: Sequence[Query], store: VectorStore, depth: int) -> _Task:
    pool = [each.did for each in bench.pool(name)]
    qids = [each.qid for each in queries]
    judgements = bench.qrels(name)
    # A query without a judgement of its own would leave the mean: its positives stand in.
    qrels = {each.qid: judgements.get(each.qid) or dict.fromkeys(each.positives, 1) for each in queries}
    gallery = Gallery.of(pool, store.vectors("candidate", pool))
    positives = {qid: [did for did, value in each.items() if value > 0] for qid, each in qrels.items()}
    retrieval = retrieve(qids, store.vectors("query", qids), gallery, positives, depth)
    values = per_query(retrieval.run, qrels)
    held = set(pool)
    row = {
        **means(values),
        "hit@1_se": standard_error(list(values["hit@1"].values())),
        "headline": "hit@10" if name.dataset in TEN else "hit@5",
        "chance": chance(len(pool), [len(held.intersection(each)) for each in positives.values()], depth),
        "queries": len(values["hit@1"]),
        "without_qrels": len(set(qids) - judgements.keys()),
        "pool": len(pool),
        "positive_not_in_pool": sum(rank is None for rank in retrieval.ranks),
    }
    return _Task(name, qrels, retrieval, row)


def _figures(judged: Sequence[_Task]) -> dict[str, Any]:
    rows = {str(each.name): each.row for each in judged}
    return {
        "mean": {
            **{key: fmean(row[key] for row in rows.values()) for key in MEASURES},
            "headline": fmean(row[row["headline"]] for row in rows.values()),
            "hit@1_se": mean_standard_error([row["hit@1_se"] for row in rows.values()]),
        },
        "tasks": rows,
        "chance": {key: fmean(row["chance"][key] for row in rows.values()) for key in MEASURES},
    }


def _circumstances(bench: MBeir, store: VectorStore, split: str, depth: int, seed: int) -> dict[str, Any]:
    """What the figures were measured with. No path and no time: equal runs write equal bytes."""
    return {
        "schema": 1,
        **EVALUATION.says,
        "split": split,
        "model": store.model.to_row(),
        "data": {"fingerprint": store.data},
        "instruction_choice": store.instruction_choice,
        "skipped_rows": {
            path.relative_to(bench.root).as_posix(): count for path, count in sorted(bench.rows.skipped.items())
        },
        "run_depth": depth,
        "masking": {"seed": seed, "queries_per_task": MASKED_QUERIES},
        "versions": {each: _version(each) for each in ("elva-retrieval", "ir-measures", "numpy")},
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:  # run from a source tree
        return None


def _ranks(retrieval: Retrieval) -> dict[str, list[Any]]:
    return {"qids": list(retrieval.run.qids), "best_positive": list(retrieval.ranks)}


def _write(out: Path, row: Mapping[str, Any], judged: Sequence[_Task], store: VectorStore) -> None:
    with published(out, EVALUATION) as folder:
        (folder / "runs").mkdir()
        (folder / "qrels").mkdir()
        for each in judged:
            write_run(folder / "runs" / f"{each.name}.trec", each.retrieval.run, store.model.name)
            write_qrels(folder / "qrels" / f"{each.name}.txt", each.qrels)
        write_jsonl(folder / "summaries.jsonl", store.rows())
        (folder / "table.md").write_text(results_table(row), "utf-8")
        write_json(folder / "results.json", row)
