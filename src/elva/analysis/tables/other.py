"""Tables of tasks that no published table has: the built-in world, imports, other splits, global pools."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from elva.analysis.tables.evaluations import Measured
from elva.analysis.tables.naming import judged_as, recall, task_label
from elva.analysis.tables.published import rows_of
from elva.analysis.tables.table import Column, Line, Table, best_in_rows, known, mean_of, rates

FIRST = "hit@1"


def other_tables(benchmark: str, measured: Sequence[Measured]) -> Iterator[Table]:
    """Tables of a benchmark's tasks that no published table has.

    Yields:
        One of hit@1 where some tasks report another figure, and one of what the tasks report.
    """
    rows = rows_of(benchmark)
    every = sorted({task for each in measured for of, task in each.tasks if of == benchmark})
    found = {
        task: [row for each in measured if (row := each.row(benchmark, task))]
        for task in every
        if not any(row.is_of(task) for row in rows)
    }
    headlines = {task: str(held[0]["headline"]) for task, held in found.items()}
    firsts = dict.fromkeys((task for task, held in found.items() if any(FIRST in row for row in held)), FIRST)
    if any(headlines[task] != FIRST for task in firsts):
        yield _table(benchmark, FIRST, firsts, measured)
    if headlines:
        measures = set(headlines.values())
        title = measures.pop() if len(measures) == 1 else "headline figures"
        yield _table(benchmark, title, headlines, measured)


def _table(benchmark: str, title: str, asked: Mapping[str, str], measured: Sequence[Measured]) -> Table:
    """A measure per task, a column per model, and the level of chance where it is known."""
    figures = {each.name: [_percent(each.row(benchmark, task), asked[task]) for task in asked] for each in measured}
    columns = {name: values for name, values in figures.items() if known(values)}
    chances = [_chance(measured, benchmark, task, measure) for task, measure in asked.items()]
    every = [*columns.values(), *([chances] if known(chances) else [])]
    mixed = len(set(asked.values())) > 1
    labels = [
        f"{task_label(task)}, {recall(measure)}" if mixed else task_label(task) for task, measure in asked.items()
    ]
    lines = [Line(label, rates(cells)) for label, cells in zip(labels, zip(*every, strict=True), strict=True)]
    if len(asked) > 1:
        lines.append(Line(f"mean of {len(asked)} tasks", rates(list(map(mean_of, every))), strong=True))
    return Table(
        f"{benchmark}_other_{title}".replace("@", "_").replace(" ", "_"),
        f"{judged_as(benchmark, asked)}: {title}",
        "No published figures are of these pools." if "@" in benchmark else "Data that no published table has.",
        "task",
        (*map(Column, columns), *([Column("chance")] if known(chances) else [])),
        tuple(lines),
        best_in_rows([replace(each, cells=each.cells[: len(columns)]) for each in lines]),  # chance is no model
    )


def _chance(measured: Sequence[Measured], benchmark: str, task: str, measure: str) -> float | None:
    rows = [row for each in measured if (row := each.row(benchmark, task))]
    return _percent(rows[0].get("chance"), measure)


def _percent(row: Mapping[str, Any] | None, measure: str) -> float | None:
    return 100 * row[measure] if row and measure in row else None
