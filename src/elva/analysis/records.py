"""The raw record of one run: all that a report is made of, in one small JSON file that can be committed.

docs/formats.md describes the file. A record is checked when it is written and when it is read: what is missing, of the
wrong kind, unknown, or at odds with its own ranks is told with file and key.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from statistics import fmean
from typing import Annotated, Any, Literal, get_args

from elva.data.writing import write_lines
from elva.errors import InputError, RecipeError
from elva.evaluation.metrics import CUTOFFS, MEASURES
from elva.strict import AT_LEAST_ONE, AT_LEAST_ZERO, SHARE, Place, build, read_layer

Role = Literal["baseline", "candidate", "control", "reference"]
"""What an arm is for, in the order of the tables."""
ROLES: tuple[str, ...] = get_args(Role)

POINTS = 60
"""Most points of a curve."""

ROUNDING = 1e-3
"""How far a rate may lie from what the ranks say, since records may be rounded."""

NAMED = "*-s[0-9]*.json"
"""What records are called; other files of a folder, such as pace.json and summary.json, are none."""

_FIX = "give `elva experiment` the same command again, and it writes the record anew"

Ranks = Mapping[str, Sequence[int | None]]


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
    default: Annotated[bool, "whether users get this form unless they choose"]
    seed: Annotated[int, "training seed", AT_LEAST_ZERO]
    start: Annotated[str, "digest of the seed's start checkpoint"]
    updates: Annotated[int, "of the weights", AT_LEAST_ZERO]
    seconds: Annotated[float, "training as it went, and the arm's own preparation", AT_LEAST_ZERO]
    preparation_seconds: Annotated[float, "the arm's own preparation", AT_LEAST_ZERO]
    seconds_per_update: Annotated[float | None, "as measured before the runs", AT_LEAST_ZERO]
    budget_seconds: Annotated[float | None, "that the number of updates follows from", AT_LEAST_ZERO]
    ranks: Annotated[Mapping[str, tuple[int | None, ...]], "task: rank of the best positive, by qid", AT_LEAST_ONE]
    clusters: Annotated[Mapping[str, tuple[int, ...]] | None, "task: number of the thing that each query is of"]
    mean: Annotated[Mapping[str, float], "hit@1, hit@5, hit@10, mrr: plain means over tasks", SHARE]
    grains: Annotated[Mapping[str, GrainRow], "by kind"]
    dominant: Annotated[tuple[str, ...], "kinds of grains that mostly suffice"]
    paraphrase_distance: Annotated[float | None, "mean cosine distance to a paraphrase"]
    missing_ret: Annotated[float | None, "share of summaries that did not end by themselves", SHARE]
    named: Annotated[Mapping[str, tuple[int, int]], "kind: grains that the summaries name, all", AT_LEAST_ZERO]
    curve: Annotated[tuple[Mapping[str, float | None], ...], "step, seconds and a few metrics on the way"]
    recipe: Annotated[str, "name of what was trained; empty where nothing was"]
    settings: Annotated[tuple[str, ...], "key=value pairs on top of it"]

    @property
    def file(self) -> PurePosixPath:
        """Where it lies among the results of experiments."""
        return PurePosixPath(self.experiment, self.data, f"{self.arm}-s{self.seed}.json")


def write_record(results: Path, record: Record) -> Path:
    """Write a record, at once or not at all; a key a line, so that a change of it reads well.

    Args:
        results: the folder that holds all records; this one's place there is its `file`.
        record: what to write.

    Raises:
        InputError: the record contradicts itself.
    """
    path, row = results / record.file, asdict(record)
    _parse(json.loads(json.dumps(row)), path)
    lines = ",\n".join(f' "{key}": {json.dumps(value, allow_nan=False)}' for key, value in row.items())
    write_lines(path, ["{", lines, "}"])
    return path


def read_records(places: Iterable[Path]) -> list[Record]:
    """Read records from files and, at any depth, those called `NAMED` from folders; sorted by path.

    Raises:
        InputError: a place is missing or holds no record, two files tell of the same run, or a record can't be used.
    """
    seen: dict[tuple[PurePosixPath, str], Path] = {}
    records = []
    for path in sorted({path.resolve(): path for place in places for path in _files(place)}.values()):
        record = read_record(path)
        other = seen.setdefault((record.file, record.split), path)
        if other != path:
            raise InputError(f"{path} and {other} tell of the same run ({record.arm}, seed {record.seed}); keep one")
        records.append(record)
    return records


def read_record(path: Path) -> Record:
    """Read and check one file; raises InputError that names it and the key."""
    try:
        row = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} can't be read as JSON ({error}); {_FIX}") from error
    return _parse(row, path)


def _files(place: Path) -> list[Path]:
    if not place.exists():
        raise InputError(f"{place} is missing: give records of `elva experiment`, or folders of them")
    found = [place] if place.is_file() else list(place.rglob(NAMED))
    if not found:
        raise InputError(f"{place} holds no ARM-sSEED.json: give records of `elva experiment`, or folders of them")
    return found


def _parse(row: Any, path: Path) -> Record:
    if not isinstance(row, dict):
        raise InputError(f"{path} is no record of a run; {_FIX}")
    try:
        record = build(Record, read_layer(Record, row, str(path)), Place(str(path), Record))
    except RecipeError as error:
        raise InputError(f"{error}; {_FIX}") from error
    if problem := next(_contradictions(record), None):
        raise InputError(f"{path}: {problem}; {_FIX}")
    return record


def _contradictions(record: Record) -> Iterator[str]:
    """Only the first one counts: each check relies on those before it."""
    ranks, lengths = record.ranks, _lengths(record.ranks)
    if not all(lengths.values()) or not lengths:
        yield "ranks holds no query"
    if set(record.mean) != set(MEASURES):
        yield f"mean has {', '.join(record.mean) or 'nothing'}; expected {', '.join(MEASURES)}"
    for key, cutoff in CUTOFFS.items():
        share = fmean(fmean(rank is not None and rank <= cutoff for rank in each) for each in ranks.values())
        if abs(share - record.mean[key]) > ROUNDING:
            yield f"mean.{key} is {record.mean[key]:.4f}, but the ranks give {share:.4f}"
    if record.clusters is not None and _lengths(record.clusters) != lengths:
        yield "clusters has other tasks or lengths than ranks"
    for kind, (named, total) in record.named.items():
        if named > total:
            yield f"named.{kind} is [{named}, {total}]; expected [named, all]"
    if len(record.curve) > POINTS:
        yield f"curve has {len(record.curve)} points, more than {POINTS}"
    if record.preparation_seconds > record.seconds:
        yield "preparation_seconds are part of seconds, and more than these"


def _lengths(by_task: Mapping[str, Sequence[Any]]) -> dict[str, int]:
    return {task: len(each) for task, each in by_task.items()}
