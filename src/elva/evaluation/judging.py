"""What makes ranked lists an evaluation: measures, means, the files. Who ranked doesn't matter."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import fmean
from typing import Any

from elva.data.mbeir import MBeir, Query, TaskName
from elva.errors import InputError
from elva.evaluation.metrics import (
    CUTOFFS,
    MEASURES,
    chance,
    mean_standard_error,
    means,
    per_query,
    standard_error,
)
from elva.evaluation.retrieve import Retrieval
from elva.evaluation.table import results_table
from elva.evaluation.trec import Qrels, write_qrels, write_run
from elva.index.folder import EVALUATION, Kind, published, write_json, write_jsonl

TEN = frozenset({"fashion200k", "fashioniq"})
"""Data sets whose headline figure is Recall@10; all others have Recall@5."""


@dataclass(frozen=True, slots=True)
class Results:
    """An evaluation.

    Attributes:
        row: what results.json holds.
        retrievals: the ranked lists by task.
        rerank_seconds: what scoring took; not in results.json, since equal runs write equal bytes.
    """

    row: Mapping[str, Any]
    retrievals: Mapping[str, Retrieval]
    rerank_seconds: float = 0.0

    @property
    def mean(self) -> Mapping[str, float]:
        """hit@1, hit@5, hit@10 and mrr: plain means over tasks."""
        mean: Mapping[str, float] = self.row["mean"]
        return mean


@dataclass(frozen=True, slots=True)
class Asked:
    """What one task asks.

    Attributes:
        name: the task.
        queries: its queries.
        pool: dids of its candidates.
        qrels: qid -> did -> relevance.
        without_qrels: queries that the qrels file lacks; their positives stand in, or they would leave the mean.
    """

    name: TaskName
    queries: Sequence[Query]
    pool: Sequence[str]
    qrels: Qrels
    without_qrels: int

    @classmethod
    def of(cls, bench: MBeir, name: TaskName) -> Asked:
        """Read a task."""
        queries, judgements = bench.queries(name), bench.qrels(name)
        qrels = {each.qid: judgements.get(each.qid) or dict.fromkeys(each.positives, 1) for each in queries}
        return cls(name, queries, [each.did for each in bench.pool(name)], qrels, len(qrels.keys() - judgements.keys()))

    @property
    def positives(self) -> dict[str, list[str]]:
        """The dids of the relevant candidates of each qid."""
        return {qid: [did for did, value in each.items() if value > 0] for qid, each in self.qrels.items()}


@dataclass(frozen=True, slots=True)
class Judged:
    """A task, how it was ranked, and its part of results.json."""

    asked: Asked
    retrieval: Retrieval
    row: dict[str, Any]

    @classmethod
    def of(cls, asked: Asked, retrieval: Retrieval, depth: int) -> Judged:
        """Measure ranked lists of this depth."""
        values, held = per_query(retrieval.run, asked.qrels), set(asked.pool)
        found = [len(held.intersection(each)) for each in asked.positives.values()]
        row = {
            **means(values),
            "hit@1_se": standard_error(list(values["hit@1"].values())),
            "headline": "hit@10" if asked.name.dataset in TEN else "hit@5",
            "chance": chance(len(asked.pool), found, depth),
            "queries": len(values["hit@1"]),
            "without_qrels": asked.without_qrels,
            "pool": len(asked.pool),
            "positive_not_in_pool": sum(rank is None for rank in retrieval.ranks),
        }
        return cls(asked, retrieval, row)


def require_depth(depth: int) -> None:
    """Raise InputError where lists are too short to be judged."""
    if depth < (deepest := max(CUTOFFS.values())):
        raise InputError(f"lists of depth {depth} can't be judged by hit@{deepest}: give a depth of {deepest} or more")


def figures(judged: Sequence[Judged]) -> dict[str, Any]:
    """The parts of results.json that every evaluation has: means, tasks, chance, ranks."""
    rows = {str(each.asked.name): each.row for each in judged}
    return {
        "mean": {
            **{key: fmean(row[key] for row in rows.values()) for key in MEASURES},
            "headline": fmean(row[row["headline"]] for row in rows.values()),
            "hit@1_se": mean_standard_error([row["hit@1_se"] for row in rows.values()]),
        },
        "tasks": rows,
        "chance": {key: fmean(row["chance"][key] for row in rows.values()) for key in MEASURES},
        "ranks": {
            str(each.asked.name): {
                "qids": list(each.retrieval.run.qids),
                "best_positive": list(each.retrieval.ranks),
            }
            for each in judged
        },
    }


def circumstances(bench: MBeir, split: str, depth: int) -> dict[str, Any]:
    """What any figures were measured with. No path and no time: equal runs write equal bytes."""
    return {
        "schema": 1,
        **EVALUATION.says,
        "split": split,
        "skipped_rows": {
            path.relative_to(bench.root).as_posix(): count for path, count in sorted(bench.rows.skipped.items())
        },
        "run_depth": depth,
        "versions": {each: _version(each) for each in ("elva-retrieval", "ir-measures", "numpy")},
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:  # run from a source tree
        return None


def write(
    out: Path,
    row: Mapping[str, Any],
    judged: Sequence[Judged],
    summaries: Iterable[Mapping[str, str]],
    *,
    kind: Kind = EVALUATION,
) -> None:
    """Write the folder of an evaluation, at once or not at all.

    Args:
        out: the folder; an older evaluation of its kind there is replaced.
        row: what results.json holds.
        judged: its tasks.
        summaries: rows of summaries.jsonl.
        kind: of the folder.
    """
    with published(out, kind) as folder:
        (folder / "runs").mkdir()
        (folder / "qrels").mkdir()
        for each in judged:
            write_run(folder / "runs" / f"{each.asked.name}.trec", each.retrieval.run, row["model"]["name"])
            write_qrels(folder / "qrels" / f"{each.asked.name}.txt", each.asked.qrels)
        write_jsonl(folder / "summaries.jsonl", summaries)
        (folder / "table.md").write_text(results_table(row), "utf-8")
        write_json(folder / "results.json", row)
