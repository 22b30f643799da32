"""Tables of how well models tell each kind of grain."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from elva.analysis.examples import Evaluated
from elva.analysis.tables.by_task import source
from elva.analysis.tables.evaluations import Measured, benchmark
from elva.analysis.tables.naming import judged_as
from elva.analysis.tables.published import library
from elva.analysis.tables.table import Cell, Column, Line, Table, best_in_rows


def grain_tables(of: str, measured: Sequence[Measured]) -> list[Table]:
    """Recall by number and kind of grains, pair accuracy and masked distance; none where no grains are known.

    The last two are the same whatever pool is ranked: of global pools there is recall alone.
    """
    name, _, scope = of.partition("@")
    held = [(each.name, found.results) for each in measured if (found := _with_grains(each, name, scope))]
    if not held:
        return []
    data = judged_as(of, dict.fromkeys(task for _, results in held for task in results["tasks"]))
    kinds = list(dict.fromkeys(kind for _, results in held for kind in results["grains"]))
    pools = [(each, results["pools"][scope] if scope else results) for each, results in held]
    made = (
        _recalls(of, data, pools, "by_number_of_grains", "number of grains"),
        _recalls(of, data, pools, "by_kind_of_grain", "kind of grain"),
        None if scope else _pairs(of, data, held, kinds),
        None if scope else _distances(of, data, held, kinds),
    )
    return [table for table in made if table]


Held = Sequence[tuple[str, Any]]
"""Names with their results.json."""


def _with_grains(measured: Measured, name: str, scope: str) -> Evaluated | None:
    """The first evaluation of a benchmark, and of a scope of pools where one is named, that knows of grains."""
    return next(
        (
            each
            for each in measured.evaluations
            if benchmark(each) == name
            and each.results.get("grains")
            and (not scope or scope in each.results.get("pools", {}))
        ),
        None,
    )


def _recalls(of: str, data: str, held: Held, key: str, what: str) -> Table | None:
    """hit@5 over the queries with so many grains, or with a grain of a kind."""
    groups = list(dict.fromkeys(group for _, results in held for group in results.get(key) or {}))
    if not groups:
        return None
    lines = [
        Line(group, tuple(_rate((results.get(key) or {}).get(group, {}).get("hit@5")) for _, results in held))
        for group in groups
    ]
    return Table(
        f"{key}_{of}".replace("@", "_"),
        f"By {what}: {data}, hit@5",
        "Over the queries of all tasks" + ("; one with several kinds counts under each." if "kind" in key else "."),
        what,
        tuple(Column(name) for name, _ in held),
        tuple(lines),
        best_in_rows(lines),
    )


def _pairs(of: str, data: str, held: Held, kinds: Sequence[str]) -> Table | None:
    shown = [kind for kind in kinds if any(_figure(results, kind, "pair_accuracy") is not None for _, results in held)]
    if not shown:
        return None
    lines = [Line(kind, tuple(_rate(_figure(results, kind, "pair_accuracy")) for _, results in held)) for kind in shown]
    return Table(
        f"pairs_{of}",
        f"Pair accuracy by kind of grain: {data}",
        "How often the right answer is nearer to the query than one that is off in just this grain; chance is 50.",
        "kind",
        tuple(Column(name) for name, _ in held),
        tuple(lines),
        best_in_rows(lines),
    )


def _distances(of: str, data: str, held: Held, kinds: Sequence[str]) -> Table | None:
    shown = [kind for kind in kinds if any(_figure(results, kind, "grain_distance") is not None for _, results in held)]
    if not shown:
        return None
    theirs = library().masked_distance
    none = [Cell(None)] * len(theirs.columns)
    lines = [
        Line(kind, (*none, *(_distance(_figure(results, kind, "grain_distance")) for _, results in held)))
        for kind in shown
    ]
    means = (*(_distance(each) for each in theirs.figures), *(_distance(_mean(results)) for _, results in held))
    lines.append(Line("mean over grains left out", means, strong=True))
    paraphrases = (*none, *(_distance(results.get("paraphrase_distance")) for _, results in held))
    lines.append(Line("for comparison: a paraphrase", paraphrases, strong=True))
    note = (
        "Cosine distance between a query and itself without one grain. A large one is no success by itself: read it "
        f"against that of a paraphrase, which changes no grain, and with the pair accuracy. Published: {theirs.about}"
    )
    return Table(
        f"distances_{of}",
        f"Masked distance by kind of grain: {data}",
        note,
        "kind",
        (*(Column(each, True) for each in theirs.columns), *(Column(name) for name, _ in held)),
        tuple(lines),
        source=source(theirs.source),
    )


def _figure(results: Any, kind: str, key: str) -> float | None:
    value: float | None = results["grains"].get(kind, {}).get(key)
    return value


def _mean(results: Any) -> float | None:
    """Over all grains that were left out, whatever their kind."""
    rows = [each for each in results["grains"].values() if each["grain_distance"] is not None]
    count = sum(each["masked"] for each in rows)
    return sum(each["grain_distance"] * each["masked"] for each in rows) / count if count else None


def _rate(value: float | None) -> Cell:
    return Cell(None if value is None else 100 * value)


def _distance(value: float | None) -> Cell:
    return Cell(value, "distance")
