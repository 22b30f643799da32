"""`elva index` and `elva search`: using a retriever."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from elva.cli.options import (
    Datasets,
    Device,
    ImageCache,
    ModelName,
    Precision,
    PrecisionOption,
    Rerank,
    RerankCosine,
    RerankMode,
    RerankModel,
    RerankModeOption,
    Root,
    SkipBadRows,
    Split,
    Tasks,
    Threads,
    Watching,
    check_rerank,
    load_embedder,
    load_reranker,
)
from elva.errors import InputError

if TYPE_CHECKING:
    from elva.index.protocol import Hit
    from elva.search.hits import Rescored

PIPE_WIDTH = 160
SHEETS = (".png", ".jpg", ".jpeg")
MODEL_FILE = "model.json"
"""Where an index keeps the path of its model, so that a search need not name it again."""


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.command()(index)
    app.command()(search)


def index(
    root: Root,
    model: ModelName,
    out: Annotated[Path, typer.Option(help="Index folder to write.", show_default=False)],
    split: Split = "test",
    datasets: Datasets = None,
    tasks: Tasks = None,
    skip_bad_rows: SkipBadRows = False,
    image_cache: ImageCache = None,
    device: Device = "auto",
    precision: PrecisionOption = Precision.auto,
    threads: Threads = None,
) -> None:
    """Index the candidates of a data folder for searching.

    Every row and image is looked at first; one that can't be used, such as a missing image, stops the
    command, or is left out and listed with --skip-bad-rows.

    Example:

        elva index demo/world --dataset mrbench --model runs/elva/model --out runs/elva/index
    """
    embedder = load_embedder(model, threads, device, image_cache, precision)
    from elva.index.build import build_index

    with Watching() as watch:
        report = build_index(
            root,
            embedder,
            out,
            split=split,
            datasets=datasets or (),
            tasks=tasks or (),
            skip_bad_rows=skip_bad_rows,
            watch=watch,
        )
    path = str(Path(model).resolve()) if Path(model).is_dir() else model
    (out / MODEL_FILE).write_text(json.dumps({"path": path}), encoding="utf-8")
    for error in report.skipped:
        typer.echo(f"left out: {error}", err=True)
    typer.echo(
        f"{out}: {report.stats.items:,} items, {report.stats.images:,} of them with an image; "
        f"{len(report.skipped):,} left out, {report.forced_ret:,} summaries without [RET] "
        f"of their own, {report.truncated:,} texts cut"
    )
    typer.echo(f'Search it with: elva search {out} "..."')


def search(
    index: Annotated[Path, typer.Argument(help="Folder made by `elva index`.", show_default=False)],
    text: Annotated[str | None, typer.Argument(help="What to look for.", show_default=False)] = None,
    image: Annotated[Path | None, typer.Option(help="An image to look for, with or without a text.")] = None,
    instruction: Annotated[str | None, typer.Option(help="What kind of thing is wanted, as in training.")] = None,
    top: Annotated[int, typer.Option("--top", "-k", help="How many results.", min=1)] = 10,
    sheet: Annotated[
        Path | None,
        typer.Option(help="Contact sheet to write. Default: INDEX/last-search.png."),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option("--model", "-m", help="Default: the model the index was made with."),
    ] = None,
    rerank: Rerank = None,
    rerank_model: RerankModel = None,
    rerank_mode: RerankModeOption = RerankMode.likelihood,
    rerank_cosine: RerankCosine = 100.0,
    device: Device = "auto",
    precision: PrecisionOption = Precision.auto,
    threads: Threads = None,
) -> None:
    """Search an index with words, an image, or both.

    Prints the model's summary of the query and of each hit, and writes a contact sheet.

    Examples:

        elva search runs/elva/index "a small red striped triangle above a large cyan house with dots"
        elva search runs/elva/index --image photo.jpg
        elva search runs/elva/index "the same, but green" --image photo.jpg -k 20
        elva search runs/elva/index "a red heart" --rerank 200
    """
    from elva.items import Item
    from elva.media import load_image

    query = Item(text=text, image=image, instruction=instruction)
    _check_sheet(sheet)
    check_rerank(rerank, rerank_model)
    if image is not None:
        load_image(image)  # a bad image is told before the seconds that loading a model takes
    from elva.encoding import ModelIdentity
    from elva.index.exact import ExactIndex
    from elva.index.folder import INDEX, read_meta

    read_meta(index, INDEX)  # so is a folder that is no index
    embedder = load_embedder(model or _model_of(index), threads, device, None, precision)

    opened = ExactIndex.open(index, ModelIdentity.of(embedder))
    encoding = embedder.embed([query])
    hits = opened.search(encoding.vectors, max(top, rerank or 0))[0]
    scores: list[float | None] | None = None
    if rerank is not None:
        from elva.search.hits import rerank as reranked

        scorer = load_reranker(rerank_mode, embedder, rerank_model, device, precision, None)
        summary = encoding.summaries[0] if rerank_model is None else ""
        found = reranked(scorer, query, summary, hits[:rerank], opened.image_path, rerank_cosine)
        _tell_unscored(found)
        typer.echo(f"Ranked by {rerank_mode.value} (nats) + {rerank_cosine:g} x cosine: the first {len(found)}")
        hits = [*(each.hit for each in found), *hits[rerank:]]
        scores = [each.score for each in found]
    hits = hits[:top]
    _print_hits(query.label(), encoding.summaries[0], hits, scores)
    from elva.analysis.sheet import contact_sheet, save_sheet, tiles

    picture = contact_sheet(query, encoding.summaries[0], tiles(hits, opened))
    save_sheet(picture, sheet or index / "last-search.png")
    typer.echo(f"Contact sheet: {sheet or index / 'last-search.png'}")


def _model_of(index: Path) -> str:
    """The path of the model that `elva index` noted down."""
    try:
        path = str(json.loads((index / MODEL_FILE).read_text(encoding="utf-8"))["path"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{index} doesn't say which model made it; make it with `elva index`, or give --model"
        ) from error
    if Path(path).is_absolute() and not Path(path).is_dir():
        raise InputError(f"{index} was made with the model {path}, which is not there any more; give --model")
    return path


def _check_sheet(sheet: Path | None) -> None:
    """Refuse a contact sheet that could not be written, before the search."""
    if sheet is not None and sheet.suffix.lower() not in SHEETS:
        raise InputError(f"--sheet {sheet}: give a file that ends in {' or '.join(SHEETS)}")
    if sheet is not None and sheet.is_dir():
        raise InputError(f"--sheet {sheet} is a folder; give a file")


def _tell_unscored(found: list[Rescored]) -> None:
    lost = [each.hit.entry.id for each in found if each.score is None]
    if lost and len(lost) == len(found):
        typer.echo("not reranked: there are no words to score by", err=True)
    elif lost:
        typer.echo(f"not reranked: {len(lost):,} results whose picture can't be read, {lost[0]} for one", err=True)


def _print_hits(query: str, summary: str, hits: list[Hit], scores: list[float | None] | None = None) -> None:
    """The hits as a table, with the scores of the first of them where there are any."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    # where nobody watches, as in a pipe, lines are wide enough not to break names
    console = Console(width=None if sys.stdout.isatty() else PIPE_WIDTH)
    console.print(Text(f"Query: {query}"))
    if summary:
        console.print(Text(f"The model reads it as: {summary}"))
    columns = ["#", "cosine", *(["nats"] if scores is not None else []), "id", "text or image", "the model's summary"]
    table = Table(*columns)
    for place, hit in enumerate(hits):
        shown = hit.entry.text or hit.entry.image or ""
        score = scores[place] if scores is not None and place < len(scores) else None
        table.add_row(
            str(hit.rank),
            f"{hit.score:.3f}",
            *([] if scores is None else ["-" if score is None else f"{score:.2f}"]),
            Text(hit.entry.id),
            Text(shown),
            Text(hit.entry.summary),
        )
    console.print(table)
