"""`elva evaluate mrbench`: a model on queries of several grains."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from elva.cli.options import (
    Datasets,
    Device,
    ImageCache,
    Instruction,
    ModelName,
    Precision,
    PrecisionOption,
    Root,
    SkipBadRows,
    Split,
    Tasks,
    Threads,
    Watching,
    instruction_choice,
    load_embedder,
)


def add_to(group: typer.Typer) -> None:
    """Register the command."""
    group.command("mrbench")(evaluate)


def evaluate(
    root: Root,
    model: ModelName,
    out: Annotated[Path, typer.Option(help="Folder to write.", show_default=False)],
    split: Split = "test",
    datasets: Datasets = None,
    tasks: Tasks = None,
    instruction: Instruction = "0",
    skip_bad_rows: SkipBadRows = False,
    vectors: Annotated[Path | None, typer.Option(help="Folder made by `elva embed`.", show_default=False)] = None,
    depth: Annotated[int, typer.Option(help="Length of the lists in runs/; MRR is 0 below.", min=10)] = 100,
    image_cache: ImageCache = None,
    device: Device = "auto",
    precision: PrecisionOption = Precision.auto,
    threads: Threads = None,
) -> None:
    """Judge a model on queries of several grains, which `elva mrbench build` draws from any data folder.

    As `elva evaluate mbeir`, and besides by how many grains a query has, and by the kinds of its grains. The paper's
    figure is hit@5. Any data whose queries list their grains will do: the built-in world's MRBench-mini is such.

    Examples:

        elva evaluate mrbench mrbench --model runs/elva/model --out runs/elva/mrbench
        elva evaluate mrbench demo/world --dataset mrbench --model runs/elva/model --out runs/elva/mrbench-mini
    """
    choice = instruction_choice(instruction)
    embedder = load_embedder(model, threads, device, image_cache, precision)
    from elva.evaluation.mrbench import evaluate as evaluate_model

    with Watching() as watch:
        results = evaluate_model(
            root,
            embedder,
            out=out,
            split=split,
            datasets=datasets or (),
            tasks=tasks or (),
            instruction_choice=choice,
            skip_bad_rows=skip_bad_rows,
            vectors=vectors,
            depth=depth,
            watch=watch,
        )
    typer.echo((out / "table.md").read_text(encoding="utf-8"))
    skipped = results.row["counts"]["skipped_rows"]
    if skipped:
        typer.echo(f"{skipped:,} bad rows were left out; results.json says in which files.")
