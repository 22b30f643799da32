"""A user's own table of images, texts and attributes -> the M-BEIR layout.

Three datasets come out of one table, with ids that follow one another:

    NAME                      title -> image (task 0), image -> title (3), image -> image (4)
    NAME_multigrain           "red nike sports shoes for men" -> images, among all products
    NAME_multigrain_heldout   the same queries, among the products that no training sees

and, for training rows only, the split "base" (captions in a fixed order) and nli/NAME_triples.csv.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from elva.data.captions import base_tasks, triples
from elva.data.catalogue import Catalogue
from elva.data.derive import Derivation, Task
from elva.data.import_report import Chance, ImportReport, chance_hits
from elva.data.instructions import Key
from elva.data.layout import FIRST_IMPORTED_ID, IMAGES, LEXICON, TRIPLES
from elva.data.nli import write_triples
from elva.data.products import (
    BRAND,
    SPLITS,
    Columns,
    Product,
    read_products,
    values_by_kind,
    with_brands,
)
from elva.data.wording import Vocabulary
from elva.data.writing import (
    appearing_whole,
    check_free,
    place_file,
    write_instructions,
    write_pool,
    write_qrels,
    write_queries,
)
from elva.errors import DataError, DataErrors
from elva.items import Modality

Progress = Callable[[int], None]
"""Called with the number of rows read since the last call."""

PROMPTS: dict[tuple[Modality, Modality], tuple[str, ...]] = {
    ("text", "image"): (
        "Find the photo of the product described.",
        "Show me a picture of this product.",
        "Retrieve an image that matches the product description.",
        "Which photo shows what this text describes?",
    ),
    ("image", "text"): (
        "Find the title of the product in the photo.",
        "Which title belongs to this product?",
        "Retrieve the text that describes this product.",
        "Name the product that this photo shows.",
    ),
    ("image", "image"): (
        "Find another product like this one.",
        "Show me a similar product.",
        "Retrieve a photo of a product with the same attributes.",
        "Which other photo shows the same kind of product?",
    ),
}


@dataclass(slots=True)
class _Written:
    queries: dict[str, int] = field(default_factory=dict)
    pools: dict[str, int] = field(default_factory=dict)
    chance: dict[str, Chance] = field(default_factory=dict)


def import_table(
    table: Path | str,
    out: Path | str,
    *,
    attributes: Sequence[str],
    entity: str,
    images: Path | str | None = None,
    image_column: str = "image",
    text_column: str = "title",
    id_column: str | None = None,
    split_column: str | None = None,
    query_attributes: Sequence[str] = (),
    rename: Mapping[str, str] | None = None,
    brand_from_text: bool = False,
    brand_min_rows: int = 10,
    queries: int = 3,
    name: str | None = None,
    dataset_id: int = FIRST_IMPORTED_ID,
    seed: int = 0,
    skip_bad_rows: bool = False,
    link_images: bool = False,
    progress: Progress | None = None,
) -> ImportReport:
    """Turn a CSV, TSV, JSONL or Parquet table into a data folder.

    Args:
        table: the file.
        out: the folder to make; it must not exist, or be empty.
        attributes: columns of the attributes in the order in which a caption says them, the entity
            among them; "attributes.gender" reaches into an object. Choose what can be seen.
        entity: the column (or its kind) that says what the thing is.
        images: the folder that image paths are relative to; the table's own by default.
        image_column: column of the image path.
        text_column: column of the title or description.
        id_column: column of the user's ids; the line number by default.
        split_column: column that says train, val or test; drawn from the id by default.
        query_attributes: the attributes multi-grain queries may name; all by default.
        rename: column -> kind; by default the last part of the column's name.
        brand_from_text: derive the kind "brand" from how titles begin.
        brand_min_rows: training titles that must begin alike to make a brand.
        queries: multi-grain queries drawn per product.
        name: dataset name; the table's file name by default.
        dataset_id: id of the first of the three datasets, at least 1000.
        seed: of every draw; the same table and seed write the same bytes.
        skip_bad_rows: leave bad rows out and count them, instead of raising.
        link_images: hard-link the images instead of copying them, where the disk allows it.
        progress: told how many rows were read.

    Raises:
        DataErrors: every bad row, unless they are skipped.
        DataError: a column or file isn't there, `out` holds something, or nothing can be derived.
    """
    table, out = Path(table), Path(out)
    name = _dataset_name(table.stem if name is None else name, table)
    kinds = _kinds(table, attributes, rename or {})
    entity = _kind_of(table, entity, kinds, "entity")
    asked = [_kind_of(table, each, kinds, "query_attributes") for each in query_attributes]
    if dataset_id < FIRST_IMPORTED_ID:
        fix = f"ids below {FIRST_IMPORTED_ID} are the benchmarks' own"
        raise DataError(table, None, "dataset_id", str(dataset_id), fix)
    if brand_from_text and BRAND in kinds:
        fix = f"leave one of the two out, or call the attribute otherwise: rename {kinds[BRAND]}=maker"
        raise DataError(table, None, "brand_from_text", "the table has an attribute 'brand' of its own", fix)
    check_free(out)
    columns = Columns(
        image=image_column,
        text=text_column,
        identifier=id_column,
        kinds=kinds,
        split=split_column,
        images=table.parent if images is None else Path(images),
        seed=seed,
    )
    products, errors = read_products(table, columns, progress)
    if errors and not skip_bad_rows:
        raise DataErrors(errors)
    order = list(kinds)
    if brand_from_text:
        products = with_brands(products, brand_min_rows)
        order.insert(order.index(entity), BRAND)
        asked += [BRAND] if asked else []
    _check_enough(table, products, entity)
    values = values_by_kind(products, order)
    vocabulary = Vocabulary(entity, tuple(order))
    derivation = Derivation(
        catalogue=Catalogue(products, order),
        vocabulary=vocabulary,
        lexicon=vocabulary.lexicon(values),
        name=name,
        dataset=dataset_id,
        images=[f"{IMAGES}/{name}/{one.number}{one.image.suffix.lower()}" for one in products],
        query_kinds=tuple(asked or order),
        seed=seed,
    )
    trained = [one for one in products if one.split == "train"]
    with appearing_whole(out) as root:
        _place_images(root, derivation, link_images)
        derivation.lexicon.save(root / LEXICON)
        write_instructions(root, _prompts(derivation), derivation.datasets)
        made = list(triples(derivation, values_by_kind(trained, order)))
        write_triples(root / TRIPLES / f"{name}_triples.csv", made)
        written = _write_tasks(root, derivation, queries)
    return ImportReport(
        out=out,
        rows={split: sum(one.split == split for one in products) for split in SPLITS},
        skipped=tuple(errors),
        queries=written.queries,
        pools=written.pools,
        chance=written.chance,
        values={kind: len(values[kind]) for kind in order},
        unknown={kind: sum(kind not in one.values for one in products) for kind in order},
        triples=len(made),
    )


def _tasks(derivation: Derivation, queries: int) -> Iterator[Task]:
    for split in SPLITS:
        yield derivation.text_to_image(split)
        yield derivation.image_to_text(split)
        yield derivation.image_to_image(split)
    yield derivation.multigrain("train", queries, held_out=False)
    yield derivation.multigrain("val", queries, held_out=True)
    yield derivation.multigrain("test", queries, held_out=False)
    yield derivation.multigrain("test", queries, held_out=True)
    yield from base_tasks(derivation)


def _write_tasks(root: Path, derivation: Derivation, queries: int) -> _Written:
    written = _Written()
    for task in _tasks(derivation, queries):
        if not task.queries:
            continue
        write_queries(root, task.name, task.queries)
        write_qrels(root, task.name, task.queries)
        write_pool(root, task.name, task.pool, split_only=task.own_pool)
        written.queries[str(task.name)] = len(task.queries)
        written.pools[str(task.name)] = len(task.pool)
        if task.name.split == "test":
            answers = [len(query.positives) for query in task.queries]
            written.chance[str(task.name)] = chance_hits(answers, len(task.pool))
    return written


def _prompts(derivation: Derivation) -> dict[Key, tuple[str, ...]]:
    return {
        (dataset, asked, answered): prompts
        for dataset in derivation.datasets
        for (asked, answered), prompts in PROMPTS.items()
        if dataset == derivation.dataset or asked == "text"
    }


def _place_images(root: Path, derivation: Derivation, link: bool) -> None:
    for product, image in zip(derivation.catalogue.products, derivation.images, strict=True):
        place_file(product.image, root / image, link=link)


def _dataset_name(name: str, table: Path) -> str:
    clean = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
    if not clean or re.search(r"_task\d", clean):
        raise DataError(table, None, "name", f"{name!r} names no dataset", "give another name")
    return clean


def _kinds(table: Path, attributes: Sequence[str], rename: Mapping[str, str]) -> dict[str, str]:
    kinds: dict[str, str] = {}
    for column in attributes:
        kind = rename.get(column, column.rpartition(".")[2])
        if kind in kinds:
            fix = "rename one of the columns"
            raise DataError(table, None, column, f"a second kind {kind!r}", fix)
        kinds[kind] = column
    return kinds


def _kind_of(table: Path, given: str, kinds: Mapping[str, str], option: str) -> str:
    for kind, column in kinds.items():
        if given in (kind, column, column.rpartition(".")[2]):
            return kind
    fix = f"name one of the attributes: {', '.join(kinds.values())}"
    raise DataError(table, None, option, f"{given!r} is no attribute", fix)


def _check_enough(table: Path, products: Sequence[Product], entity: str) -> None:
    if not any(entity in one.values for one in products if one.split == "train"):
        fix = "give training rows whose entity is filled"
        raise DataError(table, None, entity, "no training row says what it is", fix)
