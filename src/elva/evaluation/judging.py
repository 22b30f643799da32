"""What makes ranked lists an evaluation: measures, means, the files. Who ranked doesn't matter."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import fmean
from types import MappingProxyType
from typing import Any, Protocol

from elva.data.mbeir import Candidate, MBeir, Query, Scope, TaskName
from elva.data.published_counts import COUNTS
from elva.data.stored import Lookup
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
from elva.evaluation.rank_one import at_rank_one
from elva.evaluation.retrieve import Retrieval
from elva.evaluation.significance import hit_interval
from elva.evaluation.table import results_table
from elva.evaluation.trec import Qrels, Run, write_qrels, write_run
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
        scope: whose candidates the pool holds: the task's own, or those of all data sets.
        candidates: did -> candidate of the pool; None where nothing is known of them but their ids.
    """

    name: TaskName
    queries: Sequence[Query]
    pool: Sequence[str]
    qrels: Qrels
    without_qrels: int
    scope: Scope = "local"
    candidates: Mapping[str, Candidate] | None = None

    @classmethod
    def of(cls, bench: MBeir, name: TaskName, scope: Scope = "local", dids: Sequence[str] | None = None) -> Asked:
        """Read a task.

        Args:
            bench: the data.
            name: the task.
            scope: which pool it is asked of.
            dids: of that pool, where they are known already: tasks share the pool of all data sets.
        """
        queries, judgements, pool = bench.queries(name), bench.qrels(name), bench.pool(name, scope)
        qrels = {each.qid: judgements.get(each.qid) or dict.fromkeys(each.positives, 1) for each in queries}
        dids = [each.did for each in pool] if dids is None else dids
        return cls(name, queries, dids, qrels, len(qrels.keys() - judgements.keys()), scope, Lookup([pool]))

    @property
    def label(self) -> str:
        """What results and files call it: `mrbench_task0_test`, or `mrbench_task0_test@global`."""
        return str(self.name) if self.scope == "local" else f"{self.name}@{self.scope}"

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

    @property
    def name(self) -> str:
        """The task, and its pool where that is not its own."""
        return self.asked.label

    @property
    def run(self) -> Run:
        """Its ranked lists."""
        return self.retrieval.run

    @property
    def qrels(self) -> Qrels:
        """Its judgements."""
        return self.asked.qrels

    @property
    def qids(self) -> list[str]:
        """Its queries."""
        return [query.qid for query in self.asked.queries]

    @property
    def dids(self) -> Sequence[str]:
        """Its pool."""
        return self.asked.pool

    @property
    def positives(self) -> dict[str, list[str]]:
        """The dids of the relevant candidates of each qid."""
        return self.asked.positives

    @classmethod
    def of(cls, asked: Asked, retrieval: Retrieval, depth: int) -> Judged:
        """Measure ranked lists of this depth."""
        values, positives = per_query(retrieval.run, asked.qrels), asked.positives
        held = {did for each in positives.values() for did in each}.intersection(asked.pool)
        found = [len(held.intersection(each)) for each in positives.values()]
        row: dict[str, Any] = {
            **means(values),
            "hit@1_se": standard_error(list(values["hit@1"].values())),
            "headline": "hit@10" if asked.name.dataset in TEN else "hit@5",
            "chance": chance(len(asked.pool), found, depth),
            "queries": len(values["hit@1"]),
            "without_qrels": asked.without_qrels,
            "pool": len(asked.pool),
            "positive_not_in_pool": sum(rank is None for rank in retrieval.ranks),
        }
        row["headline_interval"] = list(hit_interval(_hits([(asked.label, row)])))
        if asked.candidates is not None:
            row["rank_1"] = at_rank_one(retrieval.run, asked.queries, positives, asked.candidates)
        return cls(asked, retrieval, row)


def require_depth(depth: int) -> None:
    """Raise InputError where lists are too short to be judged."""
    if depth < (deepest := max(CUTOFFS.values())):
        raise InputError(f"lists of depth {depth} can't be judged by hit@{deepest}: give a depth of {deepest} or more")


Also = Callable[[Sequence[Judged]], Mapping[str, Any]]
"""Further figures of tasks that were asked of pools of one scope."""


def figures(judged: Sequence[Judged], also: Also = lambda judged: {}) -> dict[str, Any]:
    """The parts of results.json that every evaluation has: means, tasks, chance, ranks.

    Means over different pools are never mixed: those at the top are over the pools that come first.

    Args:
        judged: the tasks.
        also: what else is to stand beside the means.
    """
    pools: dict[Scope, dict[str, Any]] = {}
    for scope in dict.fromkeys(each.asked.scope for each in judged):
        own = [each for each in judged if each.asked.scope == scope]
        pools[scope] = {**_means(own), **also(own)}
    return {
        **next(iter(pools.values())),
        "pools": pools,
        "tasks": {each.asked.label: each.row for each in judged},
        "ranks": {
            each.asked.label: {
                "qids": list(each.retrieval.run.qids),
                "best_positive": list(each.retrieval.ranks),
            }
            for each in judged
        },
    }


def _means(judged: Sequence[Judged]) -> dict[str, Any]:
    """Plain means over tasks that were asked of pools of one scope."""
    rows = [each.row for each in judged]
    return {
        "mean": {
            **{key: fmean(row[key] for row in rows) for key in MEASURES},
            "headline": fmean(row[row["headline"]] for row in rows),
            "headline_interval": list(hit_interval(_hits((each.asked.label, each.row) for each in judged))),
            "hit@1_se": mean_standard_error([row["hit@1_se"] for row in rows]),
        },
        "chance": {key: fmean(row["chance"][key] for row in rows) for key in MEASURES},
        "m_beir_average": m_beir_average({each.asked.name: each.row for each in judged}),
    }


def _hits(rows: Iterable[tuple[str, Mapping[str, Any]]]) -> dict[str, tuple[int, int]]:
    """Task -> for how many of its queries the headline figure is a hit, and how many there are."""
    return {label: (round(row[row["headline"]] * row["queries"]), row["queries"]) for label, row in rows}


def m_beir_average(rows: Mapping[TaskName, Mapping[str, Any]]) -> float | None:
    """The plain mean of the headline figures of M-BEIR's 16 sub-tasks; None unless all 16 are there.

    Args:
        rows: task -> its part of results.json, all of one split.
    """
    own = {(name.dataset, name.task): row for name, row in rows.items()}
    return fmean(own[each][own[each]["headline"]] for each in COUNTS) if COUNTS.keys() <= own.keys() else None


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
        "versions": versions(),
    }


def versions() -> dict[str, str | None]:
    """What figures depend on, with its version."""
    return {each: _version(each) for each in ("elva-retrieval", "ir-measures", "numpy", "torch", "transformers")}


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:  # run from a source tree
        return None


class Lists(Protocol):
    """One task's ranked lists and judgements, as they are written down."""

    @property
    def name(self) -> str:
        """The task."""

    @property
    def run(self) -> Run:
        """Its ranked lists."""

    @property
    def qrels(self) -> Qrels:
        """Its judgements."""


def write(
    out: Path,
    row: Mapping[str, Any],
    judged: Sequence[Lists],
    summaries: Iterable[Mapping[str, str]],
    *,
    table: Callable[[Mapping[str, Any]], str] = results_table,
    kind: Kind = EVALUATION,
    also: Mapping[str, Any] = MappingProxyType({}),
) -> None:
    """Write the folder of an evaluation, at once or not at all.

    Args:
        out: the folder; an older evaluation of its kind there is replaced.
        row: what results.json holds.
        judged: its tasks.
        summaries: rows of summaries.jsonl.
        table: results.json -> table.md.
        kind: of the folder.
        also: further JSON files by name.
    """
    with published(out, kind) as folder:
        (folder / "runs").mkdir()
        (folder / "qrels").mkdir()
        for each in judged:
            write_run(folder / "runs" / f"{each.name}.trec", each.run, row["model"]["name"])
            write_qrels(folder / "qrels" / f"{each.name}.txt", each.qrels)
        write_jsonl(folder / "summaries.jsonl", summaries)
        for name, value in also.items():
            write_json(folder / name, value)
        (folder / "table.md").write_text(table(row), "utf-8")
        write_json(folder / "results.json", row)
