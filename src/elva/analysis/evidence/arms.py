"""Records as arms (one form of training, several seeds) of a trial (one experiment on one data set)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from elva.analysis.records import ROLES, Ranks, Record
from elva.errors import InputError


@dataclass(frozen=True, slots=True)
class Spread:
    """A figure over seeds.

    Attributes:
        mean: over seeds.
        sd: sample standard deviation over seeds, the luck of training and not that of queries; None with one seed.
        by_seed: one value per seed, in the order of the seeds.
    """

    mean: float
    sd: float | None
    by_seed: tuple[float, ...]

    @classmethod
    def of(cls, values: Iterable[float | None]) -> Spread | None:
        """From the values that there are; None where there are none."""
        known = tuple(each for each in values if each is not None)
        return cls(fmean(known), stdev(known) if len(known) > 1 else None, known) if known else None


@dataclass(frozen=True, slots=True)
class Arm:
    """The runs of one form of training, in the order of their seeds."""

    name: str
    role: str
    default: bool
    runs: tuple[Record, ...]

    @property
    def seeds(self) -> tuple[int, ...]:
        """The training seeds that were run."""
        return tuple(each.seed for each in self.runs)

    @property
    def hit(self) -> float:
        """Mean hit@1 over seeds."""
        return fmean(each.mean["hit@1"] for each in self.runs)

    def ranks(self, seeds: Sequence[int]) -> list[Ranks]:
        """The ranks of these seeds' runs, in this order."""
        by_seed = {each.seed: each.ranks for each in self.runs}
        return [by_seed[seed] for seed in seeds]


@dataclass(frozen=True, slots=True)
class Trial:
    """All arms of one experiment on one data set, baseline first and best first within a role.

    Attributes:
        experiment: its name.
        data: the data set's.
        split: of the data.
        arms: by name.
        clusters: which queries belong together.
        dominant: the kinds of grains that mostly suffice.
    """

    experiment: str
    data: str
    split: str
    arms: Mapping[str, Arm]
    clusters: Mapping[str, Sequence[int]] | None
    dominant: tuple[str, ...]

    @property
    def baseline(self) -> Arm | None:
        """What all arms start from."""
        return next((each for each in self.arms.values() if each.role == "baseline"), None)

    @property
    def control(self) -> Arm | None:
        """The strongest control: that with the highest mean hit@1."""
        return max(
            (each for each in self.arms.values() if each.role == "control"), key=lambda arm: arm.hit, default=None
        )

    @property
    def default(self) -> Arm | None:
        """The form that users get."""
        return next((each for each in self.arms.values() if each.default), None)

    @property
    def queries(self) -> dict[str, int]:
        """How many queries each task has."""
        first = next(iter(self.arms.values())).runs[0]
        return {task: len(each) for task, each in first.ranks.items()}


def trials(records: Sequence[Record]) -> list[Trial]:
    """Sort records into trials, by experiment and data.

    Raises:
        InputError: the runs of an arm disagree on what it is, a trial's runs were judged on different queries, or it
            has several baselines or defaults.
    """
    places: dict[tuple[str, str, str], list[Record]] = {}
    for each in records:
        places.setdefault((each.experiment, each.data, each.split), []).append(each)
    return [_trial(*place, held) for place, held in sorted(places.items())]


def _trial(experiment: str, data: str, split: str, records: Sequence[Record]) -> Trial:
    first = records[0]
    for key in ("clusters", "dominant"):
        for each in records:
            if getattr(each, key) != getattr(first, key):
                raise InputError(f"{each.file} and {first.file} differ in {key}: judge all runs on the same data")
    for each in records:
        if {task: len(ranks) for task, ranks in each.ranks.items()} != {t: len(r) for t, r in first.ranks.items()}:
            raise InputError(f"{each.file} and {first.file} were judged on different queries: judge them anew")
    by_name: dict[str, list[Record]] = {}
    for each in records:
        by_name.setdefault(each.arm, []).append(each)
    arms = sorted((_arm(held) for held in by_name.values()), key=lambda arm: (ROLES.index(arm.role), -arm.hit))
    for wanted, found in (
        ("baseline", [each.name for each in arms if each.role == "baseline"]),
        ("default", [each.name for each in arms if each.default]),
    ):
        if len(found) > 1:
            raise InputError(f"{experiment} on {data} has several arms called {wanted}: {', '.join(found)}; keep one")
    return Trial(experiment, data, split, {each.name: each for each in arms}, first.clusters, first.dominant)


def _arm(records: Sequence[Record]) -> Arm:
    first, *others = sorted(records, key=lambda each: each.seed)
    for each in others:
        for key in ("role", "default"):
            if getattr(each, key) != getattr(first, key):
                raise InputError(f"{each.file} and {first.file} are one arm, but differ in {key}: correct one of them")
    return Arm(first.arm, first.role, first.default, (first, *others))
