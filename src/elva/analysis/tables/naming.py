"""What people call tasks, data and measures in the tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from elva.analysis.tables.published import direction, rows_of
from elva.data.layout import TaskName

NAMES = {
    "mbeir": "M-BEIR",
    "mrbench": "MRBench",
    "unseen": "unseen sets",
    "video": "text to video",
    "seed-bench-r1": "SEED-Bench-R1",
    "longvideobench": "LongVideoBench",
    "vcr-bench": "VCR-Bench",
}
"""Benchmarks, as people call them."""
MIXED = ("unseen", "video")
"""Benchmarks of sets that each have measures of their own."""
SHOWN = 3
"""Of a longer list so many are named."""


def judged_as(benchmark: str, tasks: Iterable[str]) -> str:
    """What people call the data of some tasks: the benchmark, or where they are other data, those data sets."""
    name, _, pools = benchmark.partition("@")
    asked, rows = [task.partition("@")[0] for task in tasks], rows_of(name)
    own = [task for task in asked if any(row.is_of(task) for row in rows)]
    whole = len(own) == len(asked) or (own and name in MIXED)
    data = NAMES[name] if whole and name in NAMES else few(list(dict.fromkeys(map(data_set, asked))), ", ")
    return f"{data}, {pools} pools" if pools else data


def few(names: Sequence[str], between: str) -> str:
    """The first of some names, and how many more there are."""
    more = [f"and {len(names) - SHOWN} more"] if len(names) > SHOWN else []
    return between.join([*names[:SHOWN], *more])


def data_set(task: str) -> str:
    """The data set of a task; the whole name where it is none of M-BEIR's."""
    try:
        return TaskName.parse(task).dataset
    except ValueError:
        return task


def task_label(task: str) -> str:
    """A task's name for people: t→i mrbench, with the split where it is not test."""
    try:
        name = TaskName.parse(task.partition("@")[0])
    except ValueError:
        return task
    return f"{direction(name.task)} {name.dataset}" + ("" if name.split == "test" else f" ({name.split})")


def recall(measure: str) -> str:
    """A measure as the papers call it: R@5 for hit@5."""
    return measure.replace("hit@", "R@").replace("map@", "MAP@")
