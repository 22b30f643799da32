"""From what a run left (evaluation, run.json, metrics.jsonl) to its record."""

from __future__ import annotations

import json
from collections.abc import Hashable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from elva.analysis.records import POINTS, GrainRow
from elva.data.mbeir import MBeir, Query
from elva.errors import InputError
from elva.evaluation.metrics import MEASURES
from elva.grains import naming
from elva.index.folder import EVALUATION, read_jsonl, read_meta, reading
from elva.reasoning.evaluation import folder_of
from elva.reasoning.seed_bench_r1 import NAME as SEED_BENCH_R1

CURVE = (
    *("step", "seconds", "loss", "gradient_norm", "infonce", "in_batch_accuracy", "lm_loss"),
    *("reward/total", "order", "positive_rank", "kl", "summary_length", "missing_ret_rate"),
)
"""The metrics that a curve keeps, where a stage logs them."""


def judgement(root: Path, evaluation: Path) -> dict[str, Any]:
    """The part of a record that an evaluation tells.

    Args:
        root: the data that were judged on.
        evaluation: the folder that `elva evaluate` left.

    Raises:
        FolderError: it is no evaluation, or damaged.
        InputError: it is of other queries than the root holds.
    """
    row = read_meta(evaluation, EVALUATION)
    data = MBeir.open(root)
    with reading(evaluation / EVALUATION.marker, EVALUATION):
        ranks = {task: _by_qid(each["qids"], each["best_positive"]) for task, each in row["ranks"].items()}
        told = {key: row[key] for key in ("split", "paraphrase_distance", "missing_ret")}
        mean = {key: row["mean"][key] for key in MEASURES}
        grains = {kind: GrainRow(**each) for kind, each in row["grains"].items()}
    queries = {task: _queries(data, str(told["split"]), task, list(each), evaluation) for task, each in ranks.items()}
    return {
        **told,
        "ranks": {task: tuple(each.values()) for task, each in ranks.items()},
        "clusters": clusters({task: [_signs(query) for query in each] for task, each in queries.items()}),
        "mean": mean,
        "grains": grains,
        "dominant": data.lexicon().dominant,
        "named": _named(data, queries, evaluation),
    }


def answers(evaluation: Path) -> dict[str, Any]:
    """The part of a record that an evaluation of answers in words tells.

    An answer that is right counts as rank 1, any other as none: so all four measures are the accuracy.

    Raises:
        FolderError: it is no such evaluation, or damaged.
    """
    kind = folder_of(SEED_BENCH_R1)
    row = read_meta(evaluation, kind)
    with reading(evaluation / kind.marker, kind):
        ranks = {part: _by_qid(each["qids"], each["best_positive"]) for part, each in row["ranks"].items()}
        asked, cut = (sum(each[key] for each in row["tasks"].values()) for key in ("queries", "cut"))
        return {
            "split": "validation",
            "ranks": {part: tuple(each.values()) for part, each in ranks.items()},
            "clusters": None,
            "mean": dict.fromkeys(MEASURES, row["mean"]["accuracy"]),
            "grains": {},
            "dominant": (),
            "paraphrase_distance": None,
            "missing_ret": cut / asked,
            "named": {},
        }


def training(run: Path) -> dict[str, Any]:
    """The part of a record that a finished training tells: updates, seconds and curve.

    Raises:
        InputError: run.json or metrics.jsonl is missing or damaged.
    """
    try:
        row = json.loads((run / "run.json").read_text("utf-8"))
        points = thinned(read_jsonl(run / "metrics.jsonl"))
        curve = tuple({key: point[key] for key in CURVE if key in point} for point in points)
        return {"updates": row["updates"], "seconds": row["processor_seconds"], "curve": curve}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{run} is no finished training ({error}); remove the folder and start again") from error


def thinned(points: Sequence[Mapping[str, Any]], most: int = POINTS) -> list[Mapping[str, Any]]:
    """At most so many of the points, evenly spread, the first and the last among them."""
    if len(points) <= most:
        return list(points)
    return [points[round(place * (len(points) - 1) / (most - 1))] for place in range(most)]


def clusters(signs: Mapping[str, Sequence[Sequence[Hashable]]]) -> dict[str, tuple[int, ...]] | None:
    """Numbers of the things that queries are of: equal ones must be drawn together when queries are drawn again.

    Args:
        signs: task -> what shows of each query which thing it is of; queries with a sign in common are of one thing.

    Returns:
        task -> a number per query, equal for one thing in all tasks; None where no two queries are of one.
    """
    every = [each for task in signs.values() for each in task]
    joined, first = list(range(len(every))), dict[Hashable, int]()

    def top(place: int) -> int:
        while joined[place] != place:
            place = joined[place]
        return place

    for place, each in enumerate(every):
        for sign in each:
            one, other = top(first.setdefault(sign, place)), top(place)
            joined[max(one, other)] = min(one, other)
    numbers: dict[int, int] = {}
    found = iter([numbers.setdefault(top(place), len(numbers)) for place in range(len(every))])
    told = {task: tuple(next(found) for _ in each) for task, each in signs.items()}
    return told if len(numbers) < len(every) else None


def _signs(query: Query) -> list[Hashable]:
    """What a query was made from (a product, a scene), and its near misses: those of a thing that is asked for twice.

    In MRBench-mini text, picture and change ask for the same scene among the same five others.
    """
    near = tuple(sorted(miss.did for miss in query.near_misses))
    return [sign for sign in (query.source, near) if sign]


def _by_qid(qids: Sequence[str], ranks: Sequence[int | None]) -> dict[str, int | None]:
    return dict(sorted(zip(qids, ranks, strict=True)))


def _queries(data: MBeir, split: str, task: str, qids: Sequence[str], evaluation: Path) -> list[Query]:
    names = {str(name): name for name in data.tasks(split)}
    held = {query.qid: query for query in data.queries(names[task])} if task in names else {}
    if any(qid not in held for qid in qids):
        raise InputError(f"{evaluation} judges queries of {task} that {data.root} does not hold; judge these data")
    return [held[qid] for qid in qids]


def _named(data: MBeir, queries: Mapping[str, Sequence[Query]], evaluation: Path) -> dict[str, tuple[int, int]]:
    """Kind -> (grains of the queries that their summaries name, grains there are); empty where nothing was written."""
    path = evaluation / "summaries.jsonl"
    rows = read_jsonl(path) if path.exists() else []
    summaries = {row["id"]: row["summary"] for row in rows if row["kind"] == "query"}
    if not any(summaries.values()):
        return {}

    def written() -> Iterator[tuple[Any, str]]:
        for query in (query for each in queries.values() for query in each):
            if query.grains and query.qid in summaries:
                yield query.grains, summaries[query.qid]

    return naming(written(), data.lexicon())
