"""The rows of a user's table as products: text, image and the value of each kind."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from elva.data.brands import Brands
from elva.data.records import RowProblem
from elva.data.table import table_rows
from elva.errors import DataError, MediaError
from elva.media import image_key, load_image

SPLITS = ("train", "val", "test")
HELD_OUT_PERCENT = 5
"""Without a split column, this many of 100 rows go to val and as many to test."""

MISSING = frozenset({"", "na", "n/a"})
"""Attribute values that say nothing, in lower case."""

BRAND = "brand"

ABSENT = object()
"""Tells a column that isn't there from one that holds null."""


@dataclass(frozen=True, slots=True)
class Columns:
    """Where a table keeps what; a dot reaches into objects ("attributes.gender").

    Attributes:
        image: path of the image, relative to the folder of images.
        text: title or description.
        identifier: the user's own id, kept as source; None for the line number.
        kinds: kind -> column, in canonical order.
        split: train, val or test; None draws it from the id.
        images: the folder that image paths are relative to.
        seed: of the drawn splits.
    """

    image: str
    text: str
    identifier: str | None
    kinds: Mapping[str, str]
    split: str | None
    images: Path
    seed: int


@dataclass(frozen=True, slots=True)
class Product:
    """One row.

    Attributes:
        number: counts the good rows from 0; "<dataset id>:<number>" is its did.
        line: 1-based line in the table.
        key: the user's id.
        text: title.
        image: the user's file.
        digest: sha256 of that file.
        values: kind -> value in lower case; kinds that the row leaves open are absent.
        split: train, val or test.
    """

    number: int
    line: int
    key: str
    text: str
    image: Path
    digest: str
    values: Mapping[str, str]
    split: str


def read_products(
    table: Path, columns: Columns, progress: Callable[[int], None] | None = None
) -> tuple[list[Product], list[DataError]]:
    """Read a table and open every image once.

    Returns:
        The good rows, and an error for each bad one.

    Raises:
        DataError: the table can't be read, is empty, or a column isn't there.
    """
    errors: list[DataError] = []
    products: list[Product] = []
    keys: set[str] = set()
    rows = list(table_rows(table, errors))
    if rows or not errors:  # where every row is bad, the errors say more
        _check_columns(table, [row for _, row in rows], columns)
    for line, row in rows:
        try:
            product = _product(len(products), line, row, columns)
            if product.key in keys:
                fix = "give every row its own id"
                raise RowProblem(columns.identifier, f"{product.key} comes twice", fix)
            keys.add(product.key)
            products.append(product)
        except RowProblem as problem:
            errors.append(DataError(table, line, problem.field, problem.found, problem.fix))
        if progress is not None:
            progress(1)
    return products, sorted(errors, key=lambda error: error.line or 0)


def with_brands(products: Sequence[Product], minimum: int) -> list[Product]:
    """Add the kind "brand" to the products whose title begins as training titles do."""
    stop = {word for one in products for value in one.values.values() for word in value.split()}
    titles = [one.text for one in products if one.split == "train"]
    brands = Brands(titles, stop, minimum)
    return [_with_brand(one, brands.find(one.text)) for one in products]


def values_by_kind(products: Iterable[Product], kinds: Sequence[str]) -> dict[str, list[str]]:
    """Every value of every kind, the most frequent first."""
    counts: dict[str, Counter[str]] = {kind: Counter() for kind in kinds}
    for product in products:
        for kind, value in product.values.items():
            counts[kind][value] += 1
    return {kind: sorted(counter, key=lambda value: (-counter[value], value)) for kind, counter in counts.items()}


def _with_brand(product: Product, brand: str | None) -> Product:
    if brand is None:
        return product
    return replace(product, values={**product.values, BRAND: brand})


def _product(number: int, line: int, row: Mapping[str, Any], columns: Columns) -> Product:
    key = str(line) if columns.identifier is None else _text(row, columns.identifier)
    text = _text(row, columns.text)
    image = columns.images / _text(row, columns.image)
    values = {kind: _value(row, column) for kind, column in columns.kinds.items()}
    split = _drawn_split(key, columns.seed) if columns.split is None else _split(row, columns.split)
    return Product(
        number=number,
        line=line,
        key=key,
        text=" ".join(text.split()),
        image=image,
        digest=_digest(image, columns.image),
        values={kind: value for kind, value in values.items() if value not in MISSING},
        split=split,
    )


def _check_columns(table: Path, rows: Sequence[Mapping[str, Any]], columns: Columns) -> None:
    """Every column must be there in some row: objects leave out what they don't know."""
    if not rows:
        raise DataError(table, None, None, "holds no rows", "write one product a line, below the header if it is CSV")
    wanted = [columns.image, columns.text, columns.identifier, columns.split, *columns.kinds.values()]
    named = dict.fromkeys(column for column in wanted if column is not None)
    missing = [column for column in named if all(cell(row, column, ABSENT) is ABSENT for row in rows)]
    if missing:
        there = ", ".join(dict.fromkeys(str(column) for row in rows for column in row))
        found = "there is no such column" if len(missing) == 1 else "there are no such columns"
        raise DataError(table, None, ", ".join(missing), found, f"name some of the table's columns: {there}")


def cell(row: Mapping[str, Any], column: str, default: Any) -> Any:
    """The value of a column; a dot reaches into an object."""
    if column in row:
        return row[column]
    value: Any = row
    for part in column.split("."):
        if not isinstance(value, Mapping) or part not in value:
            return default
        value = value[part]
    return value


def _text(row: Mapping[str, Any], column: str) -> str:
    value = cell(row, column, None)
    text = str(value) if isinstance(value, int) else value
    if not isinstance(text, str | None):
        fix = "name the field inside, by a dot; pictures must be files, named by their paths"
        raise RowProblem(column, f"a {type(text).__name__} instead of a text", fix)
    if text is None or not text.strip():
        raise RowProblem(column, "empty", "fill it, or drop the row")
    return text.strip()


def _value(row: Mapping[str, Any], column: str) -> str:
    value = cell(row, column, None)
    if isinstance(value, Mapping | list):
        raise RowProblem(column, "an object instead of a value", "name the field inside, by a dot")
    return " ".join(str("" if value is None else value).lower().split())


def _split(row: Mapping[str, Any], column: str) -> str:
    split = _text(row, column).lower()
    if split not in SPLITS:
        raise RowProblem(column, f"unknown split {split!r}", f"use {', '.join(SPLITS)}")
    return split


def _drawn_split(key: str, seed: int) -> str:
    number = int.from_bytes(hashlib.sha256(f"{seed} {key}".encode()).digest()[:8], "big") % 100
    if number < HELD_OUT_PERCENT:
        return "test"
    return "val" if number < 2 * HELD_OUT_PERCENT else "train"


def _digest(image: Path, column: str) -> str:
    try:
        load_image(image)
        return image_key(image)
    except MediaError as error:
        found = str(error).partition("; ")[0]
        raise RowProblem(column, found, "replace the image, or drop the row") from error
