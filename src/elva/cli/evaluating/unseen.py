"""`elva evaluate unseen`: a model on published sets of pictures and texts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from elva.cli.options import (
    Device,
    ImageCache,
    Instruction,
    ModelName,
    Precision,
    PrecisionOption,
    Threads,
    Watching,
    instruction_choice,
    load_embedder,
)
from elva.evaluation.unseen.specs import UNSEEN, Spec

Downloaded = Annotated[
    Path, typer.Argument(help="Folder of the download; docs/benchmarks.md has its layout.", show_default=False)
]
Out = Annotated[Path, typer.Option(help="Folder to write.", show_default=False)]
SetSplit = Annotated[
    str | None, typer.Option("--split", help="Split. Default: the one that can be scored.", show_default=False)
]
Instructions = Annotated[
    Path | None,
    typer.Option(help="M-BEIR's query_instructions.tsv, for a model that knows its sentences.", show_default=False),
]
SkipMissing = Annotated[
    bool, typer.Option("--skip-missing", help="Judge what the pictures that are there allow, and count the rest.")
]
Depth = Annotated[int, typer.Option(help="Length of the lists in runs/.", min=1)]


def add_to(group: typer.Typer) -> None:
    """Register the command."""
    group.command("unseen")(evaluate)


def chosen(name: str, specs: Mapping[str, Spec]) -> Spec:
    """The row of a table that a name means."""
    if name not in specs:
        raise typer.BadParameter(f"there is no set {name!r}; take one of {', '.join(specs)}")
    return specs[name]


def evaluate(
    name: Annotated[str, typer.Argument(metavar="SET", help=f"One of {', '.join(UNSEEN)}.", show_default=False)],
    root: Downloaded,
    model: ModelName,
    out: Out,
    split: SetSplit = None,
    instructions: Instructions = None,
    instruction: Instruction = "0",
    skip_missing: SkipMissing = False,
    depth: Depth = 100,
    image_cache: ImageCache = None,
    device: Device = "auto",
    precision: PrecisionOption = Precision.auto,
    threads: Threads = None,
) -> None:
    """Judge a model on a published benchmark that it was not trained on, read as it is downloaded.

    What to download, and how to lay it out, is in docs/benchmarks.md. Missing pictures are told in one line.
    M-BEIR trains on cirr and fashioniq: in their own formats they are here to be compared.

    Examples:

        elva evaluate unseen flickr30k data/flickr30k --model runs/elva/model --out runs/elva/flickr30k
        elva evaluate unseen circo data/circo --split test --model runs/elva/model --out runs/elva/circo-test
        elva evaluate unseen sugarcrepe data/sugarcrepe --model runs/elva/model --skip-missing --out runs/elva/crepe
    """
    choice, spec = instruction_choice(instruction), chosen(name, UNSEEN)
    embedder = load_embedder(model, threads, device, image_cache, precision)
    from elva.evaluation.unseen.run import evaluate_set

    with Watching() as watch:
        evaluate_set(
            name,
            spec,
            root,
            embedder,
            out=out,
            split=split,
            instructions=instructions,
            instruction_choice=choice,
            skip_missing=skip_missing,
            depth=depth,
            watch=watch,
        )
    typer.echo((out / "table.md").read_text(encoding="utf-8"))
