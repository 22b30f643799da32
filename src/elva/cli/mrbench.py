"""`elva mrbench`: a benchmark of queries with several grains, built, looked through, built again."""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from elva.cli.options import (
    Datasets,
    Device,
    Precision,
    PrecisionOption,
    Root,
    SkipBadRows,
    Split,
    Tasks,
    Threads,
    Watching,
    load_embedder,
)

if TYPE_CHECKING:
    from elva.mrbench.asking import Asker

Benchmark = Annotated[Path, typer.Argument(help="Folder made by `elva mrbench build`.", show_default=False)]
Decisions = Annotated[
    list[Path] | None,
    typer.Option("--decisions", help="File that the review page saved; repeat for more.", show_default=False),
]


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    group = typer.Typer(no_args_is_help=True, help="Build a benchmark of queries with several grains.")
    group.callback()(_group)
    group.command()(build)
    group.command()(review)
    group.command()(agreement)
    app.add_typer(group, name="mrbench")


def _group() -> None:
    """Build a benchmark of queries with several grains."""


def build(
    root: Root,
    out: Annotated[Path, typer.Option(help="Data folder to make; replaces an older build.", show_default=False)],
    split: Split = "test",
    datasets: Datasets = None,
    tasks: Tasks = None,
    total: Annotated[int, typer.Option(help="Queries in all, the same number of each task.", min=1)] = 1000,
    min_grains: Annotated[int, typer.Option(help="Grains that a query has at least.", min=1)] = 2,
    seed: Annotated[int, typer.Option(help="The same seed draws the same queries.", min=0)] = 0,
    captions: Annotated[
        Path | None,
        typer.Option(help="File of `elva caption`: words for queries that are a picture alone.", show_default=False),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option("--model", "-m", help="Checkpoint folder to ask for the grains.", show_default=False),
    ] = None,
    endpoint: Annotated[
        str | None,
        typer.Option(
            help="Address of an OpenAI-compatible server to ask, as http://localhost:8000/v1.", show_default=False
        ),
    ] = None,
    endpoint_model: Annotated[
        str | None, typer.Option(help="Name of the model at that address.", show_default=False)
    ] = None,
    endpoint_key: Annotated[
        str | None,
        typer.Option(help="Name of the environment variable that holds its key.", show_default=False),
    ] = None,
    answers: Annotated[
        Path | None,
        typer.Option(help="File that keeps what a model answers. Default: OUT.answers.jsonl.", show_default=False),
    ] = None,
    decisions: Decisions = None,
    pool_size: Annotated[
        int | None,
        typer.Option(
            help="Cut each pool to what its queries name and others drawn up to this size. Default: pools stay whole.",
            min=1,
            show_default=False,
        ),
    ] = None,
    own_images: Annotated[
        bool, typer.Option("--own-images", help="Hard-link the images that rows name, instead of one link to ROOT's.")
    ] = False,
    skip_bad_rows: SkipBadRows = False,
    device: Device = "auto",
    precision: PrecisionOption = Precision.auto,
    threads: Threads = None,
) -> None:
    """Draw the queries of a data folder that carry two or more grains into a data folder of their own.

    By default 1,000 of M-BEIR's test queries, as in the paper: 250 each of MSCOCO text to image and image to text,
    NIGHTS image to image, CIRR image and text to image. --dataset and --task choose others.

    Grains are those that the data list, else found by rule: in the query's text, or where a picture is all there is, in
    its caption (--captions) or the text of its first positive. Or a multimodal model is asked for entities, attributes,
    actions and relations: a checkpoint (--model) or one behind an address (--endpoint). Its answers are kept as they
    come, so the same command goes on where it was killed, and a second build asks about new queries only.

    With --decisions, what people rejected makes room for the next queries in the order that the seed draws.

    Examples:

        elva mrbench build M-BEIR --out mrbench --model Qwen2.5-VL-7B-Instruct
        elva mrbench build M-BEIR --out mrbench --endpoint http://localhost:8000/v1 --endpoint-model qwen2.5-vl-7b
        elva mrbench build demo/world --dataset world --task 0 --task 3 --task 7 --total 300 --out world-mrbench
        elva mrbench build M-BEIR --out mrbench --model Qwen2.5-VL-7B-Instruct --decisions decisions-first.json
    """
    if (endpoint is None) != (endpoint_model is None):
        raise typer.BadParameter("give --endpoint URL and --endpoint-model NAME together")
    if sum(each is not None for each in (model, endpoint, captions)) > 1:
        raise typer.BadParameter("give one of --captions, --model and --endpoint")
    from elva.mrbench.build import build as draw
    from elva.mrbench.decisions import read_reviews
    from elva.mrbench.finding import Asked, Finder, Rules
    from elva.served.answers import Answers

    reviews = read_reviews(decisions or ())
    with ExitStack() as stack:
        if model is not None or endpoint is not None:
            kept = stack.enter_context(Answers(answers or out.with_name(f"{out.name}.answers.jsonl")))
            asker = (
                _endpoint(endpoint, endpoint_model or "", endpoint_key)
                if endpoint is not None
                else _local(str(model), threads, device, precision)
            )
            finder: Finder = Asked(asker, kept)
        elif captions is not None:
            from elva.training.prepared import read_captions

            finder = Rules(read_captions(captions))
        else:
            finder = Rules()
        watch = stack.enter_context(Watching())
        report = draw(
            root,
            out,
            finder,
            split=split,
            datasets=datasets or (),
            tasks=tasks or (),
            total=total,
            min_grains=min_grains,
            seed=seed,
            reviews=reviews,
            pool_size=pool_size,
            own_images=own_images,
            skip_bad_rows=skip_bad_rows,
            watch=watch,
        )
    for line in report.lines():
        typer.echo(line)
    typer.echo(f"{out}: {sum(len(each.queries) for each in report.tasks):,} queries; its README.md says more")


def review(
    root: Benchmark,
    out: Annotated[Path, typer.Option(help="Page to write: one HTML file.", show_default=False)],
    sample: Annotated[int, typer.Option(help="Queries on it, of all tasks in turn.", min=1)] = 100,
    seed: Annotated[int, typer.Option(help="The same seed draws the same queries.", min=0)] = 0,
    decisions: Decisions = None,
) -> None:
    """Write a page on which people accept or reject a sample of the queries.

    It is one file that needs nothing beside it and sends nothing anywhere: open it in a browser, or send it to others.
    Decisions stay in the browser until they are saved as a file, decisions-NAME.json. With --decisions the page shows
    what nobody decided yet.

    Example:

        elva mrbench review mrbench --out review.html
    """
    from elva.mrbench.decisions import read_reviews
    from elva.mrbench.review import write_review

    with Watching() as watch:
        page = write_review(root, out, sample=sample, seed=seed, reviews=read_reviews(decisions or ()), watch=watch)
    if page.missing:
        typer.echo(f"warning: {page.missing:,} pictures on it are missing and shown as grey squares")
    typer.echo(f"{out} shows {page.samples:,} of the {page.undecided:,} queries that nobody has decided yet")


def agreement(
    decisions: Annotated[
        list[Path],
        typer.Argument(metavar="DECISIONS...", help="Files that the review page saved.", show_default=False),
    ],
) -> None:
    """Tell how many samples people accept, and how far they agree.

    A sample is kept if more accept than reject it. Kappa is the agreement beyond that of chance, at most 1: Cohen's for
    two people, Fleiss' for more.

    Example:

        elva mrbench agreement decisions-first.json decisions-second.json
    """
    from elva.mrbench.agreement import Agreement
    from elva.mrbench.decisions import read_reviews

    for line in Agreement.of(read_reviews(decisions)).lines():
        typer.echo(line)


def _endpoint(url: str, model: str, key: str | None) -> Asker:
    from elva.mrbench.served import Served
    from elva.served.endpoint import Endpoint

    if key is not None and not os.environ.get(key):
        raise typer.BadParameter(f"--endpoint-key {key}: there is no such environment variable, or it is empty")
    return Served(Endpoint(url, model, key=os.environ[key] if key else None))


def _local(model: str, threads: int | None, device: str, precision: Precision) -> Asker:
    embedder = load_embedder(model, threads, device, None, precision)
    from elva.mrbench.local import Local

    return Local(embedder)
