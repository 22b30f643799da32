"""The raw record of one run: what an experiment keeps of it, and all that a report is made of.

docs/formats.md describes the file. A record is checked when it is read: what is missing, of the wrong kind, or at odds
with its own ranks is told with file and field.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from elva.errors import DataError, InputError

SCHEMA = 1
ROLES = ("baseline", "candidate", "control", "reference")
"""What an arm is for, in the order of the tables."""

RATES = ("hit@1", "hit@5", "hit@10", "mrr")
ROUNDING = 1e-3
"""How far a rate may lie from what the ranks say, since records may be rounded."""

_FIX = "write the record again with `elva experiment`"
_GRAIN_KEYS = ("pair_accuracy", "grain_distance", "ratio")

Ranks = Mapping[str, Sequence[int | None]]


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One training run and its judgement.

    Attributes:
        path: the file it was read from.
        experiment: which question the run belongs to.
        data: which data it was judged on.
        split: val or test.
        arm: the form of training; with `seed` it names the run.
        role: one of `ROLES`.
        default: whether users get this form unless they choose.
        seed: of the training.
        updates: optimiser steps.
        seconds: of training, its preparation included.
        preparation_seconds: the part of `seconds` before the first update.
        seconds_per_update: as measured before the runs, if it was.
        budget_seconds: what the run was given, if it was given seconds.
        ranks: task -> rank of the best positive per query, in ascending order of qid; None where the pool holds none.
        clusters: task -> which queries belong together, as numbers that mean the same in all tasks.
        mean: hit@1, hit@5, hit@10 and mrr, between 0 and 1, plain means over tasks.
        grains: kind -> pair_accuracy, pairs, grain_distance, masked, ratio, as `GrainTally.to_row` has them.
        paraphrase_distance: how far the queries move when nothing but the words changes.
        missing_ret: share of summaries whose [RET] was forced.
        named: kind -> (grains that the summaries name, all grains).
        curve: points of the training with step, seconds and metrics.
        recipe: its name.
        settings: what was changed of it.
        start: which checkpoint the run began from, if the record says.
        dominant: kinds of grains that mostly suffice on this data, if the record says.
    """

    path: Path
    experiment: str
    data: str
    split: str
    arm: str
    role: str
    default: bool
    seed: int
    updates: int
    seconds: float
    preparation_seconds: float
    seconds_per_update: float | None
    budget_seconds: float | None
    ranks: Ranks
    clusters: Mapping[str, Sequence[int]] | None
    mean: Mapping[str, float]
    grains: Mapping[str, Mapping[str, float | None]]
    paraphrase_distance: float | None
    missing_ret: float | None
    named: Mapping[str, tuple[int, int]]
    curve: Sequence[Mapping[str, Any]]
    recipe: str
    settings: tuple[str, ...]
    start: str | None = None
    dominant: tuple[str, ...] | None = None


def read_records(places: Iterable[Path]) -> list[RunRecord]:
    """Read records from files and, at any depth, from folders; sorted by path.

    Raises:
        InputError: a place is missing or holds no record, or two files tell of the same run.
        DataError: the first field of a record that can't be used.
    """
    paths = sorted({path.resolve(): path for place in places for path in _files(place)}.values())
    records = [read_record(path) for path in paths]
    seen: dict[tuple[str | int, ...], Path] = {}
    for each in records:
        run = (each.experiment, each.data, each.split, each.arm, each.seed)
        if run in seen:
            raise InputError(f"{each.path} and {seen[run]} tell of the same run ({each.arm}, seed {each.seed})")
        seen[run] = each.path
    return records


def read_record(path: Path) -> RunRecord:
    """Read and check one file; raises DataError that names it and the field."""
    try:
        row = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(path, None, None, f"can't be read as JSON ({error})", _FIX) from error
    fields = _Fields(path, row)
    if fields.whole("schema") != SCHEMA:
        raise fields.bad("schema", f"is {row['schema']}, this reads {SCHEMA}")
    if (role := fields.text("role")) not in ROLES:
        raise fields.bad("role", f"is {role!r}, none of {', '.join(ROLES)}")
    record = RunRecord(
        path=path,
        **{key: fields.text(key) for key in ("experiment", "data", "split", "arm", "recipe")},
        role=role,
        default=fields.take("default", bool, "true or false"),
        seed=fields.whole("seed"),
        updates=fields.whole("updates"),
        seconds=fields.number("seconds"),
        preparation_seconds=fields.number("preparation_seconds"),
        seconds_per_update=fields.optional("seconds_per_update"),
        budget_seconds=fields.optional("budget_seconds"),
        ranks=fields.ranks(),
        clusters=fields.clusters(),
        mean=fields.means(),
        grains=fields.grains(),
        paraphrase_distance=fields.optional("paraphrase_distance"),
        missing_ret=fields.optional("missing_ret"),
        named=fields.named(),
        curve=fields.curve(),
        settings=fields.words("settings"),
        start=fields.text("start") if row.get("start") is not None else None,
        dominant=fields.words("dominant") if row.get("dominant") is not None else None,
    )
    _check_rates(record, fields)
    return record


def _files(place: Path) -> list[Path]:
    if not place.exists():
        raise InputError(f"{place} is missing: give records of `elva experiment`, or folders of them")
    found = [place] if place.is_file() else sorted(place.rglob("*.json"))
    if not found:
        raise InputError(f"{place} holds no .json: give records of `elva experiment`, or folders of them")
    return found


def _check_rates(record: RunRecord, fields: _Fields) -> None:
    """Rates that the ranks do not bear out were not made from them."""
    for key, cutoff in (("hit@1", 1), ("hit@5", 5), ("hit@10", 10)):
        shares = [fmean(rank is not None and rank <= cutoff for rank in each) for each in record.ranks.values()]
        if abs(fmean(shares) - record.mean[key]) > ROUNDING:
            raise fields.bad(f"mean.{key}", f"is {record.mean[key]:.4f}, but the ranks give {fmean(shares):.4f}")


class _Fields:
    """Takes fields out of a row, each checked; errors name the file and the field."""

    def __init__(self, path: Path, row: Any) -> None:
        self._path = path
        if not isinstance(row, dict):
            raise self.bad(None, "is no JSON object")
        self._row: dict[str, Any] = row

    def bad(self, field: str | None, found: str) -> DataError:
        return DataError(self._path, None, field, found, _FIX)

    def take(self, field: str, kind: type | tuple[type, ...], wanted: str) -> Any:
        if field not in self._row:
            raise self.bad(field, f"is missing, {wanted} is needed")
        return self._checked(field, self._row[field], kind, wanted)

    def _checked(self, field: str, value: Any, kind: type | tuple[type, ...], wanted: str) -> Any:
        wrong_bool = isinstance(value, bool) and kind is not bool
        if not isinstance(value, kind) or wrong_bool or (isinstance(value, float) and not math.isfinite(value)):
            raise self.bad(field, f"is {value!r}, {wanted} is needed")
        return value

    def text(self, field: str) -> str:
        value: str = self.take(field, str, "text")
        return value

    def whole(self, field: str) -> int:
        value: int = self.take(field, int, "a whole number")
        return value

    def number(self, field: str) -> float:
        return float(self.take(field, (int, float), "a number"))

    def optional(self, field: str) -> float | None:
        value = self.take(field, (int, float, type(None)), "a number or null")
        return None if value is None else float(value)

    def words(self, field: str) -> tuple[str, ...]:
        given = self.take(field, list, "a list of texts")
        return tuple(self._checked(f"{field}[{i}]", each, str, "text") for i, each in enumerate(given))

    def ranks(self) -> Ranks:
        given = self._lists("ranks")
        for task, values in given.items():
            for i, rank in enumerate(values):
                self._checked(f"ranks.{task}[{i}]", rank, (int, type(None)), "a rank from 1, or null")
                if rank is not None and rank < 1:
                    raise self.bad(f"ranks.{task}[{i}]", f"is {rank}, a rank from 1, or null, is needed")
        if not given or not all(given.values()):
            raise self.bad("ranks", "holds no query")
        return given

    def clusters(self) -> Mapping[str, Sequence[int]] | None:
        if self._row.get("clusters") is None:
            return None
        given, ranks = self._lists("clusters"), self._row["ranks"]
        if {task: len(each) for task, each in given.items()} != {task: len(each) for task, each in ranks.items()}:
            raise self.bad("clusters", "has other tasks or lengths than ranks")
        for task, values in given.items():
            for i, each in enumerate(values):
                self._checked(f"clusters.{task}[{i}]", each, int, "a whole number")
        return given

    def means(self) -> Mapping[str, float]:
        given = self.take("mean", dict, "an object")
        for key in RATES:
            value = self._checked(f"mean.{key}", given.get(key), (int, float), "a rate from 0 to 1")
            if not 0 <= value <= 1:
                raise self.bad(f"mean.{key}", f"is {value}, a rate from 0 to 1 is needed")
        return {key: float(given[key]) for key in RATES}

    def grains(self) -> Mapping[str, Mapping[str, float | None]]:
        given = self._objects("grains")
        for kind, row in given.items():
            for key in _GRAIN_KEYS:
                self._checked(f"grains.{kind}.{key}", row.get(key), (int, float, type(None)), "a number or null")
        return given

    def named(self) -> Mapping[str, tuple[int, int]]:
        given = self._lists("named")
        for kind, pair in given.items():
            if len(pair) != 2 or not all(isinstance(each, int) for each in pair) or not 0 <= pair[0] <= pair[1]:
                raise self.bad(f"named.{kind}", f"is {pair!r}, [named, all] is needed")
        return {kind: (pair[0], pair[1]) for kind, pair in given.items()}

    def curve(self) -> Sequence[Mapping[str, Any]]:
        given = self.take("curve", list, "a list of points")
        points = [self._checked(f"curve[{i}]", each, dict, "an object with step") for i, each in enumerate(given)]
        for i, each in enumerate(points):
            self._checked(f"curve[{i}].step", each.get("step"), (int, float), "a number")
        return points

    def _lists(self, field: str) -> dict[str, list[Any]]:
        given: dict[str, Any] = self.take(field, dict, "an object of lists")
        return {key: self._checked(f"{field}.{key}", each, list, "a list") for key, each in given.items()}

    def _objects(self, field: str) -> dict[str, dict[str, Any]]:
        given: dict[str, Any] = self.take(field, dict, "an object of objects")
        return {key: self._checked(f"{field}.{key}", each, dict, "an object") for key, each in given.items()}
