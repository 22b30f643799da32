"""`elva evaluate seed-bench-r1`: a model that thinks and chooses what comes next."""

from __future__ import annotations

from enum import StrEnum
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
from elva.reasoning.seed_bench_r1 import FPS, FRAMES


class Level(StrEnum):
    """How far from what was trained on; the levels of `elva.reasoning.seed_bench_r1`."""

    same = "L1"
    environment = "L2"
    task = "L3"


def add_to(group: typer.Typer) -> None:
    """Register the command."""
    group.command("seed-bench-r1")(evaluate)


def evaluate(
    root: Downloaded,
    model: ModelName,
    out: Out,
    level: Annotated[
        list[Level] | None,
        typer.Option(help="Only this level; repeat for more. Default: all three.", show_default=False),
    ] = None,
    max_new_tokens: MaxNewTokens = 256,
    temperature: Temperature = 0.0,
    seed: DrawSeed = 0,
    frames: FramesOption = FRAMES,
    fps: Annotated[float, typer.Option(help="Frames a second that are looked at, up to --frames.", min=0.01)] = FPS,
    batch_size: BatchSize = 32,
    skip_missing: AnswerMissing = False,
    image_cache: ImageCache = None,
    device: Device = "auto",
    precision: PrecisionOption = Precision.auto,
    threads: Threads = None,
) -> None:
    """Judge how well a model thinks about videos: SEED-Bench-R1, or the built-in world's questions in its format.

    Shown the progress so far and what is seen now, it thinks, and chooses one of four options. Tells accuracy by level
    and by domain, and whether answers follow from the thinking. The answers are kept in OUT.answers.jsonl as they come:
    a killed command goes on. What to download, and how to lay it out, is in docs/reasoning.md.

    Examples:

        elva evaluate seed-bench-r1 demo/world/reasoning/seed-bench-r1 --model runs/elva/model --out runs/elva/seed
        elva evaluate seed-bench-r1 data/SEED-Bench-R1 --level L3 --model runs/grpo/model --out runs/grpo/seed
        elva evaluate seed-bench-r1 data/SEED-Bench-R1 --temperature 1 --seed 3 --model runs/grpo/model --out drawn
    """
    from elva.reasoning.asking import Decoding
    from elva.reasoning.seed_bench_r1 import benchmark

    tell(
        benchmark(root, [each.value for each in level or ()], frames=frames, fps=fps),
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
