"""`elva import`: a user's own table becomes a data folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from elva.cli.options import SkipBadRows, Watching


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command("import")(import_table)


def import_table(
    table: Annotated[Path, typer.Argument(help="CSV, TSV, JSONL or Parquet file.", show_default=False)],
    out: Annotated[Path, typer.Option(help="Data folder to make.", show_default=False)],
    attributes: Annotated[
        list[str],
        typer.Option(
            "--attribute",
            "-a",
            help="Column of an attribute that can be seen; repeat, in the order of speech. "
            "attributes.gender reaches into an object.",
            show_default=False,
        ),
    ],
    entity: Annotated[str, typer.Option(help="The attribute that says what the thing is.", show_default=False)],
    images: Annotated[
        Path | None,
        typer.Option(help="Folder of the images. Default: the table's.", show_default=False),
    ] = None,
    image_column: Annotated[str, typer.Option(help="Column of the image path.")] = "image",
    text_column: Annotated[str, typer.Option(help="Column of the title or description.")] = "title",
    id_column: Annotated[str | None, typer.Option(help="Column of your ids. Default: the line number.")] = None,
    split_column: Annotated[
        str | None, typer.Option(help="Column of train, val, test. Default: drawn from the id.")
    ] = None,
    query_attributes: Annotated[
        list[str] | None,
        typer.Option(
            "--query-attribute",
            help="An attribute that queries may name; repeat. Default: all.",
            show_default=False,
        ),
    ] = None,
    rename: Annotated[
        list[str] | None,
        typer.Option(help="COLUMN=KIND: call this column's attribute so.", show_default=False),
    ] = None,
    brand_from_text: Annotated[
        bool, typer.Option("--brand-from-text", help="Derive brands from how titles begin.")
    ] = False,
    queries: Annotated[int, typer.Option(help="Multi-grain queries per product.", min=1)] = 3,
    name: Annotated[str | None, typer.Option(help="Name of the data set. Default: the table's.")] = None,
    seed: Annotated[int, typer.Option(help="The same seed writes the same bytes.", min=0)] = 0,
    skip_bad_rows: SkipBadRows = False,
    link_images: Annotated[
        bool, typer.Option("--link-images", help="Hard-link the images instead of copying them.")
    ] = False,
) -> None:
    """Turn your own table of images, texts and attributes into a data folder.

    Derives text to image, image to text and image to image from the rows, and queries of several
    grains from the attributes. Items that share all of a query's grains are its positives.

    Example:

        elva import products.csv --out data/products --entity type -a colour -a type
    """
    options = locals() | {"query_attributes": query_attributes or (), "rename": _pairs(rename or [])}
    from elva.data.importer import import_table as write

    with Watching() as watch:
        report = write(**options, progress=watch("rows", None))  # the options bear the names of its parameters
    for error in report.skipped:
        typer.echo(f"left out: {error}", err=True)
    typer.echo(str(report))


def _pairs(texts: list[str]) -> dict[str, str]:
    pairs = {}
    for text in texts:
        column, equals, kind = text.partition("=")
        if not (column and equals and kind):
            raise typer.BadParameter(f"--rename takes COLUMN=KIND, not {text!r}")
        pairs[column] = kind
    return pairs
