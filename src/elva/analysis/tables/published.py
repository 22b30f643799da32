"""Figures that others have published, from published.yaml: in percent, as printed, each table with its source."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Annotated, Any

import yaml

from elva.data.layout import TASKS, TaskName
from elva.errors import RecipeError
from elva.strict import AT_LEAST_ONE, Place, build, read_layer

FILE = "published.yaml"
Figures = tuple[float | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where figures are printed."""

    name: Annotated[str, "in short"]
    title: Annotated[str, "of the work"]
    where: Annotated[str, "address"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What was measured, and what each column reached."""

    name: Annotated[str, "of the data set, for people"]
    dataset: Annotated[str, "as evaluations call it"]
    task: Annotated[int | None, "M-BEIR's id, where the benchmark has them"] = None
    parts: Annotated[int, "tasks of the data set, over which the figure is the mean", AT_LEAST_ONE] = 1
    queries: Annotated[int | None, "how many the whole data ask, all parts together", AT_LEAST_ONE] = None
    group: Annotated[str | None, "part of the task by what evaluations group it by, such as domain/work"] = None
    split: Annotated[str | None, "that the figures are of, where it can't be scored here"] = None
    measure: Annotated[str, "as evaluations call it"]
    figures: Annotated[Figures, "one per column, in percent; null where none is known"]

    @property
    def label(self) -> str:
        """The direction and the data set: t→i COCO."""
        return self.name if self.task is None else f"{direction(self.task)} {self.name}"

    def held(self, task: Mapping[str, Any] | None) -> Mapping[str, Any]:
        """The figures that are this row's, of what an evaluation says of its task; none where it has none."""
        if self.group is None or task is None:
            return task or {}
        group, _, value = self.group.partition("/")
        found: Mapping[str, Any] = task.get("groups", {}).get(group, {}).get(value, {})
        return found

    def is_of(self, task: str) -> bool:
        """Whether a task of an evaluation is this row's.

        By M-BEIR's name of a task and the split test where there is an id, else by the data set's name alone, with
        that of a part behind it.
        """
        if self.task is not None:
            return task == str(TaskName(self.dataset, self.task, "test"))
        return task == self.dataset or task.startswith(f"{self.dataset}_")


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """A table with a row per data set and task, and a column per model."""

    title: Annotated[str, "of the table"]
    about: Annotated[str, "what to know of it"]
    source: Annotated[str, "key of the source"]
    benchmark: Annotated[str, "that evaluations name"]
    columns: Annotated[tuple[str, ...], "models"]
    rows: Annotated[tuple[Row, ...], "by data set and task"]
    mean: Annotated[Figures | None, "as printed; null: none is"] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """One form of training: a row of a table of means."""

    name: Annotated[str, "for people"]
    key: Annotated[str | None, "what a measured row of the same form is called"] = None
    figures: Annotated[Figures, "one per benchmark, in percent"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Forms:
    """A table with a row per form of training, and a column per benchmark, of which it shows the mean."""

    title: Annotated[str, "of the table"]
    about: Annotated[str, "what to know of it"]
    source: Annotated[str, "key of the source"]
    benchmarks: Annotated[tuple[str, ...], "whose means are shown"]
    rows: Annotated[tuple[Form, ...], "by form"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Distances:
    """Mean masked distances."""

    about: Annotated[str, "how they were measured"]
    source: Annotated[str, "key of the source"]
    columns: Annotated[tuple[str, ...], "models"]
    figures: Annotated[tuple[float, ...], "cosine distances"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Library:
    """All of the file."""

    sources: Annotated[Mapping[str, Source], "by key"]
    tables: Annotated[Mapping[str, Published], "by name"]
    forms: Annotated[Mapping[str, Forms], "by name"]
    masked_distance: Annotated[Distances, "grains left out"]


def direction(task: int) -> str:
    """A task in short: t→i, (i,t)→t."""
    return "→".join(_short(modality) for modality in TASKS[task])


def _short(modality: str) -> str:
    letters = ",".join(word[0] for word in modality.split(","))
    return f"({letters})" if "," in letters else letters


@cache
def library() -> Library:
    """The packaged file, checked."""
    text = files(__package__).joinpath(FILE).read_text("utf-8")
    held = build(Library, read_layer(Library, yaml.safe_load(text), FILE), Place(FILE, Library))
    if problem := next(_problems(held), None):
        raise RecipeError(f"{FILE}: {problem}")
    return held


def rows_of(benchmark: str) -> list[Row]:
    """The rows of all tables of a benchmark."""
    return [row for each in library().tables.values() if each.benchmark == benchmark for row in each.rows]


def _problems(held: Library) -> Iterator[str]:
    for name, table in held.tables.items():
        for row in (*(each.figures for each in table.rows), *([table.mean] if table.mean else [])):
            if len(row) != len(table.columns):
                yield f"{name} has {len(table.columns)} columns, and a row of {len(row)} figures"
    for name, forms in held.forms.items():
        if any(len(each.figures) != len(forms.benchmarks) for each in forms.rows):
            yield f"{name} has a row without a figure for each of its benchmarks"
    named: list[Published | Forms | Distances] = [*held.tables.values(), *held.forms.values(), held.masked_distance]
    if lost := {each.source for each in named} - held.sources.keys():
        yield f"source {min(lost)!r} is named, and not there"
