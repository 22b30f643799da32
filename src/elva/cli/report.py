"""`elva report` and `elva project`: what experiments found, and what models see, for people to look at."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from elva.cli.options import (
    Device,
    ImageCache,
    Instruction,
    Precision,
    PrecisionOption,
    Root,
    Split,
    Threads,
    Watching,
    instruction_choice,
    load_embedder,
)


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.command()(report)
    app.command()(project)


def report(
    results: Annotated[
        list[Path],
        typer.Argument(metavar="RESULTS...", help="Raw records of runs, or folders of them.", show_default=False),
    ],
    out: Annotated[Path, typer.Option(help="Page to write; summary.json goes beside it.", show_default=False)],
    dominant: Annotated[
        list[str] | None,
        typer.Option(
            help="Kind of grain that mostly suffices; the others are minor. Repeat for more. "
            "Default: what the records say.",
            show_default=False,
        ),
    ] = None,
    show: Annotated[
        list[str] | None,
        typer.Option(
            help="Arm for the plots by kind of grain; repeat for more. "
            "Default: baseline, strongest control, default, best candidates.",
            show_default=False,
        ),
    ] = None,
    table: Annotated[
        Path | None,
        typer.Option(help="Markdown file: the tables go between its evidence marks.", show_default=False),
    ] = None,
    images: Annotated[Path | None, typer.Option(help="Folder for the plots as SVG files.", show_default=False)] = None,
) -> None:
    """Evaluate an experiment from its raw records alone: statistics, tables, plots.

    Leaves one self-contained page, and summary.json with every mean, spread, interval and p-value.

    Examples:

        elva report experiments/results/stage3 --out stage3/report.html
        elva report experiments/results --out report.html --table docs/evidence.md --images docs/images
    """
    from elva.analysis.evidence.report import SUMMARY, write_evidence

    sections = write_evidence(results, out, dominant=dominant or (), show=show or (), document=table, images=images)
    for section in sections:
        typer.echo(section.name)
        for line in section.verdict:
            typer.echo(f"  {line}")
    typer.echo(f"{out} and {out.with_name(SUMMARY)}")


def project(
    root: Root,
    models: Annotated[
        list[str],
        typer.Option(
            "--model",
            "-m",
            help="Checkpoint folder, or a folder made by `elva embed`; repeat to compare.",
            show_default=False,
        ),
    ],
    dataset: Annotated[str, typer.Option(help="Data set of the queries.", show_default=False)],
    queries: Annotated[
        list[str],
        typer.Option("--query", "-q", help="Query id, as 101:17; repeat for more.", show_default=False),
    ],
    out: Annotated[Path, typer.Option(help="Picture to write: .svg, .png or .pdf.", show_default=False)],
    split: Split = "test",
    easy: Annotated[int, typer.Option(help="Random candidates beside them, per query.", min=1)] = 40,
    seed: Annotated[int, typer.Option(help="Of the random candidates and the projection.")] = 0,
    instruction: Instruction = "0",
    image_cache: ImageCache = None,
    device: Device = "auto",
    precision: PrecisionOption = Precision.auto,
    threads: Threads = None,
) -> None:
    """Draw queries, their positives and near misses as models see them: in two dimensions, by t-SNE.

    Needs scikit-learn: pip install "elva-retrieval[analysis]".

    Example:

        elva project demo/world -m stage2/model -m elva/model --dataset mrbench -q 101:17 -q 101:40 --out seen.png
    """
    choice = instruction_choice(instruction)
    from elva.analysis.projection import ask, check_drawing, draw, embed_asked
    from elva.evaluation.store import VectorStore

    check_drawing(out)
    asked = ask(root, dataset, queries, split, easy, seed)
    seen = {}
    with Watching() as watch:
        for model in models:
            if (Path(model) / "ids.jsonl").is_file():
                seen[_title(model)] = VectorStore.load(Path(model))
            else:
                embedder = load_embedder(model, threads, device, image_cache, precision)
                seen[_title(model)] = embed_asked(asked, embedder, choice, watch)
    draw(asked, seen, out, seed)
    typer.echo(f"{out}: {len(queries)} queries as {len(seen)} models see them")


def _title(model: str) -> str:
    """The path of a model as people read it: runs/elva/model is runs/elva."""
    return model.rstrip("/").removesuffix("/model")
