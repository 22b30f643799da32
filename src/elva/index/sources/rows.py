"""A table of rows: CSV, TSV, JSONL or Parquet."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, time
from decimal import Decimal
from pathlib import Path
from typing import Any

from elva.data.products import ABSENT, cell
from elva.data.records import RowProblem
from elva.data.table import table_rows
from elva.errors import DataError
from elva.index.protocol import Entry
from elva.index.sources.offered import Offered
from elva.items import Item

ID = "id"
"""The column of ids, where there is one and no other was named."""


@dataclass(frozen=True, slots=True)
class Table:
    """Every row with a text, a picture or both; all other columns become metadata, empty cells left out.

    Attributes:
        path: the file.
        images: the folder that image paths are relative to; the table's own by default.
        image_column: column of the image path; a dot reaches into objects.
        text_column: column of the title or description.
        id_column: column of the ids; by default `id`, and where a row has none, the number of its line.
    """

    path: Path
    images: Path | None = None
    image_column: str = "image"
    text_column: str = "title"
    id_column: str | None = None

    @property
    def kind(self) -> str:
        """See `Source`."""
        return "a table"

    @property
    def root(self) -> Path:
        """See `Source`."""
        return self.path.parent if self.images is None else self.images

    def items(self, errors: list[DataError]) -> Iterator[Offered]:
        """See `Source`; DataError where no row has a text or a picture."""
        seen: set[str] = set()
        columns: dict[str, None] = {}
        for line, row in table_rows(self.path, errors):
            columns |= dict.fromkeys(map(str, row))
            try:
                offered = self._offered(line, row)
                if offered.entry.id in seen:
                    raise RowProblem(
                        self.id_column or ID, f"{offered.entry.id} comes twice", "give every row its own id"
                    )
            except RowProblem as problem:
                errors.append(DataError(self.path, line, problem.field, problem.found, problem.fix))
                continue
            seen.add(offered.entry.id)
            yield offered
        if not seen and not {self.image_column.partition(".")[0], self.text_column.partition(".")[0]} & columns.keys():
            found = f"there is neither a column {self.image_column!r} nor {self.text_column!r}"
            raise DataError(
                self.path, None, None, found, f"name the table's own: {', '.join(columns) or 'it is empty'}"
            )

    def _offered(self, line: int, row: Mapping[str, Any]) -> Offered:
        text, image = self._text(row, self.text_column), self._text(row, self.image_column)
        if text is None and image is None:
            raise RowProblem(
                None, f"neither {self.image_column!r} nor {self.text_column!r} is filled", "fill one of them"
            )
        path = None if image is None else (self.root / image).absolute()
        used = {self.text_column, self.image_column, self.id_column or ID}
        metadata = {str(name): value for name, value in row.items() if name not in used}
        entry = Entry(self._id(line, row), text, image, metadata=_object(metadata))
        return Offered(entry, Item(text, path), (self.path, line, self.image_column))

    def _id(self, line: int, row: Mapping[str, Any]) -> str:
        found = self._text(row, self.id_column or ID)
        if found is None and self.id_column is not None:
            raise RowProblem(self.id_column, "empty", "fill it, or leave the option out: lines are counted then")
        return str(line) if found is None else found

    def _text(self, row: Mapping[str, Any], column: str) -> str | None:
        value = cell(row, column, ABSENT)
        if value is ABSENT or value is None:
            return None
        if not isinstance(value, str | int) or isinstance(value, bool):
            fix = "name the field inside, by a dot; pictures must be files, named by their paths"
            raise RowProblem(column, f"a {type(value).__name__} instead of a text", fix)
        return str(value).strip() or None


def _object(row: Mapping[str, Any]) -> dict[str, Any]:
    """What a table can hold, as JSON can: empty values left out, and days and the like written as texts."""
    values = {str(name): _value(value) for name, value in row.items()}
    return {name: value for name, value in values.items() if value not in (None, "")}


def _value(value: Any) -> Any:
    if isinstance(value, Mapping):
        return _object(value)
    if isinstance(value, list | tuple):
        return [_value(each) for each in value]
    if isinstance(value, float | Decimal):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, date | time):  # a datetime is a date
        return value.isoformat()
    if isinstance(value, bytes):
        return None  # no condition asks about it, and nothing could show it
    return value if isinstance(value, str | int | None) else json.dumps(value, default=str)
