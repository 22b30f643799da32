"""`elva train`, `elva caption`, `elva mine`, `elva likelihood`: making a retriever."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from elva.cli.options import (
    Datasets,
    Device,
    ExcludeTasks,
    ImageCache,
    ModelName,
    Precision,
    PrecisionOption,
    Root,
    SkipBadRows,
    Split,
    Tasks,
    Threads,
    Watching,
    chosen_device,
    load_embedder,
    use_threads,
)
from elva.data.layout import kept_tasks

STOPPED = 130


DrawnQueries = Annotated[
    int | None,
    typer.Option(help="Draw so many queries for stage 3 (the paper: 1 %). Default: all.", min=1, show_default=False),
]
DrawnSeed = Annotated[int, typer.Option(help="Draws the queries.", min=0)]


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.command()(train)
    app.command()(caption)
    app.command()(mine)
    app.command()(likelihood)


def train(
    recipe: Annotated[
        str | None,
        typer.Argument(help="A YAML file, or a packaged recipe: see --list.", show_default=False),
    ] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Argument(metavar="[KEY=VALUE]...", help="Settings on top.", show_default=False),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Run folder to write.", show_default=False)] = None,
    resume: Annotated[bool, typer.Option(help="Go on from the newest checkpoint in --out.")] = False,
    device: Device = "auto",
    threads: Threads = None,
    list_recipes: Annotated[
        bool, typer.Option("--list", help="List packaged recipes with their launch lines.")
    ] = False,
    list_settings: Annotated[bool, typer.Option("--settings", help="List every setting with its default.")] = False,
) -> None:
    """Train a model by a recipe.

    Leaves RUN/recipe.yaml (every setting written out), metrics.jsonl, checkpoints/ and model/.
    Ctrl-C stops at the end of a step and leaves a checkpoint; the same command with --resume goes
    on from it.

    Examples:

        elva train tiny/stage2 data.root=demo/world --out runs/stage2
        elva train tiny/stage2 data.root=demo/world optimizer.lr=3e-4 seed=1 --out runs/x
        elva train my-recipe.yaml --out runs/mine --resume
    """
    if list_recipes or list_settings:
        _show(list_recipes, list_settings)
        return
    if recipe is None or out is None:
        raise typer.BadParameter("give a recipe and --out RUN (elva train --list shows recipes)")
    from elva.training.recipe import load_recipe

    loaded = load_recipe(recipe, overrides or [])
    loaded.data.folder()  # before the seconds that importing torch takes
    use_threads(threads)
    device = chosen_device(device, local_rank=int(os.environ.get("LOCAL_RANK", "0")))
    from elva.training.run import train as run

    result = run(loaded, out, resume=resume, device=device)
    if os.environ.get("RANK", "0") != "0":  # of several processes one speaks
        os._exit(0 if result.finished else STOPPED)  # gloo's threads may abort a process that takes its leave itself
    if not result.finished:
        typer.echo(f"Stopped after {result.updates:,} updates; the same command with --resume goes on.")
        raise typer.Exit(STOPPED)
    typer.echo(f"{out / 'model'} is the trained model; judge it with:")
    benchmark = "seed-bench-r1" if loaded.answers else "mbeir"
    typer.echo(f"  elva evaluate {benchmark} {loaded.data.root} --model {out / 'model'} --out {out / 'eval'}")
    if os.environ.get("WORLD_SIZE", "1") != "1":
        sys.stdout.flush()
        os._exit(0)


def _show(recipes: bool, settings: bool) -> None:
    from elva.strict import describe_settings
    from elva.training.recipe import Recipe, launch_lines, packaged_recipes

    if recipes:
        for name, file in packaged_recipes().items():
            typer.echo("\n  ".join([name, *launch_lines(file)]))
    if settings:
        for key, accepts, default, doc in describe_settings(Recipe):
            typer.echo(f"{key} = {default}\n    {doc} ({accepts})")


def caption(
    root: Root,
    out: Annotated[Path, typer.Option(help="File to write: captions.jsonl.", show_default=False)],
    model: ModelName = "tiny-base",
    split: Split = "train",
    datasets: Datasets = None,
    named_only: Annotated[
        bool, typer.Option("--named-only", help="Leave out candidates that no query names: stage 2 never reads them.")
    ] = False,
    skip_bad_rows: SkipBadRows = False,
    image_cache: ImageCache = None,
    device: Device = "auto",
    precision: PrecisionOption = Precision.auto,
    threads: Threads = None,
) -> None:
    """Let a model say what it sees in every query and candidate of a split.

    Stage 2 keeps the model writing by them; stage 3 takes the order of the negatives from them. Killed and started
    again, the same command goes on where it was; until it is done, its work lies in OUT.unfinished.

    Examples:

        elva caption demo/world --model tiny-base --out demo/world/captions.jsonl
        elva caption M-BEIR --model Qwen2-VL-2B-Instruct --named-only --out M-BEIR/captions.jsonl
    """
    embedder = load_embedder(model, threads, device, image_cache, precision)
    from elva.training.captions import write_captions

    with Watching() as watch:
        report = write_captions(
            root,
            embedder,
            out,
            split=split,
            datasets=datasets or (),
            named_only=named_only,
            skip_bad_rows=skip_bad_rows,
            progress=watch.counting("captions"),
        )
    typer.echo(
        f"{out}: {report.captions:,} captions; {report.forced_ret:,} without [RET] of their own, "
        f"{report.truncated:,} texts cut, {report.skipped:,} bad rows left out"
    )
    for kind, (named, total) in report.named.items():
        typer.echo(f"  {kind}: {named:,} of {total:,} named ({named / total:.1%})")


def mine(
    root: Root,
    model: ModelName,
    out: Annotated[Path, typer.Option(help="File to write (JSONL).", show_default=False)],
    top: Annotated[int, typer.Option(help="Negatives per query.", min=1)] = 50,
    split: Split = "train",
    max_similarity: Annotated[
        float | None,
        typer.Option(help="Drop candidates above this cosine.", show_default=False),
    ] = None,
    max_margin: Annotated[
        float | None,
        typer.Option(help="Drop candidates above the positive's cosine plus this.", show_default=False),
    ] = None,
    max_relative: Annotated[
        float | None,
        typer.Option(help="Drop candidates above the positive's cosine times this.", show_default=False),
    ] = None,
    datasets: Datasets = None,
    tasks: Tasks = None,
    exclude_tasks: ExcludeTasks = None,
    queries: DrawnQueries = None,
    seed: DrawnSeed = 0,
    skip_bad_rows: SkipBadRows = False,
    image_cache: ImageCache = None,
    device: Device = "auto",
    precision: PrecisionOption = Precision.auto,
    threads: Threads = None,
) -> None:
    """Find each query's hard negatives: the nearest wrong candidates by a model (paper section 5).

    Stage 3 trains on the queries that were mined. Killed and started again, the same command goes on where it was;
    until it is done, its work lies in OUT.unfinished.

    Examples:

        elva mine demo/world --model runs/stage2/model --out demo/world/negatives.jsonl
        elva mine demo/world --model runs/stage2/model --max-margin 0.1 --out demo/world/negatives.jsonl
    """
    chosen = kept_tasks(tasks or (), exclude_tasks or ())
    embedder = load_embedder(model, threads, device, image_cache, precision)
    from elva.training.negatives import Filter, mine

    with Watching() as watch:
        report = mine(
            root,
            embedder,
            out,
            top=top,
            split=split,
            datasets=datasets or (),
            task_ids=chosen,
            queries=queries,
            seed=seed,
            filter=Filter(max_similarity, max_margin, max_relative),
            skip_bad_rows=skip_bad_rows,
            progress=watch.counting("mining"),
        )
    typer.echo(
        f"{out}: {report.queries:,} queries; {report.filtered:,} candidates filtered, "
        f"{report.short:,} queries with fewer than {top}, {report.skipped:,} bad rows left out"
    )


def likelihood(
    root: Root,
    out: Annotated[Path, typer.Option(help="File to write (JSONL).", show_default=False)],
    model: ModelName = "tiny-base",
    captions: Annotated[
        Path | None, typer.Option(help="Captions of the queries: captions.jsonl.", show_default=False)
    ] = None,
    negatives: Annotated[
        Path | None,
        typer.Option(
            help="Score these of each query, and its positives: negatives.jsonl. Default: the whole pool.",
            show_default=False,
        ),
    ] = None,
    evaluation: Annotated[
        Path | None,
        typer.Option(help="Score what this evaluation ranked highest: a folder of elva evaluate.", show_default=False),
    ] = None,
    top: Annotated[
        int | None, typer.Option(help="So many of each list. Default: all.", min=1, show_default=False)
    ] = None,
    own_words: Annotated[
        bool, typer.Option("--own-words", help="Score queries that are text alone by their words, not their captions.")
    ] = False,
    asked: Annotated[
        bool, typer.Option("--asked", help="As what one would ask for, by a model that caption.asked_share taught it.")
    ] = False,
    split: Split = "train",
    datasets: Datasets = None,
    tasks: Tasks = None,
    exclude_tasks: ExcludeTasks = None,
    queries: DrawnQueries = None,
    seed: DrawnSeed = 0,
    skip_bad_rows: SkipBadRows = False,
    image_cache: ImageCache = None,
    device: Device = "auto",
    precision: PrecisionOption = Precision.auto,
    threads: Threads = None,
) -> None:
    """Score candidates by how probable a model finds the query's words when it is shown them.

    `elva evaluate mbeir --scores` judges the file: no training is needed to rank by it. Killed and started again,
    the same command goes on where it was; until it is done, its work lies in OUT.unfinished.

    Examples:

        elva likelihood demo/world --captions c.jsonl --split val --dataset mrbench --out val.jsonl
        elva likelihood demo/world --captions c.jsonl --negatives demo/world/negatives.jsonl --out order.jsonl
        elva likelihood demo/world --captions c.jsonl --split test --evaluation runs/stage2/eval --out top.jsonl
        elva likelihood fashion --model runs/fashion/base_finish/model --asked --own-words --split val --out val.jsonl
    """
    if captions is None and not own_words:
        raise typer.BadParameter("give --captions, or --own-words where the queries are text alone")
    if negatives is not None and evaluation is not None:
        raise typer.BadParameter("give --negatives or --evaluation, not both")
    chosen = kept_tasks(tasks or (), exclude_tasks or ())
    embedder = load_embedder(model, threads, device, image_cache, precision)
    from elva.training.likelihoods import Shortlist, write_likelihoods

    with Watching() as watch:
        report = write_likelihoods(
            root,
            embedder,
            captions,
            out,
            shortlist=Shortlist(negatives, evaluation, top),
            own_words=own_words,
            asked=asked,
            split=split,
            datasets=datasets or (),
            task_ids=chosen,
            queries=queries,
            seed=seed,
            skip_bad_rows=skip_bad_rows,
            progress=watch.counting("likelihoods"),
        )
    typer.echo(
        f"{out}: {report.queries:,} queries, {report.pairs:,} candidates scored; {report.unlisted:,} queries that the "
        f"shortlist lacks, {report.cut:,} texts cut, {report.skipped:,} bad rows left out"
    )
