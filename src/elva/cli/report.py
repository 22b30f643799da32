"""`elva report` and `elva project`: what was found, and what models see, for people to look at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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

if TYPE_CHECKING:
    from elva.analysis.tables.contents import Asked


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.command()(report)
    app.command()(project)


EVALUATIONS, RECORDS = "Of evaluations", "Of an experiment"
"""Panels of `elva report --help`: each option is of the one kind of report or the other."""


def report(
    out: Annotated[
        Path, typer.Option(help="Page to write (.html); what belongs to it goes beside.", show_default=False)
    ],
    places: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME=]FOLDER...",
            help="Evaluations, or folders that hold some, such as a RUN; the same name joins those of one model. "
            "Or the raw records of an experiment.",
            show_default=False,
        ),
    ] = None,
    held_out: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[NAME=]FOLDER",
            help="Evaluation of a model that was trained without the tasks it is judged on; repeat for more.",
            show_default=False,
            rich_help_panel=EVALUATIONS,
        ),
    ] = None,
    ablation: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[NAME=]FOLDER",
            help="Evaluation of a form of stage 3: whole, or named as in recipes/ablations; repeat for more.",
            show_default=False,
            rich_help_panel=EVALUATIONS,
        ),
    ] = None,
    plug_in: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[NAME=]FOLDER",
            help="Evaluation of another retriever, before or after stage 3; repeat for more.",
            show_default=False,
            rich_help_panel=EVALUATIONS,
        ),
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(
            help="Name of the model that the others are tested against. Default: the first.",
            show_default=False,
            rich_help_panel=EVALUATIONS,
        ),
    ] = None,
    root: Annotated[
        Path | None,
        typer.Option(
            help="Data folder: shows what that model and the last one found, in pictures.",
            show_default=False,
            rich_help_panel=EVALUATIONS,
        ),
    ] = None,
    dominant: Annotated[
        list[str] | None,
        typer.Option(
            help="Kind of grain that mostly suffices; the others are minor. Repeat for more. "
            "Default: what the records say.",
            show_default=False,
            rich_help_panel=RECORDS,
        ),
    ] = None,
    show: Annotated[
        list[str] | None,
        typer.Option(
            help="Arm for the plots by kind of grain; repeat for more. "
            "Default: baseline, strongest control, default, best candidates.",
            show_default=False,
            rich_help_panel=RECORDS,
        ),
    ] = None,
    table: Annotated[
        Path | None,
        typer.Option(
            help="Markdown file: the tables go between its marks, tables or evidence.",
            show_default=False,
        ),
    ] = None,
    images: Annotated[Path | None, typer.Option(help="Folder for the plots as SVG files.", show_default=False)] = None,
) -> None:
    """Make the paper's tables from evaluations, or evaluate an experiment from its raw records.

    Of evaluations: each table of the paper that they have figures for, with the published rows beside ours; tests of
    every model against one of them; distances, retrieved examples and reward curves. Beside the page lie the tables as
    Markdown, LaTeX and JSON.

    Of records: statistics, tables, plots. Beside the page lies summary.json with every mean, spread, interval and
    p-value.

    Examples:

        elva report stage2=runs/stage2 elva=runs/elva --root demo/world --out tables/report.html
        elva report runs/7b/stage3 --held-out runs/7b/held_out_stage3 --ablation whole=runs/7b/stage3 --out 7b.html
        elva report experiments/results/stage3 --out stage3/report.html
        elva report experiments/results --out report.html --table docs/evidence-tables.md --images docs/images
    """
    from elva.analysis.tables.contents import Asked
    from elva.analysis.tables.evaluations import holds_evaluations

    asked = Asked(places or (), held_out or (), ablation or (), plug_in or (), against)
    of_evaluations = {"--held-out": held_out, "--ablation": ablation, "--plug-in": plug_in}
    if any(of_evaluations.values()) or any(map(holds_evaluations, asked.places)):
        _refuse("evaluations", {"--dominant": dominant, "--show": show})
        _tell_tables(asked, out, root, table, images)
    elif asked.places:
        _refuse("records of an experiment", {"--against": against, "--root": root})
        _tell_evidence(list(map(Path, asked.places)), out, dominant or (), show or (), table, images)
    else:
        raise typer.BadParameter("give folders of `elva evaluate`, or records of `elva experiment`")


def _refuse(what: str, given: Mapping[str, object]) -> None:
    """Options of the other kind of report say nothing about this one."""
    for option, value in given.items():
        if value:
            raise typer.BadParameter(f"{option} says nothing about {what}: leave it out")


def _tell_tables(asked: Asked, out: Path, root: Path | None, table: Path | None, images: Path | None) -> None:
    from elva.analysis.tables.report import write_tables

    written = write_tables(asked, out, root=root, document=table, images=images)
    for each in written.contents.tables:
        typer.echo(each.markdown())
    for line in [*written.contents.verdicts, *(f"warning: {each}" for each in written.contents.warnings)]:
        typer.echo(line)
    typer.echo(", ".join(map(str, written.files)))


def _tell_evidence(
    places: Sequence[Path],
    out: Path,
    dominant: Sequence[str],
    show: Sequence[str],
    table: Path | None,
    images: Path | None,
) -> None:
    from elva.analysis.evidence.report import SUMMARY, write_evidence

    sections = write_evidence(places, out, dominant=dominant, show=show, document=table, images=images)
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
