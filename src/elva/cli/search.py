"""`elva search`: asking an index."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from elva.cli.options import (
    Device,
    Precision,
    PrecisionOption,
    Rerank,
    RerankCosine,
    RerankMode,
    RerankModel,
    RerankModeOption,
    Threads,
    check_rerank,
    load_reranker,
    load_searching,
)
from elva.errors import InputError

if TYPE_CHECKING:
    from elva.index.protocol import Hit

PIPE_WIDTH = 160
SHEETS = (".png", ".jpg", ".jpeg")


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(search)


def search(
    index: Annotated[Path, typer.Argument(help="Folder made by `elva index`.", show_default=False)],
    text: Annotated[str | None, typer.Argument(help="What to look for.", show_default=False)] = None,
    image: Annotated[Path | None, typer.Option(help="An image to look for, with or without a text.")] = None,
    instruction: Annotated[str | None, typer.Option(help="What kind of thing is wanted, as in training.")] = None,
    where: Annotated[
        str | None,
        typer.Option(
            help="What metadata must satisfy, such as 'colour = red and not price >= 40'.", show_default=False
        ),
    ] = None,
    match: Annotated[
        str | None,
        typer.Option(help="Words that must all stand in a result's text or summary.", show_default=False),
    ] = None,
    hybrid: Annotated[
        bool, typer.Option("--hybrid", help="Rank by the text's words, too (BM25), and fuse both rankings.")
    ] = False,
    top: Annotated[int, typer.Option("--top", "-k", help="How many results.", min=1)] = 10,
    sheet: Annotated[
        Path | None,
        typer.Option(help="Contact sheet to write. Default: INDEX/last-search.png."),
    ] = None,
    without: Annotated[
        list[str] | None,
        typer.Option("--without", help="What results should not be like; repeat for more.", show_default=False),
    ] = None,
    fold: Annotated[bool, typer.Option("--fold/--no-fold", help="Leave near-duplicates of a result out.")] = True,
    model: Annotated[
        str | None,
        typer.Option("--model", "-m", help="Default: the model the index was made with."),
    ] = None,
    rerank: Rerank = None,
    rerank_model: RerankModel = None,
    rerank_mode: RerankModeOption = RerankMode.likelihood,
    rerank_cosine: RerankCosine = None,
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
        elva search runs/elva/index "a red circle" --without striped
        elva search runs/products "warm shoes" --where "price < 40 and season in (Fall, Winter)" --match leather
        elva search runs/products "nike air max 90" --hybrid
        elva search runs/elva/index "a red heart" --rerank 200
        elva search runs/elva/fast-index "a red heart" --rerank 50 --rerank-mode vectors
    """
    from elva.items import Item
    from elva.media import load_image

    item = Item(text=text, image=image, instruction=instruction)
    minus = tuple(Item(text=each) for each in without or ())
    _check_sheet(sheet)
    check_rerank(rerank, rerank_model)
    if image is not None:
        load_image(image)  # a bad image is told before the seconds that loading a model takes
    from elva.encoding import ModelIdentity
    from elva.index.condition import parse
    from elva.index.opening import open_index
    from elva.index.pointer import Pointer

    known = Pointer.read(index)  # so are a folder that is no index, and a condition that can't be read
    condition = None if where is None else parse(where, known.fields)
    embedder = load_searching(index, model, threads, device, precision)
    opened = open_index(index, ModelIdentity.of(embedder))
    scorer = load_reranker(rerank_mode, embedder, rerank_model, device, precision, None) if rerank else None
    from elva.search.query import Query
    from elva.search.scoring import worth_of
    from elva.search.searcher import Searcher

    query = Query(item, minus, (), (), condition, match, top, rerank, fold, hybrid)
    cosine = worth_of(rerank_mode.value) if rerank_cosine is None else rerank_cosine
    (answer,) = Searcher(embedder, opened, scorer, cosine).search([query])
    for note in answer.notes:
        typer.echo(note, err=True)
    unit = "second cosine" if rerank_mode is RerankMode.vectors else "nats"
    if hybrid:
        typer.echo("Found by cosine and by words (BM25) together: both rankings were fused")
    if rerank is not None:
        typer.echo(f"Ranked by {rerank_mode.value} ({unit}) + {cosine:g} x cosine: the first {rerank}")
    hits = [each.hit for each in answer.results]
    scores = [each.likelihood for each in answer.results] if rerank is not None else None
    print_hits(item.label(), answer.summary, hits, scores, unit)
    if answer.folded:
        typer.echo(f"{answer.folded:,} near-duplicates of these are left out; --no-fold shows them")
    from elva.analysis.sheet import contact_sheet, save_sheet, tiles

    picture = contact_sheet(item, answer.summary, tiles(hits, opened))
    save_sheet(picture, sheet or index / "last-search.png")
    typer.echo(f"Contact sheet: {sheet or index / 'last-search.png'}")


def _check_sheet(sheet: Path | None) -> None:
    """Refuse a contact sheet that could not be written, before the search."""
    if sheet is not None and sheet.suffix.lower() not in SHEETS:
        raise InputError(f"--sheet {sheet}: give a file that ends in {' or '.join(SHEETS)}")
    if sheet is not None and sheet.is_dir():
        raise InputError(f"--sheet {sheet} is a folder; give a file")


def print_hits(
    query: str, summary: str, hits: list[Hit], scores: list[float | None] | None = None, unit: str = "nats"
) -> None:
    """The hits as a table, with the scores of the first of them where there are any."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    # where nobody watches, as in a pipe, lines are wide enough not to break names
    console = Console(width=None if sys.stdout.isatty() else PIPE_WIDTH)
    console.print(Text(f"Query: {query}"))
    if summary:
        console.print(Text(f"The model reads it as: {summary}"))
    columns = ["#", "cosine", *([unit] if scores is not None else []), "id", "text or image", "the model's summary"]
    table = Table(*columns)
    for place, hit in enumerate(hits):
        shown = hit.entry.text or hit.entry.image or ""
        score = scores[place] if scores is not None and place < len(scores) else None
        table.add_row(
            str(hit.rank),
            f"{hit.score:.3f}",
            *([] if scores is None else ["-" if score is None else f"{score:.{2 if unit == 'nats' else 3}f}"]),
            Text(hit.entry.id),
            Text(shown),
            Text(hit.entry.summary),
        )
    console.print(table)
