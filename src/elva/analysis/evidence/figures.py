"""The figures of a trial."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean

from elva.analysis.dots import Dot, DotRow, dot_chart
from elva.analysis.evidence.arms import Spread, Trial
from elva.analysis.evidence.judged import Judged, Row
from elva.analysis.evidence.paths import reward_paths
from elva.analysis.panels import Panel, Track, panel_grid
from elva.evaluation.table import percent

ROLE_COLOURS = {"baseline": 0, "candidate": 2, "control": 1, "reference": 3}
"""Numbers of the page's CSS colours."""

SHOWN = 5
"""How many arms the plots by kind show unless told: as many as there are glyphs."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A plot with what it shows and how to read it; `name` is for its file."""

    name: str
    title: str
    note: str
    svg: str


def figures(trial: Trial, judged: Judged, others: Sequence[Judged], chosen: Sequence[str]) -> list[Figure]:
    """Every figure that the records allow.

    Args:
        trial: the records.
        judged: its figures.
        others: all trials on the same data, this one too, for the plot over budgets, which the first has.
        chosen: the arms of the plots by kind; see `choose`.
    """
    rows = [judged.rows[name] for name in chosen]
    drawn = [_hits(judged), _pairs(judged, rows), _distances(judged, rows), _rewards(trial, judged)]
    drawn += [_budgets(others)] if judged is others[0] else []
    return [each for each in drawn if each.svg]


def choose(judged: Judged, wanted: Sequence[str] = ()) -> list[str]:
    """The arms for plots by kind: those wanted, or baseline, strongest control, default, and the best candidates."""
    if wanted:
        return [name for name in wanted if name in judged.rows]
    first = [name for name in (judged.baseline, judged.control, judged.default) if name]
    best = [name for name, row in judged.rows.items() if row.role == "candidate"]
    return list(dict.fromkeys([*first, *best, *judged.rows]))[:SHOWN]


def _hits(judged: Judged) -> Figure:
    ordered = sorted(judged.rows.values(), key=lambda row: -row.rates["hit@1"].mean)
    rows = [
        DotRow(
            row.name,
            [Dot(100 * row.rates["hit@1"].mean, ROLE_COLOURS[row.role], 0, f"{row.name}, {row.role}")],
            [100 * each for each in row.rates["hit@1"].by_seed],
            (100 * row.interval[0], 100 * row.interval[1]),
            percent(row.rates["hit@1"].mean),
            row.default,
        )
        for row in ordered
    ]
    roles = [(role, colour, 0) for role, colour in ROLE_COLOURS.items() if any(row.role == role for row in ordered)]
    lines = {}
    if judged.control:
        lines[f"strongest control, {judged.control}"] = 100 * judged.rows[judged.control].rates["hit@1"].mean
    note = "Dot: mean over seeds. Ticks: single seeds. Bar: 95 % interval over queries. Bold: the default. "
    note += f"Dotted: the strongest control, {judged.control}." if judged.control else ""
    return Figure("hits", "hit@1 by arm, %", note, dot_chart(rows, "hit@1 by arm", roles, lines))


def _pairs(judged: Judged, rows: Sequence[Row]) -> Figure:
    lines = [
        DotRow(kind, _dots(rows, lambda row, kind=kind: _percent(row.grains[kind].pair_accuracy), "%"))  # type: ignore[misc]
        for kind in judged.kinds
    ]
    lines.append(DotRow("minor kinds", _dots(rows, lambda row: _percent(row.minor), "%"), strong=True))
    chart = dot_chart(
        [each for each in lines if each.dots], "pair accuracy by kind of grain", _legend(rows), {"chance": 50.0}
    )
    note = "How often the right answer beats one that is off in just this grain. Dotted: chance, 50."
    return Figure("pairs", "Pair accuracy by kind of grain, %", note, chart)


def _distances(judged: Judged, rows: Sequence[Row]) -> Figure:
    lines = [
        DotRow(kind, _dots(rows, lambda row, kind=kind: row.grains[kind].ratio, "times a paraphrase"))  # type: ignore[misc]
        for kind in judged.kinds
    ]
    chart = dot_chart(
        [each for each in lines if each.dots],
        "masked distance over paraphrase distance by kind of grain",
        _legend(rows),
        {"as far as a paraphrase": 1.0},
    )
    note = (
        "How far the query moves without the grain, over how far other words for the same move it. Left of the dotted "
        "line, the model listens to words more than to the grain. Read it beside pair accuracy."
    )
    return Figure("distances", "Masked distance in paraphrases", note, chart)


def _dots(rows: Sequence[Row], value: Callable[[Row], float | None], unit: str) -> list[Dot]:
    return [
        Dot(found, _colour(i), i, f"{row.name}: {found:.1f} {unit}")
        for i, row in enumerate(rows)
        if (found := value(row)) is not None
    ]


def _percent(spread: Spread | None) -> float | None:
    return None if spread is None else 100 * spread.mean


def _rewards(trial: Trial, judged: Judged) -> Figure:
    paths = reward_paths(trial)
    panels = [
        Panel(
            name,
            [
                Track(each.points, ROLE_COLOURS[judged.rows[name].role], 0, f"{name}, seed {each.seed}")
                for each in drawn
            ],
            (0.0, fmean(each.points[0][1] for each in drawn)),
            judged.rows[name].default,
        )
        for name, drawn in paths.items()
    ]
    chart = panel_grid(
        panels,
        "reward against the positive's rank over training, by arm",
        ("reward above its start (each arm's own scale)", "rank of the positive, best on top"),
        columns=2,
        side=92,
        upside_down=True,
        own_x=True,
    )
    note = (
        "A path per seed, smoothed, from where the dotted lines cross to the dot. Up and right: the reward rises "
        "because ranking gets better. Tinted, down and right: the reward is gamed."
    )
    return Figure("rewards", "Does the reward buy rank?", note, chart)


def _budgets(trials: Sequence[Judged]) -> Figure:
    points: dict[str, list[tuple[float, float]]] = {}
    roles: dict[str, str] = {}
    for judged in trials:
        for name, row in judged.rows.items():
            if row.role in ("candidate", "control"):
                points.setdefault(name, []).append((row.seconds.mean, 100 * row.rates["hit@1"].mean))
                roles[name] = row.role
    several = {name: sorted(each) for name, each in points.items() if len(each) > 1}
    tracks = [
        Track(each, _colour(i + 2), i, f"{name}, {roles[name]}", dots=True)
        for i, (name, each) in enumerate(several.items())
    ]
    legend = [(name, _colour(i + 2), i) for i, name in enumerate(several)]
    chart = panel_grid(
        [Panel("", tracks)] if tracks else [],
        "hit@1 against seconds of training",
        ("seconds of training", "hit@1, %"),
        columns=1,
        side=170,
        legend=legend,
    )
    return Figure("budgets", "What more seconds buy", "Arms that were run with several budgets.", chart)


def _legend(rows: Sequence[Row]) -> list[tuple[str, int, int]]:
    return [(row.name, _colour(i), i) for i, row in enumerate(rows)]


def _colour(number: int) -> int:
    return number % 8
