"""The raw record of one run: everything that a report needs, in one small JSON file that can be committed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from elva.data.writing import write_lines
from elva.errors import InputError, RecipeError
from elva.experiment.plan import Role
from elva.training.settings import AT_LEAST_ZERO, SHARE
from elva.training.strict import Place, build, read_layer

POINTS = 60
"""Most points of a curve."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GrainRow:
    """How one kind of grain is felt; as in an evaluation's results.json."""

    pair_accuracy: Annotated[float | None, "share of near misses that the positive beats", SHARE]
    pairs: Annotated[int, "near misses", AT_LEAST_ZERO]
    grain_distance: Annotated[float | None, "mean cosine distance when the grain is removed"]
    masked: Annotated[int, "queries without one grain", AT_LEAST_ZERO]
    ratio: Annotated[float | None, "grain distance over paraphrase distance"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One arm with one seed on one data set; the file holds the same keys."""

    schema: Annotated[Literal[1], "of this file"] = 1
    experiment: Annotated[str, "name of the experiment"]
    data: Annotated[str, "name of the data set in it"]
    split: Annotated[str, "that it was judged on"]
    arm: Annotated[str, "name of the form"]
    role: Annotated[Role, "of the form in the comparison"]
    default: Annotated[bool, "whether the library recommends it"]
    seed: Annotated[int, "training seed", AT_LEAST_ZERO]
    updates: Annotated[int, "of the weights", AT_LEAST_ZERO]
    seconds: Annotated[float, "training as it went, and the arm's own preparation", AT_LEAST_ZERO]
    preparation_seconds: Annotated[float, "the arm's own preparation", AT_LEAST_ZERO]
    seconds_per_update: Annotated[float | None, "as measured before the runs", AT_LEAST_ZERO]
    budget_seconds: Annotated[float | None, "that the number of updates follows from", AT_LEAST_ZERO]
    ranks: Annotated[Mapping[str, tuple[int | None, ...]], "task: rank of the best positive per query, by qid"]
    clusters: Annotated[Mapping[str, tuple[int, ...]] | None, "task: number of the thing that each query is of"]
    mean: Annotated[Mapping[str, float], "hit@1, hit@5, hit@10, mrr: plain means over tasks", SHARE]
    grains: Annotated[Mapping[str, GrainRow], "by kind"]
    paraphrase_distance: Annotated[float | None, "mean cosine distance to a paraphrase"]
    missing_ret: Annotated[float | None, "share of summaries that did not end by themselves", SHARE]
    named: Annotated[Mapping[str, tuple[int, int]], "kind: grains of queries that their summaries name, there are"]
    curve: Annotated[tuple[Mapping[str, float | None], ...], "step, seconds and a few metrics on the way"]
    recipe: Annotated[str, "name of what was trained; empty where nothing was"]
    settings: Annotated[tuple[str, ...], "key=value pairs on top of it"]


def record_path(results: Path, record: Record) -> Path:
    """Where a record lies among the results."""
    return results / record.experiment / record.data / f"{record.arm}-s{record.seed}.json"


def write_record(results: Path, record: Record) -> Path:
    """Write a record, at once or not at all; a key a line, so that a change of it reads well.

    Raises:
        InputError: the record contradicts itself.
    """
    path = record_path(results, record)
    row = asdict(record)
    _parse(json.loads(json.dumps(row)), path)
    lines = ",\n".join(f' "{key}": {json.dumps(value, allow_nan=False)}' for key, value in row.items())
    write_lines(path, ["{", lines, "}"])
    return path


def read_record(path: Path) -> Record:
    """Read what `write_record` wrote.

    Raises:
        InputError: it is missing, or no record; names the key.
    """
    try:
        row = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} can't be read ({error}); run the experiment again") from error
    return _parse(row, path)


def _parse(row: Any, path: Path) -> Record:
    if not isinstance(row, dict):
        raise InputError(f"{path} is no record of a run; run the experiment again")
    try:
        record = build(Record, read_layer(Record, row, str(path)), Place(str(path), Record))
    except RecipeError as error:
        raise InputError(f"{error}; run the experiment again") from error
    for problem in _contradictions(record):
        raise InputError(f"{path}: {problem}; run the experiment again")
    return record


def _contradictions(record: Record) -> list[str]:
    found = []
    if set(record.mean) != {"hit@1", "hit@5", "hit@10", "mrr"}:
        found.append(f"mean has {', '.join(record.mean) or 'nothing'}; expected hit@1, hit@5, hit@10, mrr")
    if not record.ranks:
        found.append("ranks is empty")
    found += [f"ranks.{task} has a rank below 1" for task, ranks in record.ranks.items() if _below_one(ranks)]
    if record.clusters is not None:
        lengths = {task: len(each) for task, each in record.clusters.items()}
        if lengths != {task: len(each) for task, each in record.ranks.items()}:
            found.append("clusters and ranks are not of the same queries")
    found += [f"named.{kind}: more than there are" for kind, (named, total) in record.named.items() if named > total]
    if len(record.curve) > POINTS:
        found.append(f"curve has {len(record.curve)} points, more than {POINTS}")
    if record.preparation_seconds > record.seconds:
        found.append("preparation_seconds are part of seconds, and more than these")
    return found


def _below_one(ranks: tuple[int | None, ...]) -> bool:
    return any(rank is not None and rank < 1 for rank in ranks)
