"""`elva evaluate unseen`: a model on published sets of pictures and texts."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from elva.cli.evaluating.judging import tell
from elva.cli.evaluating.options import Downloaded, Out, SetDepth, SkipMissing, chosen
from elva.cli.options import (
    Device,
    Dimensions,
    ExtractionOption,
    ImageCache,
    Instruction,
    ModelName,
    Precision,
    PrecisionOption,
    Processes,
    Threads,
    VectorCacheOption,
    encoding_with,
    instruction_choice,
)
from elva.evaluation.unseen.specs import UNSEEN

SetSplit = Annotated[
    str | None, typer.Option("--split", help="Split. Default: the one that can be scored.", show_default=False)
]
Instructions = Annotated[
    Path | None,
    typer.Option(help="M-BEIR's query_instructions.tsv, for a model that knows its sentences.", show_default=False),
]


def add_to(group: typer.Typer) -> None:
    """Register the command."""
    group.command("unseen")(evaluate)


def evaluate(
    name: Annotated[str, typer.Argument(metavar="SET", help=f"One of {', '.join(UNSEEN)}.", show_default=False)],
    root: Downloaded,
    model: ModelName,
    out: Out,
    split: SetSplit = None,
    instructions: Instructions = None,
    instruction: Instruction = "0",
    skip_missing: SkipMissing = False,
    cache: VectorCacheOption = None,
    processes: Processes = 1,
    depth: SetDepth = 100,
    extraction: ExtractionOption = None,
    dimensions: Dimensions = None,
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
    encoding = encoding_with(model, processes, threads, device, image_cache, precision, extraction, dimensions)
    from elva.evaluation.unseen.run import evaluate_set

    judge = partial(
        evaluate_set,
        name,
        spec,
        root,
        split=split,
        instructions=instructions,
        instruction_choice=choice,
        skip_missing=skip_missing,
        cache=cache,
        depth=depth,
    )
    tell(encoding, judge, out)
