"""A table of a report, and its three forms: Markdown, LaTeX, and what the page's template shows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any, Literal

from elva.evaluation.table import markdown

Form = Literal["rate", "gain", "distance", "count", "p", "text"]
_FORMATS: Mapping[Form, str] = {
    "rate": ".1f",
    "gain": "+.1f",
    "distance": ".3f",
    "count": ",.0f",
    "p": ".3f",
    "text": "",
}
NONE = "-"


@dataclass(frozen=True, slots=True)
class Cell:
    """A figure.

    Attributes:
        value: rates and gains in percent; None shows a dash.
        form: how it is written.
        beside: what stands behind it, such as an interval.
    """

    value: float | None
    form: Form = "rate"
    beside: str = ""

    @property
    def text(self) -> str:
        """As people read it."""
        if self.value is None:
            return self.beside or NONE
        if self.form == "p" and self.value < 0.001:
            return "< 0.001"
        return f"{_steady(self.value):{_FORMATS[self.form]}} {self.beside}".rstrip()


@dataclass(frozen=True, slots=True)
class Column:
    """The head of a column, and whether its figures are published ones."""

    name: str
    published: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """A row.

    Attributes:
        label: at the left.
        cells: one per column.
        strong: it sums up the others.
    """

    label: str
    cells: tuple[Cell, ...]
    strong: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """What a report shows.

    Attributes:
        name: for files and labels.
        title: for people.
        note: how to read it.
        corner: above the labels.
        columns: heads.
        lines: rows.
        best: (row, column) of the figures to be marked.
        source: where the published figures are printed; empty where there are none.
    """

    name: str
    title: str
    note: str
    corner: str
    columns: tuple[Column, ...]
    lines: tuple[Line, ...]
    best: frozenset[tuple[int, int]] = frozenset()
    source: str = ""

    @property
    def groups(self) -> list[tuple[str, int]]:
        """What stands above the columns, and over how many: published and measured ones."""
        published = sum(each.published for each in self.columns)
        if not published:
            return []
        return [(name, n) for name, n in (("published", published), ("measured", len(self.columns) - published)) if n]

    def markdown(self) -> str:
        """As Markdown; published columns say so."""
        header = [self.corner, *(f"{each.name} (published)" if each.published else each.name for each in self.columns)]
        rows = [
            [
                _strong(line.label, line.strong),
                *(_strong(c.text, (i, j) in self.best) for j, c in enumerate(line.cells)),
            ]
            for i, line in enumerate(self.lines)
        ]
        source = f" Published figures: {self.source}." if self.source else ""
        return f"### {self.title}\n\n{self.note}{source}\n\n{markdown(header, rows)}"

    def to_row(self) -> dict[str, Any]:
        """As JSON: figures as numbers."""
        return {
            "name": self.name,
            "title": self.title,
            "source": self.source,
            "columns": [{"name": each.name, "published": each.published} for each in self.columns],
            "rows": [
                {
                    "name": line.label,
                    "figures": [None if cell.value is None else round(cell.value, 6) for cell in line.cells],
                }
                for line in self.lines
            ],
        }


def known(figures: Sequence[float | None]) -> bool:
    """Whether there is any."""
    return any(each is not None for each in figures)


def mean_of(figures: Sequence[float | None]) -> float | None:
    """Their mean; None where there are none, or any is missing."""
    there = [each for each in figures if each is not None]
    return fmean(there) if there and len(there) == len(figures) else None


def rates(figures: Sequence[float | None]) -> tuple[Cell, ...]:
    """Percentages as cells."""
    return tuple(map(Cell, figures))


def best_in_rows(lines: Sequence[Line]) -> frozenset[tuple[int, int]]:
    """The highest figures of each row with at least two."""
    return frozenset((i, j) for i, line in enumerate(lines) for j in _highest(line.cells))


def best_in_columns(lines: Sequence[Line]) -> frozenset[tuple[int, int]]:
    """The highest figures of each column with at least two."""
    columns = zip(*(line.cells for line in lines), strict=True)
    return frozenset((i, j) for j, cells in enumerate(columns) for i in _highest(cells))


def _highest(cells: Iterable[Cell]) -> list[int]:
    """Places of the highest figures as they are shown, where there are several to compare."""
    shown = {i: round(_steady(cell.value), 1) for i, cell in enumerate(cells) if cell.value is not None}
    return [i for i, value in shown.items() if len(shown) > 1 and value == max(shown.values())]


def _steady(value: float) -> float:
    """Without the last bits, which depend on the order of a sum: a mean of 90.65 is shown alike wherever it stands."""
    return round(value, 9)


def _strong(text: str, strong: bool) -> str:
    return f"**{text}**" if strong else text
