"""`elva compare`: whether two models differ."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(compare)


class Measure(StrEnum):
    """What `elva compare` compares; the measures of `elva.analysis.tables.paired`."""

    headline = "headline"
    hit_1 = "hit@1"
    hit_5 = "hit@5"
    hit_10 = "hit@10"
    mrr = "mrr"


def compare(
    one: Annotated[
        str,
        typer.Argument(metavar="[NAME=]ONE", help="Evaluation, or a folder that holds some.", show_default=False),
    ],
    other: Annotated[str, typer.Argument(metavar="[NAME=]OTHER", help="What it is compared with.", show_default=False)],
    measure: Annotated[
        Measure,
        typer.Option(help="headline: each task's own, hit@5 for most, hit@10 for M-BEIR's fashion sets."),
    ] = Measure.headline,
    out: Annotated[Path | None, typer.Option(help="JSON file for all figures.", show_default=False)] = None,
    seed: Annotated[int, typer.Option(help="Of flipped signs and drawn queries.")] = 0,
) -> None:
    """Tell whether two models differ by more than luck of the queries: task by task, and in the mean.

    A randomisation test and a bootstrap interval, both paired by query, on every benchmark that both were judged on.

    Examples:

        elva compare runs/elva/eval runs/stage2/eval
        elva compare ours=runs/elva other=runs/lamra --measure hit@1 --out compared.json
    """
    from elva.analysis.tables.comparing import compare_places

    tables = compare_places(one, other, measure.value, seed=seed, out=out)
    for each in tables:
        typer.echo(each.markdown())
