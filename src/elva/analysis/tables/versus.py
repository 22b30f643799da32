"""Whether models differ by more than luck of the queries: tables of paired comparisons."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from elva.analysis.tables.naming import judged_as, task_label
from elva.analysis.tables.paired import HEADLINE, Paired, Side
from elva.analysis.tables.table import Cell, Column, Line, Table
from elva.evaluation.significance import holm

_COLUMNS = ("difference", "95 % interval", "p (Holm)", "queries")
_NOTE = (
    "Paired by query. Differences in points; the interval is a bootstrap over queries, p that of a randomisation test "
    "that flips signs, after Holm's correction over {over}. Neither knows of the luck of a training seed, and "
    "published figures can't be compared so: their queries are not known one by one."
)


def comparison_table(one: str, other: str, paired: Paired) -> Table:
    """Two models, task by task."""
    lines = [Line(task_label(task), _cells(side)) for task, side in paired.tasks.items()]
    if len(lines) > 1:
        lines.append(Line(f"mean of {len(lines)} tasks", _cells(paired.whole), strong=True))
    note = _NOTE.format(over=f"the {len(paired.tasks)} tasks; that of the mean is not corrected")
    if paired.alone:
        note += f" Judged on by only one of them, and left out: {', '.join(paired.alone)}."
    return Table(
        f"compare_{paired.benchmark}",
        f"{one} less {other}: {judged_as(paired.benchmark, paired.tasks)}, {paired.measure}",
        note,
        "task",
        tuple(Column(each) for each in (one, other, *_COLUMNS)),
        tuple(lines),
    )


def against_table(name: str, title: str, other: str, found: Mapping[str, Paired]) -> Table:
    """Several models against one, on the tasks that each shares with it.

    Args:
        name: of the table.
        title: what they were judged on.
        other: name of the one.
        found: name -> comparison, of one benchmark.
    """
    corrected = holm([each.whole.found.p for each in found.values()])
    lines = []
    for (model, each), p in zip(found.items(), corrected, strict=True):
        side = replace(each.whole, p_holm=p)
        lines.append(Line(model, (*_cells(side), Cell(len(each.tasks), "count"))))
    return Table(
        name,
        f"Compared with {other}: {title}",
        "The mean over tasks of each task's headline figure. " + _NOTE.format(over=_models(len(found))),
        "model",
        tuple(Column(each) for each in ("its figure", other, *_COLUMNS, "tasks")),
        tuple(lines),
    )


def _models(count: int) -> str:
    return f"the {count} models" if count > 1 else "one model, which changes nothing"


def _cells(side: Side) -> tuple[Cell, ...]:
    found = side.found
    return (
        Cell(100 * side.one),
        Cell(100 * side.other),
        Cell(100 * found.difference, "gain"),
        Cell(None, "text", f"{100 * found.low:+.1f} to {100 * found.high:+.1f}"),
        Cell(side.p_holm, "p"),
        Cell(found.queries, "count"),
    )


def verdict(name: str, other: str, data: str, paired: Paired) -> str:
    """A comparison as a sentence: clear where the interval leaves out 0 and p is below 0.05."""
    found = paired.whole.found
    clear = found.p < 0.05 and found.low * found.high > 0
    word = ("better" if found.difference > 0 else "worse") if clear else "no clear difference"
    measure = "each task's headline figure" if paired.measure == HEADLINE else paired.measure
    return (
        f"{name} against {other}, {data}: {100 * found.difference:+.1f} points of {measure} "
        f"({100 * found.low:+.1f} to {100 * found.high:+.1f}) over {found.queries:,} queries: {word}."
    )
