"""A trial judged: every figure that tables, plots and summary.json show."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any

from elva.analysis.evidence.arms import Arm, Spread, Trial
from elva.analysis.records import Record
from elva.evaluation.metrics import MEASURES
from elva.evaluation.significance import Comparison, bootstrap_interval, compare, hits, holm

AGREEING = 0.8
"""Share of the seeds that have to point the same way before a difference is called clear."""


@dataclass(frozen=True, slots=True)
class Against:
    """An arm compared with another one.

    Attributes:
        other: the other arm.
        seeds: the seeds that both have; only these are compared.
        found: the difference, its interval, its p and its effect size.
        p_holm: p corrected for all comparisons with `other` in this trial.
    """

    other: str
    seeds: tuple[int, ...]
    found: Comparison
    p_holm: float

    @property
    def clear(self) -> bool:
        """Whether the corrected p is below 5 % and four of five seeds, two at the least, point the same way."""
        return self.p_holm < 0.05 and self.found.same_sign >= max(2, AGREEING * len(self.seeds))


@dataclass(frozen=True, slots=True)
class Grain:
    """What an arm makes of one kind of grain; distances are means over seeds.

    Attributes:
        pair_accuracy: how often the positive is nearer than a candidate that is off in this grain; chance is 1/2.
        distance: cosine distance of a query to itself without this grain.
        ratio: mean over seeds of that distance over the paraphrase distance.
    """

    pair_accuracy: Spread | None
    distance: float | None
    ratio: float | None


@dataclass(frozen=True, slots=True)
class Row:
    """One arm in figures; see `Record` for their units.

    Attributes:
        interval: 95 % bootstrap interval of hit@1 averaged over seeds: the luck of the queries.
        minor: mean pair accuracy of the kinds that aren't dominant.
        named: kind -> share of the grains that the summaries name, over all seeds.
        against_control: the comparison with the strongest control; None for itself, or without seeds in common.
        against_baseline: the same with the baseline.
    """

    name: str
    role: str
    default: bool
    seeds: tuple[int, ...]
    rates: Mapping[str, Spread]
    interval: tuple[float, float]
    updates: float
    seconds: Spread
    preparation_seconds: float
    missing_ret: Spread | None
    grains: Mapping[str, Grain]
    minor: Spread | None
    paraphrase: float | None
    named: Mapping[str, float]
    against_control: Against | None
    against_baseline: Against | None
    recipe: str
    settings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Judged:
    """A trial in figures.

    Attributes:
        rows: by arm, in the order of the tables.
        kinds: of grains, dominant ones first.
        minor: the kinds that aren't dominant; none where nobody says which are.
        baseline: name of that arm, if there is one; so `control` (the strongest one) and `default`.
        queries: task -> how many.
        clusters: how many pieces of evidence the queries are; None where each stands for itself.
    """

    experiment: str
    data: str
    split: str
    rows: Mapping[str, Row]
    kinds: tuple[str, ...]
    minor: tuple[str, ...]
    baseline: str | None
    control: str | None
    default: str | None
    queries: Mapping[str, int]
    clusters: int | None

    def to_row(self) -> dict[str, Any]:
        """A JSON object, with the measures that a comparison derives."""
        row = asdict(self)
        for name, each in self.rows.items():
            for key in ("against_control", "against_baseline"):
                if against := getattr(each, key):
                    found = against.found
                    derived = {"same_sign": found.same_sign, "seed_spread": found.seed_spread}
                    derived |= {"seed_interval": found.seed_interval, "clear": against.clear}
                    row["rows"][name][key] |= derived
        return row


def judge(trial: Trial, dominant: Sequence[str] = ()) -> Judged:
    """Measure a trial; `dominant` kinds of grains, those that it has, take the place of what the records say."""
    arms, control, baseline = trial.arms, trial.control, trial.baseline
    held = sorted({kind for arm in arms.values() for run in arm.runs for kind in run.grains})
    named = [kind for kind in dominant if kind in held] or trial.dominant
    kinds = (*(kind for kind in held if kind in named), *(kind for kind in held if kind not in named))
    minor = tuple(kind for kind in kinds if kind not in named) if named else ()
    to_control, to_baseline = (_family(trial, other) for other in (control, baseline))
    rows = {
        name: _row(arm, trial, kinds, minor, to_control.get(name), to_baseline.get(name)) for name, arm in arms.items()
    }
    return Judged(
        trial.experiment,
        trial.data,
        trial.split,
        rows,
        kinds,
        minor,
        _name(baseline),
        _name(control),
        _name(trial.default),
        trial.queries,
        None if trial.clusters is None else len({each for task in trial.clusters.values() for each in task}),
    )


def _name(arm: Arm | None) -> str | None:
    return arm.name if arm else None


def _family(trial: Trial, other: Arm | None) -> dict[str, Against]:
    """Every other arm compared with one: the family that Holm corrects for."""
    if other is None:
        return {}
    shared = {
        name: tuple(seed for seed in arm.seeds if seed in other.seeds)
        for name, arm in trial.arms.items()
        if name != other.name
    }
    found = {
        name: compare(trial.arms[name].ranks(seeds), other.ranks(seeds), trial.clusters)
        for name, seeds in shared.items()
        if seeds
    }
    corrected = holm([each.p for each in found.values()])
    return {
        name: Against(other.name, shared[name], each, p)
        for (name, each), p in zip(found.items(), corrected, strict=True)
    }


def _row(
    arm: Arm,
    trial: Trial,
    kinds: Sequence[str],
    minor: Sequence[str],
    against_control: Against | None,
    against_baseline: Against | None,
) -> Row:
    runs = arm.runs
    return Row(
        arm.name,
        arm.role,
        arm.default,
        arm.seeds,
        {key: _spread(runs, lambda run, key=key: run.mean[key]) for key in MEASURES},  # type: ignore[misc]
        bootstrap_interval(hits(arm.ranks(arm.seeds)), trial.clusters),
        fmean(run.updates for run in runs),
        _spread(runs, lambda run: run.seconds),
        fmean(run.preparation_seconds for run in runs),
        Spread.of(run.missing_ret for run in runs),
        {kind: _grain(runs, kind) for kind in kinds},
        Spread.of(_minor(run, minor) for run in runs),
        _mean([run.paraphrase_distance for run in runs]),
        _named(runs),
        against_control,
        against_baseline,
        runs[0].recipe,
        runs[0].settings,
    )


def _spread(runs: Sequence[Record], value: Callable[[Record], float]) -> Spread:
    spread = Spread.of(value(run) for run in runs)
    assert spread is not None  # an arm has a run
    return spread


def _grain(runs: Sequence[Record], kind: str) -> Grain:
    rows = [run.grains[kind] for run in runs if kind in run.grains]
    return Grain(
        Spread.of(each.pair_accuracy for each in rows),
        _mean([each.grain_distance for each in rows]),
        _mean([each.ratio for each in rows]),
    )


def _minor(run: Record, minor: Sequence[str]) -> float | None:
    return _mean([run.grains[kind].pair_accuracy for kind in minor if kind in run.grains])


def _mean(values: Sequence[float | None]) -> float | None:
    known = [each for each in values if each is not None]
    return fmean(known) if known else None


def _named(runs: Sequence[Record]) -> dict[str, float]:
    """Kind -> share of its grains that the summaries of all seeds name."""
    shares = {}
    for kind in sorted({kind for run in runs for kind in run.named}):
        held = [run.named[kind] for run in runs if kind in run.named]
        if total := sum(every for _, every in held):
            shares[kind] = sum(named for named, _ in held) / total
    return shares
