"""`elva embed`: what a model makes of a data folder."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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

if TYPE_CHECKING:
    from elva.evaluation.store import Counts


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
    ray: Annotated[
        str | None,
        typer.Option(
            help="Embed on a Ray cluster: local starts one here; auto, HOST:PORT or ray://HOST:PORT joins one. A run "
            "that was stopped goes on. --threads is then the cores of each actor.",
            show_default=False,
        ),
    ] = None,
    ray_actors: Annotated[
        int | None,
        typer.Option(
            help="Models that work at once. Default: as many as there is room for.", min=1, show_default=False
        ),
    ] = None,
    ray_gpus: Annotated[
        float | None,
        typer.Option(
            help="GPUs of each actor, 0.5 for two on one. Default: 1 if the cluster has any, else 0.",
            min=0,
            show_default=False,
        ),
    ] = None,
    ray_batch: Annotated[
        int | None,
        typer.Option(help="Items per forward of each actor. Default: 128.", min=1, show_default=False),
    ] = None,
) -> None:
    """Embed every query and candidate of a split, once each.

    Leaves ids.jsonl, vectors-*.npy (float32, unit length) and meta.json; `elva evaluate` takes the
    folder as --vectors.

    Example:

        elva embed demo/world --model runs/stage2/model --out runs/stage2/vectors
        elva embed demo/world --model runs/stage2/model --out runs/stage2/vectors --ray local --ray-actors 2
    """
    from elva.data.opening import Selection

    selection = Selection(split, datasets or (), tasks or (), instruction_choice(instruction), skip_bad_rows)
    if ray is not None:
        if ray_gpus is not None and ray_gpus > 1 and ray_gpus != int(ray_gpus):
            raise typer.BadParameter("--ray-gpus is a part of one GPU, or a whole number of them")
        if device.startswith("cuda:"):
            raise typer.BadParameter("each actor has GPUs of its own, which it counts from 0: give --device cuda")
        from elva.evaluation.cluster import embed_on_cluster
        from elva.evaluation.ray_cluster import BATCH_SIZE, Team

        folder = Path(model).absolute() if Path(model).is_dir() else None
        team = Team(ray, ray_actors, threads or 1, _gpus(device, ray_gpus), ray_batch or BATCH_SIZE)
        cache = None if image_cache is None else image_cache.absolute()
        named = str(folder or model)
        with Watching() as watch:
            done = embed_on_cluster(
                root,
                partial(load_embedder, named, team.cpus, device, cache, precision, extraction, dimensions),
                out,
                team,
                selection,
                model_folder=folder,
                watch=watch,
            )
        _tell(out, done.counts)
        typer.echo(f"{done.shards:,} shards, {done.found:,} of them embedded by an earlier run")
        return
    if (ray_actors, ray_gpus, ray_batch) != (None, None, None):
        raise typer.BadParameter("--ray-actors, --ray-gpus and --ray-batch go with --ray")
    embedder = load_embedder(model, threads, device, image_cache, precision, extraction, dimensions)
    from elva.evaluation.embed import embed_root

    with Watching() as watch:
        store = embed_root(root, embedder, out, selection, watch)
    _tell(out, store.counts)


def _tell(out: Path, counts: Counts) -> None:
    typer.echo(
        f"{out}: {counts.embedded:,} vectors; {counts.forced_ret:,} summaries without [RET] "
        f"of their own, {counts.truncated:,} texts cut, {counts.skipped_rows:,} bad rows left out"
    )


def _gpus(device: str, gpus: float | None) -> float | None:
    """`--ray-gpus`; none where the CPU is asked for."""
    return 0.0 if gpus is None and device == "cpu" else gpus
