"""`elva compare`: two models, as tables and as JSON."""

from __future__ import annotations

import json
from pathlib import Path

from elva.analysis.tables.evaluations import Measured, gather
from elva.analysis.tables.paired import HEADLINE, compare
from elva.analysis.tables.table import Table
from elva.analysis.tables.versus import comparison_table
from elva.data.writing import write_lines
from elva.errors import InputError


def compare_places(
    one: str, other: str, measure: str = HEADLINE, *, seed: int = 0, out: Path | None = None
) -> list[Table]:
    """Compare the models of two places, each PATH or NAME=PATH, on every benchmark that both were judged on.

    Args:
        one: a folder that is or holds evaluations of one model.
        other: what it is compared with.
        measure: one of `paired.MEASURES`.
        seed: of flipped signs and drawn queries.
        out: a JSON file for all figures.

    Raises:
        InputError: a place holds no evaluation, or those of several models; they share no task, or a shared one has
            other queries.
    """
    models = _single(one), _single(other)
    found = compare(*models, measure, seed=seed)
    if out:
        row = {"one": models[0].name, "other": models[1].name, "seed": seed, "benchmarks": [f.to_row() for f in found]}
        write_lines(out, [json.dumps(row, indent=1, allow_nan=False)])
    return [comparison_table(models[0].name, models[1].name, each) for each in found]


def _single(place: str) -> Measured:
    models = gather([place])
    if len(models) > 1:
        raise InputError(f"{place} holds evaluations of {', '.join(each.name for each in models)}: give those of one")
    return models[0]
