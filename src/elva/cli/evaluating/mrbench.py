"""`elva evaluate mrbench`: a model on queries of several grains."""

from __future__ import annotations

from functools import partial

import typer

from elva.cli.evaluating.judging import tell
from elva.cli.evaluating.options import Depth, Out, Vectors, check_kept
from elva.cli.options import (
    Datasets,
    Device,
    Dimensions,
    ExtractionOption,
    ImageCache,
    Instruction,
    ModelName,
    Pool,
    PoolOption,
    Precision,
    PrecisionOption,
    Processes,
    Root,
    SkipBadRows,
    Split,
    Tasks,
    Threads,
    VectorCacheOption,
    encoding_with,
    instruction_choice,
)


def add_to(group: typer.Typer) -> None:
    """Register the command."""
    group.command("mrbench")(evaluate)


def evaluate(
    root: Root,
    model: ModelName,
    out: Out,
    split: Split = "test",
    datasets: Datasets = None,
    tasks: Tasks = None,
    instruction: Instruction = "0",
    pool: PoolOption = Pool.local,
    skip_bad_rows: SkipBadRows = False,
    vectors: Vectors = None,
    cache: VectorCacheOption = None,
    processes: Processes = 1,
    depth: Depth = 100,
    extraction: ExtractionOption = None,
    dimensions: Dimensions = None,
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
    check_kept(vectors, cache)
    encoding = encoding_with(model, processes, threads, device, image_cache, precision, extraction, dimensions)
    from elva.evaluation.mrbench import evaluate as evaluate_model

    judge = partial(
        evaluate_model,
        root,
        split=split,
        datasets=datasets or (),
        tasks=tasks or (),
        instruction_choice=choice,
        pool=pool.value,
        skip_bad_rows=skip_bad_rows,
        vectors=vectors,
        cache=cache,
        depth=depth,
    )
    tell(encoding, judge, out)
