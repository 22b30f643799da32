"""What a report says, before it is laid out: which tables follow from which evaluations, who is compared with whom."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from elva.analysis.tables.by_task import published_table
from elva.analysis.tables.evaluations import Measured, gather, judged_on
from elva.analysis.tables.forms import forms_table
from elva.analysis.tables.grains import grain_tables
from elva.analysis.tables.naming import NAMES, judged_as
from elva.analysis.tables.other import other_tables
from elva.analysis.tables.paired import Paired, compare
from elva.analysis.tables.table import Table
from elva.analysis.tables.versus import against_table, verdict
from elva.errors import InputError


@dataclass(frozen=True, slots=True)
class Asked:
    """What a report is made of: places of evaluations, each PATH or NAME=PATH.

    Attributes:
        places: models for the tables by task.
        held_out: models that were trained without the tasks they are judged on.
        ablations: forms of stage 3, by the names of the published ones.
        plug_in: other retrievers, before and after stage 3.
        against: name of the model that the others are compared with; the first one when None.
    """

    places: Sequence[str] = ()
    held_out: Sequence[str] = ()
    ablations: Sequence[str] = ()
    plug_in: Sequence[str] = ()
    against: str | None = None


@dataclass(frozen=True, slots=True)
class Versus:
    """Models compared with one of them.

    Attributes:
        name: for the table.
        data: what they were judged on, for people.
        base: the one.
        found: name of another -> comparison.
    """

    name: str
    data: str
    base: str
    found: Mapping[str, Paired]

    @property
    def table(self) -> Table:
        """All of them, corrected together."""
        return against_table(f"against_{self.name}", self.data, self.base, self.found)

    def to_rows(self) -> list[dict[str, Any]]:
        """As JSON."""
        return [{"model": name, "against": self.base, **each.to_row()} for name, each in self.found.items()]


@dataclass(frozen=True, slots=True)
class Contents:
    """What a report says.

    Attributes:
        models: those of the tables by task.
        base: the one of them that the others are compared with; None where there are no others.
        tables: the paper's, and those of other data.
        comparisons: the models with the base, and those of held-out tasks with the first of them.
        others: models of the tables of held-out tasks, ablations and plug-ins.
    """

    models: Sequence[Measured]
    base: Measured | None
    tables: Sequence[Table]
    comparisons: Sequence[Versus]
    others: Sequence[Measured] = ()

    @property
    def against(self) -> list[Table]:
        """The comparisons as tables."""
        return [each.table for each in self.comparisons]

    @property
    def warnings(self) -> list[str]:
        """What the evaluations themselves doubt."""
        told = (
            f"{each.name}, {row['task'] or judged_on(evaluated)}: {row['message']}"
            for each in (*self.models, *self.others)
            for evaluated in each.evaluations
            for row in evaluated.results.get("warnings") or ()
        )
        return list(dict.fromkeys(told))

    @property
    def verdicts(self) -> list[str]:
        """The comparisons in sentences."""
        return [verdict(name, of.base, of.data, each) for of in self.comparisons for name, each in of.found.items()]


def contents_of(asked: Asked) -> Contents:
    """Make the tables.

    Raises:
        InputError: nothing was asked for; a place is missing or holds no evaluation, or names clash (`gather`); models
            that are to be compared were judged on other queries.
    """
    models, held_out = gather(asked.places), gather(asked.held_out)
    ablations, plug_in = gather(asked.ablations), gather(asked.plug_in)
    tables = [*_by_task(models), *(_held_out(held_out) if held_out else [])]
    tables += [table for table in (forms_table("ablations", ablations), forms_table("plug_in", plug_in)) if table]
    if not tables:
        raise InputError("nothing to make tables of: give folders of `elva evaluate`")
    base = _base(models, asked.against)
    apart = _versus(held_out, _base(held_out, None), "held_out_", "held-out tasks of ")
    return Contents(models, base, tables, [*_versus(models, base), *apart], (*held_out, *ablations, *plug_in))


def benchmarks(models: Sequence[Measured]) -> list[str]:
    """What they were judged on."""
    return list(dict.fromkeys(of for each in models for of, _ in each.tasks))


def _by_task(models: Sequence[Measured]) -> Iterator[Table]:
    for of in benchmarks(models):
        if of in NAMES and (table := published_table(of, models)):
            yield table
        yield from other_tables(of, models)
        yield from grain_tables(of, models)


def _held_out(models: Sequence[Measured]) -> Iterator[Table]:
    """The published table, and the same for other data."""
    if table := published_table("held_out", models):
        yield table
    for of in benchmarks(models):
        for each in other_tables(of, models):
            yield replace(each, name=f"held_out_{each.name}", title=f"Held-out tasks of {each.title}")


def _base(models: Sequence[Measured], name: str | None) -> Measured | None:
    named = {each.name: each for each in models}
    if name is not None and name not in named:
        raise InputError(f"--against {name}: no evaluation is called so; they are {', '.join(named) or 'none'}")
    return named[name or models[0].name] if len(models) > 1 else None


def _versus(models: Sequence[Measured], base: Measured | None, prefix: str = "", what: str = "") -> Iterator[Versus]:
    """Per benchmark those that share tasks of it with the base."""
    if base is None:
        return
    found: dict[str, dict[str, Paired]] = {}
    for each in models:
        if each is not base:
            for paired in compare(each, base, required=False):
                found.setdefault(paired.benchmark, {})[each.name] = paired
    for of, pairs in found.items():
        tasks = dict.fromkeys(task for each in pairs.values() for task in each.tasks)
        yield Versus(prefix + of.replace("@", "_"), what + judged_as(of, tasks), base.name, pairs)
