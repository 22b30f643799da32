"""`elva evaluate mrbench`: as `elva evaluate mbeir`, and by how many grains a query has, and of which kinds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from elva.data.mbeir import Choice, MBeir
from elva.encoding import Encoder, Watch
from elva.errors import InputError
from elva.evaluation import mbeir
from elva.evaluation.judging import Judged, Results
from elva.evaluation.metrics import MEASURES, means, per_query, standard_error
from elva.index.folder import EVALUATION

FOLDER = replace(EVALUATION, says={"benchmark": "mrbench"}, command="elva evaluate mrbench")

Values = dict[str, dict[str, float]]
"""Measure -> query -> value."""


def evaluate(
    root: Path | str,
    encoder: Encoder,
    *,
    out: Path | str,
    split: str = "test",
    datasets: Sequence[str] = (),
    tasks: Sequence[int] = (),
    instruction_choice: Choice = 0,
    pool: mbeir.Pool = "local",
    vectors: Path | str | None = None,
    cache: Path | str | None = None,
    depth: int = 100,
    seed: int = 0,
    skip_bad_rows: bool = False,
    watch: Watch | None = None,
) -> Results:
    """Judge a model on queries whose grains are known; arguments and errors as in `mbeir.evaluate`.

    Raises:
        InputError: also where no query of these tasks lists its grains.
    """
    _require_grains(MBeir.open(root, skip_bad_rows=True), split, datasets, tasks)
    return mbeir.evaluate(
        root,
        encoder,
        out=out,
        split=split,
        datasets=datasets,
        tasks=tasks,
        instruction_choice=instruction_choice,
        pool=pool,
        vectors=vectors,
        cache=cache,
        depth=depth,
        seed=seed,
        skip_bad_rows=skip_bad_rows,
        watch=watch,
        kind=FOLDER,
        also=by_grains,
    )


def by_grains(judged: Sequence[Judged]) -> dict[str, Any]:
    """The measures over the queries of all these tasks, by number of grains and by kind of grain.

    Returns:
        `by_number_of_grains` (number -> measures, in rising order) and `by_kind_of_grain` (kind -> measures over the
        queries that have a grain of this kind); a query counts under one number, and under each of its kinds.
    """
    numbers: dict[int, Values] = defaultdict(_no_values)
    kinds: dict[str, Values] = defaultdict(_no_values)
    for each in judged:
        values = per_query(each.retrieval.run, each.asked.qrels)
        for query in each.asked.queries:
            groups = [numbers[len(query.grains)], *(kinds[kind] for kind in {grain.kind for grain in query.grains})]
            for group in groups:
                for name in MEASURES:
                    group[name][f"{each.asked.name} {query.qid}"] = values[name][query.qid]
    return {
        "by_number_of_grains": {str(number): _row(values) for number, values in sorted(numbers.items())},
        "by_kind_of_grain": {kind: _row(values) for kind, values in sorted(kinds.items())},
    }


def _no_values() -> Values:
    return {name: {} for name in MEASURES}


def _row(values: Mapping[str, Mapping[str, float]]) -> dict[str, float | int]:
    hits = list(values["hit@1"].values())
    return {**means(values), "hit@1_se": standard_error(hits), "queries": len(hits)}


def _require_grains(data: MBeir, split: str, datasets: Sequence[str], tasks: Sequence[int]) -> None:
    names = data.tasks(split, datasets, tasks)
    queries: Iterable[Any] = (query for name in names for query in data.queries(name))
    if names and not any(query.grains for query in queries):
        raise InputError(
            f"{data.root}: no query of these tasks lists its grains; build a benchmark from it with "
            "`elva mrbench build`, or judge it with `elva evaluate mbeir`"
        )
