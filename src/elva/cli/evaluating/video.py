"""`elva evaluate video`: a model on published sets of videos."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer

from elva.cli.evaluating.judging import tell
from elva.cli.evaluating.options import Downloaded, Out, SetDepth, SkipMissing, chosen
from elva.cli.options import (
    Device,
    Dimensions,
    ExtractionOption,
    ImageCache,
    ModelName,
    Precision,
    PrecisionOption,
    Processes,
    Threads,
    VectorCacheOption,
    encoding_with,
)
from elva.clips import FRAMES
from elva.evaluation.unseen.specs import VIDEO


def add_to(group: typer.Typer) -> None:
    """Register the command."""
    group.command("video")(evaluate)


def evaluate(
    name: Annotated[str, typer.Argument(metavar="SET", help=f"One of {', '.join(VIDEO)}.", show_default=False)],
    root: Downloaded,
    model: ModelName,
    out: Out,
    frames: Annotated[int, typer.Option(help="The most frames of a video that are looked at.", min=1)] = FRAMES,
    fps: Annotated[
        float | None,
        typer.Option(help="Take frames at this rate. Default: spread evenly over the video.", show_default=False),
    ] = None,
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
    """Judge a model on finding videos by words: MSR-VTT or MSVD, read as they are downloaded.

    Videos are files (with the extra `video`), animated pictures, or folders of frames.
    What to download, and how to lay it out, is in docs/benchmarks.md.

    Examples:

        elva evaluate video msrvtt data/msrvtt --model runs/elva/model --out runs/elva/msrvtt
        elva evaluate video msvd data/msvd --frames 12 --model runs/elva/model --out runs/elva/msvd
    """
    spec = chosen(name, VIDEO)
    encoding = encoding_with(model, processes, threads, device, image_cache, precision, extraction, dimensions)
    from elva.data.unseen.sets import Sampling
    from elva.evaluation.unseen.run import evaluate_set

    judge = partial(
        evaluate_set,
        name,
        spec,
        root,
        benchmark="video",
        skip_missing=skip_missing,
        sampling=Sampling(frames, fps),
        cache=cache,
        depth=depth,
    )
    tell(encoding, judge, out)
