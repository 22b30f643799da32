"""`elva index`: a folder of pictures, a table or a data folder becomes searchable."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from elva.cli.options import (
    Datasets,
    Device,
    Dimensions,
    ExtractionOption,
    ImageCache,
    ModelName,
    Precision,
    PrecisionOption,
    Split,
    Tasks,
    Threads,
    Watching,
    load_embedder,
)

if TYPE_CHECKING:
    from elva.index.build import BuildReport


class Store(StrEnum):
    """What an index is kept in."""

    auto = "auto"
    lance = "lance"
    exact = "exact"
    milvus = "milvus"


class Consistency(StrEnum):
    """How fresh what a reader of Milvus is given must be; the names of `elva.index.address.Consistency`."""

    strong = "Strong"
    session = "Session"
    bounded = "Bounded"
    eventually = "Eventually"


class Codes(StrEnum):
    """What a store looks through; the names of `elva.index.protocol.Codes`."""

    none = "none"
    int8 = "int8"
    binary = "binary"


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(index)


def index(
    source: Annotated[
        Path,
        typer.Argument(help="Folder of pictures, table (CSV, TSV, JSONL, Parquet) or data folder.", show_default=False),
    ],
    model: ModelName,
    out: Annotated[Path, typer.Option(help="Index folder to make, or to bring up to date.", show_default=False)],
    store: Annotated[
        Store,
        typer.Option(
            help="lance: on disk, for many items; exact: in memory; milvus: on other machines, see --uri; "
            "auto: lance where it is installed."
        ),
    ] = Store.auto,
    uri: Annotated[
        str | None,
        typer.Option(
            help="Of --store milvus: address of the server, or the path of a Milvus Lite, which ends in .db.",
            show_default=False,
        ),
    ] = None,
    collection: Annotated[
        str | None,
        typer.Option(help="Of --store milvus: name of the collection. Default: elva_ and OUT's.", show_default=False),
    ] = None,
    token_env: Annotated[
        str | None,
        typer.Option(
            help="Of --store milvus: environment variable that holds the token, such as user:password.",
            show_default=False,
        ),
    ] = None,
    consistency: Annotated[
        Consistency, typer.Option(help="Of --store milvus: how fresh what searches find must be.")
    ] = Consistency.strong,
    strict: Annotated[bool, typer.Option("--strict", help="Stop if an item can't be used, before any work.")] = False,
    images: Annotated[
        Path | None, typer.Option(help="Of a table: folder of its images. Default: the table's.", show_default=False)
    ] = None,
    image_column: Annotated[str, typer.Option(help="Of a table: column of the image path.")] = "image",
    text_column: Annotated[str, typer.Option(help="Of a table: column of the title or description.")] = "title",
    id_column: Annotated[
        str | None,
        typer.Option(help="Of a table: column of your ids. Default: id, else the line number.", show_default=False),
    ] = None,
    split: Split = "test",
    datasets: Datasets = None,
    tasks: Tasks = None,
    vectors: Annotated[
        Path | None,
        typer.Option(
            help="Of a data folder: what elva embed made of it, on one machine or many (--ray). What it holds is not "
            "embedded again; pictures must be those that were embedded.",
            show_default=False,
        ),
    ] = None,
    extraction: ExtractionOption = None,
    dimensions: Dimensions = None,
    codes: Annotated[
        Codes | None,
        typer.Option(
            help="What lance looks through when there are many items: int8, a quarter of the vectors' bytes; binary, "
            "about a thirtieth; none: the vectors. The nearest are compared whole. Default: none, or as it is.",
            show_default=False,
        ),
    ] = None,
    image_cache: ImageCache = None,
    device: Device = "auto",
    precision: PrecisionOption = Precision.auto,
    threads: Threads = None,
) -> None:
    """Index pictures and texts for searching, or bring an index up to date.

    Only what is new or changed since the last time is embedded, and what the source holds no more is removed. A run
    that was stopped goes on where it was. What can't be used, such as a broken picture, is left out and listed.

    Of a data folder --split, --dataset and --task choose whose candidates are indexed. The other columns of a table,
    the names and sizes of pictures, and the src_content of candidates can be asked about in a search (--where).

    Examples:

        elva index photos --model runs/elva/model --out runs/photos
        elva index products.csv --text-column name --id-column sku --model runs/elva/model --out runs/products
        elva index demo/world --dataset mrbench --model runs/elva/model --out runs/elva/index
        elva index photos --model runs/elva/model --out runs/photos --store milvus --uri http://milvus:19530
        elva index demo/world --model runs/elva/model --vectors runs/elva/vectors --out runs/elva/index
        elva index photos --model runs/stage2_nested/model --dimensions 32 --out runs/photos-32
        elva index photos --model runs/elva/model --codes binary --out runs/photos-binary
        elva index photos --model runs/stage2_prefill/model --extraction prefill --out runs/photos-fast
    """
    from elva.index.address import Address
    from elva.index.folder import INDEX
    from elva.index.sources.choosing import choose_source
    from elva.index.sources.pools import Pools

    chosen = choose_source(
        source,
        without=out,
        split=split,
        datasets=datasets or (),
        tasks=tasks or (),
        images=images,
        image_column=image_column,
        text_column=text_column,
        id_column=id_column,
    )
    if uri is None and (collection or token_env or consistency is not Consistency.strong):
        raise typer.BadParameter("give --uri with --collection, --token-env and --consistency")
    if vectors is not None and not isinstance(chosen, Pools):
        raise typer.BadParameter(f"--vectors go with a data folder, and {source} is {chosen.kind}")
    if uri is not None and store is Store.auto:
        store = Store.milvus
    require_together(store, uri, codes, new=not (out / INDEX.marker).is_file())
    address = None if uri is None else Address.checked(uri, out, collection, token_env, consistency)
    embedder = load_embedder(model, threads, device, image_cache, precision, extraction, dimensions)
    from elva.index.build import build_index

    made = None
    if vectors is not None:
        from elva.encoding import ModelIdentity
        from elva.evaluation.made import MadeCandidates

        made = MadeCandidates.of(vectors, chosen.path, ModelIdentity.of(embedder))
    path = str(Path(model).resolve()) if Path(model).is_dir() else model
    with Watching() as watch:
        report = build_index(
            chosen,
            embedder,
            out,
            model=path,
            store=store,
            address=address,
            codes=None if codes is None else codes.value,
            made=made,
            strict=strict,
            watch=watch,
        )
    _tell(report, source, out)


def require_together(store: Store, uri: str | None, codes: Codes | None, *, new: bool) -> None:
    """Refuse options that don't go together before a model is loaded; stores refuse them too, for who calls them."""
    if store is Store.milvus and uri is None and new:
        raise typer.BadParameter("--store milvus needs --uri: http://host:19530, or folder/name.db")
    if uri is not None and store is not Store.milvus:
        raise typer.BadParameter(f"--uri is for --store milvus, and --store {store.value} lies in its folder")
    if codes not in (None, Codes.none) and store in (Store.exact, Store.milvus):
        raise typer.BadParameter(f"--codes are LanceDB's: the store {store.value} compares whole vectors")


def _tell(report: BuildReport, source: Path, out: Path) -> None:
    from elva.index.lance import INDEXED_FROM

    for error in report.left_out:
        typer.echo(f"left out: {error}", err=True)
    stats = report.stats
    typer.echo(f"{source}: {report.kind}")
    typer.echo(
        f"{report.new:,} new, {report.changed:,} changed, {report.unchanged:,} unchanged, {report.gone:,} gone, "
        f"{len(report.left_out):,} left out; {report.embedded:,} embedded, {report.forced_ret:,} summaries without "
        f"[RET] of their own, {report.truncated:,} texts cut"
    )
    if report.taken:
        typer.echo(f"{report.taken:,} were embedded before: their vectors are those of --vectors")
    typer.echo(
        f"{out}: {stats.items:,} items, {stats.images:,} of them with an image; {stats.bytes / 1e6:,.1f} MB of vectors "
        f"of {stats.model.name}, store {stats.store}, version {stats.version}"
    )
    if stats.codes != "none":
        typer.echo(f"Codes: {stats.codes}, from {INDEXED_FROM:,} items on; fewer are compared whole")
    if stats.store == "exact":
        typer.echo('It is searched in memory. For many items: pip install "elva-retrieval[lancedb]", and --store lance')
    typer.echo(f'Search it with: elva search {out} "..."\nor on a page:   elva serve {out}')
