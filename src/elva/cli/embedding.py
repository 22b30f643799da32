"""`elva embed`: what a model makes of a data folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from elva.cli.options import (
    Datasets,
    Device,
    Dimensions,
    ExtractionOption,
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


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(embed)


def embed(
    root: Root,
    model: ModelName,
    out: Annotated[Path, typer.Option(help="Folder to write.", show_default=False)],
    split: Split = "test",
    datasets: Datasets = None,
    tasks: Tasks = None,
    instruction: Instruction = "0",
    skip_bad_rows: SkipBadRows = False,
    extraction: ExtractionOption = None,
    dimensions: Dimensions = None,
    image_cache: ImageCache = None,
    device: Device = "auto",
    precision: PrecisionOption = Precision.auto,
    threads: Threads = None,
) -> None:
    """Embed every query and candidate of a split, once each.

    Leaves ids.jsonl, vectors-*.npy (float32, unit length) and meta.json; `elva evaluate` takes the
    folder as --vectors.

    Example:

        elva embed demo/world --model runs/stage2/model --out runs/stage2/vectors
    """
    choice = instruction_choice(instruction)
    embedder = load_embedder(model, threads, device, image_cache, precision, extraction, dimensions)
    from elva.evaluation.embed import embed_root

    with Watching() as watch:
        store = embed_root(
            root,
            embedder,
            out,
            split=split,
            datasets=datasets or (),
            tasks=tasks or (),
            instruction_choice=choice,
            skip_bad_rows=skip_bad_rows,
            watch=watch,
        )
    counts = store.counts
    typer.echo(
        f"{out}: {len(store):,} vectors; {counts.forced_ret:,} summaries without [RET] "
        f"of their own, {counts.truncated:,} texts cut, {counts.skipped_rows:,} bad rows left out"
    )
