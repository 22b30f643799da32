"""A user's table as rows: CSV or TSV with a header line, JSONL with one object per line, or Parquet."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from elva.data.records import RowProblem, check_encoding
from elva.data.rows import parse_object, parsed_lines
from elva.errors import DataError, MissingExtra

SEPARATORS = {".csv": ",", ".tsv": "\t"}
JSON_LINES = (".jsonl", ".ndjson", ".json")
PARQUET = (".parquet", ".pq")
LONGEST_CELL = 10_000_000
ROWS_PER_BATCH = 1024

NumberedRow = tuple[int, dict[str, Any]]


def table_rows(path: Path, errors: list[DataError]) -> Iterator[NumberedRow]:
    """Yield (1-based line, column -> value) for the good rows and append the bad ones to `errors`.

    Cells of a CSV are strings, empty ones too; no word is taken for a missing value. The lines of a Parquet file are
    its rows, read a batch at a time.

    Raises:
        DataError: the file can't be opened, has no header, or is of another kind.
        MissingExtra: the file is Parquet and pyarrow isn't installed.
    """
    suffix = path.suffix.lower()
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


def _separated(path: Path, separator: str, errors: list[DataError]) -> Iterator[NumberedRow]:
    csv.field_size_limit(LONGEST_CELL)
    try:
        # surrogateescape lets one row with bad bytes be reported without losing the others
        file = path.open(encoding="utf-8-sig", errors="surrogateescape", newline="")
    except OSError as error:
        found = f"can't be read ({error.strerror})"
        raise DataError(path, None, None, found, "check the path") from error
    with file:
        reader = csv.reader(file, delimiter=separator)
        try:
            header = next(reader, [])
            if not any(header):
                fix = "write the column names into the first line"
                raise DataError(path, 1, None, "no header", fix)
            yield from _with_header(path, reader, header, errors)
        except csv.Error as error:
            found, fix = f"malformed CSV ({error})", "close the quotes, or save the table again"
            raise DataError(path, reader.line_num, None, found, fix) from error


def _with_header(path: Path, reader: Any, header: list[str], errors: list[DataError]) -> Iterator[NumberedRow]:
    last = reader.line_num
    for cells in reader:
        line, last = last + 1, reader.line_num
        try:
            if cells:
                yield line, _row(header, cells)
        except RowProblem as problem:
            errors.append(DataError(path, line, problem.field, problem.found, problem.fix))


def _row(header: list[str], cells: list[str]) -> dict[str, Any]:
    if len(cells) != len(header):
        fix = "put cells that hold the separator in quotes"
        raise RowProblem(None, f"{len(cells)} cells instead of {len(header)}", fix)
    for column, cell in zip(header, cells, strict=True):
        check_encoding(cell, column)
    return dict(zip(header, cells, strict=True))
