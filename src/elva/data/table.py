"""A user's table as rows: CSV or TSV with a header line, JSONL with one object per line, or Parquet."""

from __future__ import annotations

import codecs
import csv
from collections.abc import Iterator
from io import TextIOWrapper
from pathlib import Path
from typing import Any, BinaryIO, TextIO

from elva.data.records import RowProblem, check_encoding
from elva.data.rows import parse_object, parsed_lines
from elva.errors import DataError, MissingExtra

SEPARATORS = {".csv": ",", ".tsv": "\t"}
JSON_LINES = (".jsonl", ".ndjson", ".json")
PARQUET = (".parquet", ".pq")
LONGEST_CELL = 10_000_000
LONGEST_RECORD = 200
"""Lines of one row: line breaks inside quotes are fine, and so many of them are a quote left open."""
ROWS_PER_BATCH = 1024

NumberedRow = tuple[int, dict[str, Any]]


def table_rows(path: Path, errors: list[DataError]) -> Iterator[NumberedRow]:
    """Yield (1-based line, column -> value) for the good rows and append the bad ones to `errors`.

    Cells of a CSV are strings, empty ones too; no word is taken for a missing value. The lines of a Parquet file are
    its rows, read a batch at a time.

    Raises:
        DataError: the file can't be opened, has no header, a quote is left open, or it is of another kind.
        MissingExtra: the file is Parquet and pyarrow isn't installed.
    """
    suffix = path.suffix.lower()
    if suffix in SEPARATORS or suffix in JSON_LINES:
        _check_utf8(path)
    if suffix in JSON_LINES:
        return parsed_lines(path, parse_object, errors)
    if suffix in SEPARATORS:
        return _separated(path, SEPARATORS[suffix], errors)
    if suffix in PARQUET:
        return _parquet(path)
    fix = "give a .csv, .tsv, .jsonl or .parquet file"
    raise DataError(path, None, None, f"unknown kind of table {path.suffix!r}", fix)


def _parquet(path: Path) -> Iterator[NumberedRow]:
    try:
        from pyarrow import ArrowException
        from pyarrow.parquet import ParquetFile
    except ImportError as error:
        raise MissingExtra("pyarrow", "parquet") from error
    try:
        with ParquetFile(path) as file:
            batches = file.iter_batches(ROWS_PER_BATCH)
            yield from enumerate((row for batch in batches for row in batch.to_pylist()), start=1)
    except (ArrowException, OSError, UnicodeDecodeError) as error:
        raise DataError(
            path, None, None, f"no readable Parquet ({error})", "check the path, or save it again"
        ) from error


def _check_utf8(path: Path) -> None:
    """What spreadsheets call Unicode is UTF-16: every line of it would be bad."""
    with _opened(path) as file:
        start = file.read(2)
    if start in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) or 0 in start:
        raise DataError(path, None, None, "the table is UTF-16", "save it as UTF-8, with commas or tabs")


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        found = f"can't be read ({error.strerror})"
        raise DataError(path, None, None, found, "check the path") from error


def _separated(path: Path, separator: str, errors: list[DataError]) -> Iterator[NumberedRow]:
    csv.field_size_limit(LONGEST_CELL)
    # surrogateescape lets one row with bad bytes be reported without losing the others
    with TextIOWrapper(_opened(path), encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        records = _records(path, file, separator)
        _, header = next(records, (1, []))
        if not any(header):
            fix = "write the column names into the first line"
            raise DataError(path, 1, None, "no header", fix)
        for line, cells in records:
            try:
                if cells:
                    yield line, _row(header, cells)
            except RowProblem as problem:
                errors.append(DataError(path, line, problem.field, problem.found, problem.fix))


def _records(path: Path, file: TextIO, separator: str) -> Iterator[tuple[int, list[str]]]:
    """Yield (1-based first line, cells). A quote that is never closed would swallow all rows behind it: an error."""
    left = iter(file)
    ended = False

    def lines() -> Iterator[str]:
        nonlocal ended
        yield from left
        ended = True

    reader = csv.reader(lines(), delimiter=separator)
    first = 1
    try:
        for cells in reader:
            # The reader asks for a line behind the last one only when it still waits for a quote.
            if ended or reader.line_num - first >= LONGEST_RECORD:
                longest = max(range(len(cells)), key=lambda i: cells[i].count("\n"))
                opened = first + sum(cell.count("\n") for cell in cells[:longest])
                found = f"the quote that opens here closes {'nowhere' if ended else f'in line {reader.line_num}'}"
                raise DataError(path, opened, None, found, "close it, or double it if it belongs to the text")
            yield first, cells
            first = reader.line_num + 1
    except csv.Error as error:
        found, fix = f"malformed CSV ({error})", "close the quotes, or save the table again"
        raise DataError(path, first, None, found, fix) from error


def _row(header: list[str], cells: list[str]) -> dict[str, Any]:
    if len(cells) != len(header):
        fix = "put cells that hold the separator in quotes, and close every quote"
        raise RowProblem(None, f"{len(cells)} cells instead of {len(header)}", fix)
    for column, cell in zip(header, cells, strict=True):
        check_encoding(cell, column)
    return dict(zip(header, cells, strict=True))
