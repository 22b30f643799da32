"""The published tables with a row per task and a column per model, and the measured models beside them."""

from __future__ import annotations

from collections.abc import Sequence

from elva.analysis.tables.evaluations import Measured
from elva.analysis.tables.naming import MIXED, few, recall
from elva.analysis.tables.published import Figures, Published, Row, library
from elva.analysis.tables.table import Column, Line, Table, best_in_rows, known, mean_of, rates
from elva.data.layout import TaskName
from elva.data.published_counts import published_counts


def published_table(name: str, measured: Sequence[Measured]) -> Table | None:
    """A published table with the measured models beside it; None where no model has a figure for any of its rows."""
    table = library().tables[name]
    ours = [[figure(each, table.benchmark, row) for row in table.rows] for each in measured]
    held = [(each, figures) for each, figures in zip(measured, ours, strict=True) if known(figures)]
    if not held:
        return None
    theirs = list(zip(*(row.figures for row in table.rows), strict=True))
    columns = [*theirs, *(tuple(figures) for _, figures in held)]
    mixed = table.benchmark in MIXED
    lines = [
        Line(f"{row.label}, {recall(row.measure)}" if mixed else row.label, rates(cells))
        for row, cells in zip(table.rows, zip(*columns, strict=True), strict=True)
    ]
    lines += _means(table, columns, len(theirs))
    notes = [table.about, *partial(table, [each for each, _ in held])]
    return Table(
        name,
        table.title,
        " ".join(notes),
        "task",
        (*(Column(each, True) for each in table.columns), *(Column(each.name) for each, _ in held)),
        tuple(lines),
        best_in_rows(lines),
        source(table.source),
    )


def source(key: str) -> str:
    """Where published figures are printed."""
    held = library().sources[key]
    return f"{held.name}, {held.where}"


def figure(measured: Measured, benchmark: str, row: Row) -> float | None:
    """What a model reached in a published row, in percent; None where it was not measured, or not all of its parts."""
    found = [
        held[row.measure]
        for task in tasks_of(measured, benchmark, row)
        if (held := row.held(measured.row(benchmark, task))) and row.measure in held
    ]
    mean = mean_of(found)
    return 100 * mean if mean is not None and len(found) == row.parts else None


def tasks_of(measured: Measured, benchmark: str, row: Row) -> list[str]:
    """The tasks of an evaluation that a published row is about."""
    return [task for of, task in measured.tasks if of == benchmark and row.is_of(task)]


def _means(table: Published, columns: Sequence[Figures], published: int) -> list[Line]:
    """The mean as printed, beside that of whoever has every row; then over the rows that all have, if some lack any."""
    if table.mean is None:
        return []
    lines = [Line("average", rates([*table.mean, *map(mean_of, columns[published:])]), strong=True)]
    shared = [i for i in range(len(table.rows)) if all(column[i] is not None for column in columns)]
    if 1 < len(shared) < len(table.rows):
        means = [mean_of([column[i] for i in shared]) for column in columns]
        lines.append(Line(f"mean of the {len(shared)} rows that all have", rates(means), strong=True))
    return lines


def partial(table: Published, measured: Sequence[Measured]) -> list[str]:
    """A sentence on figures that are not of the whole published data."""
    found = {
        row.label: f"{row.label}: {why}"
        for each in measured
        for row in table.rows
        if (why := _incomplete(each, table.benchmark, row))
    }
    if not found:
        return []
    shown = "; ".join(found.values()) if table.benchmark in MIXED else few(list(found.values()), "; ")
    return [f"Not comparable with the published figures, since the data are not all of theirs ({shown})."]


def _incomplete(measured: Measured, benchmark: str, row: Row) -> str:
    """Why a measured row's figures are not those of the published data; "" where nothing tells that."""
    tasks = tasks_of(measured, benchmark, row)
    results = [(task, measured.tasks[benchmark, task].results) for task in tasks]
    for task, each in results:
        held, missing = each["tasks"][task], each.get("missing") or {}
        counts = published_counts(TaskName.parse(task)) if benchmark == "mbeir" else None
        if missing.get("missing_images"):
            return (
                f"{missing['missing_images']:,} images missing, {missing.get('queries_left_out', 0):,} queries left out"
            )
        if counts and not counts.fit(held["queries"], held["pool"]):
            return f"{held['queries']:,} queries, pool {held['pool']:,}"
        if row.split and each["split"] != row.split:
            return f"{each['split']} here, {row.split} there"
    asked = sum(each["tasks"][task]["queries"] for task, each in results)
    return f"{asked:,} of {row.queries:,} queries" if row.queries and results and asked != row.queries else ""


def complete_mean(measured: Measured, name: str) -> float | None:
    """The mean over the rows of a published table, in percent, of a model that has them all."""
    table = library().tables[name]
    return mean_of([figure(measured, table.benchmark, row) for row in table.rows])
