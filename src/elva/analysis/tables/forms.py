"""Tables with a row per form of training and a column per benchmark: ablations, and stage 3 on other retrievers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from elva.analysis.tables.by_task import complete_mean, partial, source, tasks_of
from elva.analysis.tables.evaluations import Measured
from elva.analysis.tables.naming import NAMES
from elva.analysis.tables.paired import difference, shared
from elva.analysis.tables.published import Form, Forms, library
from elva.analysis.tables.table import Cell, Column, Line, Table, best_in_columns

WHOLE = "whole"
"""Key of the ablation that leaves nothing out, which the others are compared with."""


@dataclass(frozen=True, slots=True)
class _Mean:
    """The mean of a benchmark's headline figures over the tasks that all measured forms share.

    Attributes:
        benchmark: which.
        title: above its column.
        figures: name of a form -> mean, in percent.
        tasks: those tasks.
        other: they are not those of the published table.
    """

    benchmark: str
    title: str
    figures: Mapping[str, float]
    tasks: Sequence[str]
    other: bool


_Row = tuple[Form | None, Measured | None]
"""A form that is published, one that is measured, or both."""
_Head = tuple[Column, Sequence[Cell]]
"""A column with its cells, from top to bottom."""


def forms_table(name: str, measured: Sequence[Measured]) -> Table | None:
    """A published table of forms with the measured ones, those of the same key in the same row; None without any."""
    if not measured:
        return None
    forms = library().forms[name]
    rows = _rows(forms, measured)
    means = [mean for benchmark in forms.benchmarks if (mean := _mean(benchmark, measured)).figures]
    heads = [
        *(head for at, benchmark in enumerate(forms.benchmarks) for head in _published(rows, at, NAMES[benchmark])),
        *(head for mean in means for head in _measured(rows, mean)),
    ]
    columns, cells = zip(*heads, strict=True)
    lines = [
        Line(form.name if form else each.name if each else "", row)
        for (form, each), row in zip(rows, zip(*cells, strict=True), strict=True)
    ]
    notes = [forms.about, *(note for mean in means for note in _notes(mean, measured))]
    best = frozenset((i, j) for i, j in best_in_columns(lines) if lines[i].cells[j].form == "rate")
    return Table(name, forms.title, " ".join(notes), "form", columns, tuple(lines), best, source(forms.source))


def _notes(mean: _Mean, measured: Sequence[Measured]) -> list[str]:
    """What keeps the measured means from being compared with the published ones."""
    if mean.other:
        return [f"Measured on other data: {', '.join(mean.tasks)}."]
    return partial(library().tables[mean.benchmark], measured)


def _published(rows: Sequence[_Row], at: int, benchmark: str) -> Iterator[_Head]:
    """What is published of a benchmark, and each form less the whole where there is a whole."""
    values = [form.figures[at] if form else None for form, _ in rows]
    yield Column(f"{benchmark} average", True), [Cell(value) for value in values]
    whole = next((form.figures[at] for form, _ in rows if form and form.key == WHOLE), None)
    if whole is not None:
        less = [None if value is None or value == whole else value - whole for value in values]
        yield Column("less whole", True), [Cell(value, "gain") for value in less]


def _measured(rows: Sequence[_Row], mean: _Mean) -> Iterator[_Head]:
    """The same of what was measured, the differences paired by query."""
    yield Column(mean.title), [Cell(mean.figures.get(each.name) if each else None) for _, each in rows]
    whole = next((each for _, each in rows if each and each.name == WHOLE and WHOLE in mean.figures), None)
    if whole:
        others = [each if each and each is not whole and each.name in mean.figures else None for _, each in rows]
        yield (
            Column("less whole (95 % interval)"),
            [_against(each, whole, mean) if each else Cell(None, "gain") for each in others],
        )


def _rows(forms: Forms, measured: Sequence[Measured]) -> list[_Row]:
    """Published forms, each with what is measured under its key, then what is measured alone."""
    by_name = {each.name: each for each in measured}
    rows: list[_Row] = [(form, by_name.get(form.key or "")) for form in forms.rows]
    keys = {form.key for form in forms.rows}
    return rows + [(None, each) for each in measured if each.name not in keys]


def _mean(benchmark: str, measured: Sequence[Measured]) -> _Mean:
    judged = [each for each in measured if any(of == benchmark for of, _ in each.tasks)]
    tasks = shared(judged, benchmark) if judged else []
    complete = {each.name: value for each in judged if (value := complete_mean(each, benchmark)) is not None}
    if judged and len(complete) == len(judged):
        rows = library().tables[benchmark].rows
        published = [task for row in rows for task in tasks_of(judged[0], benchmark, row)]
        return _Mean(benchmark, f"{NAMES[benchmark]} average", complete, published, False)
    held = {each.name: [row for task in tasks if (row := each.row(benchmark, task))] for each in judged}
    figures = {name: 100 * fmean(row[row["headline"]] for row in each) for name, each in held.items() if each}
    return _Mean(benchmark, f"mean of {len(tasks)} task{'s' * (len(tasks) != 1)}", figures, tasks, True)


def _against(each: Measured, whole: Measured, mean: _Mean) -> Cell:
    found = difference(each, whole, mean.benchmark, mean.tasks)
    return Cell(100 * found.difference, "gain", f"({100 * found.low:+.1f} to {100 * found.high:+.1f})")
