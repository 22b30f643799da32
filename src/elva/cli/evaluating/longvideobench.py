"""`elva evaluate longvideobench`: a model on questions about long videos."""

from __future__ import annotations

from typing import Annotated

import typer

from elva.cli.evaluating.answering import (
    AnswerMissing,
    BatchSize,
    DrawSeed,
    FramesOption,
    MaxNewTokens,
    Temperature,
    tell,
)
from elva.cli.evaluating.options import Downloaded, Out
from elva.cli.options import Device, ImageCache, ModelName, Precision, PrecisionOption, Threads
from elva.reasoning.long_video_bench import FRAMES


def add_to(group: typer.Typer) -> None:
    """Register the command."""
    group.command("longvideobench")(evaluate)


def evaluate(
    root: Downloaded,
    model: ModelName,
    out: Out,
    subtitles: Annotated[bool, typer.Option(help="Whether what is said is told between the frames.")] = True,
    max_new_tokens: MaxNewTokens = 256,
    temperature: Temperature = 0.0,
    seed: DrawSeed = 0,
    frames: FramesOption = FRAMES,
    batch_size: BatchSize = 32,
    skip_missing: AnswerMissing = False,
    image_cache: ImageCache = None,
    device: Device = "auto",
    precision: PrecisionOption = Precision.auto,
    threads: Threads = None,
) -> None:
    """Judge a model on LongVideoBench's validation questions: what it learned elsewhere, on other videos.

    Frames are spread over the video, with what is said between them. Otherwise as `elva evaluate seed-bench-r1`.
    What to download, and how to lay it out, is in docs/reasoning.md.

    Examples:

        elva evaluate longvideobench data/LongVideoBench --model runs/grpo/model --out runs/grpo/longvideobench
        elva evaluate longvideobench data/LongVideoBench --no-subtitles --frames 32 --model runs/grpo/model --out frames
    """
    from elva.reasoning.asking import Decoding
    from elva.reasoning.long_video_bench import benchmark

    tell(
        benchmark(root, frames=frames, subtitles=subtitles),
        model,
        out,
        Decoding(max_new_tokens, temperature, seed),
        batch_size=batch_size,
        skip_missing=skip_missing,
        image_cache=image_cache,
        device=device,
        precision=precision,
        threads=threads,
    )
