"""`elva demo`: the whole story, small but real."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(demo)


def demo(
    out: Annotated[Path, typer.Option(help="Folder to write.")] = Path("demo"),
    seeds: Annotated[int, typer.Option(help="Training seeds to run.", min=1)] = 1,
    quick: Annotated[bool, typer.Option(help="A few steps of everything, to see it run.")] = False,
    table: Annotated[
        Path | None,
        typer.Option(help="Markdown file: the table of all seeds goes between its demo marks.", show_default=False),
    ] = None,
    extra: Annotated[
        bool, typer.Option("--extra", help="Also the form without rollouts and the control on own rollouts.")
    ] = False,
) -> None:
    """Make data, train all stages, judge each, index, search, and write one report.

    Leaves report.html and results.json in the folder; a second run uses again what is there.

    Examples:

        elva demo --out demo
        elva demo --out demo --seeds 3 --extra --table docs/results.md
    """
    from elva.demo import run_demo

    run_demo(out, seeds, quick, table, extra)
