"""Entries as rows of LanceDB's table, and back.

Beside what an entry shows there are columns that are only asked about: `words`, and for the field of metadata that
was met as the i-th (from 0) `text_i` and `number_i`, the lists that facts.py tells. They are added as fields appear;
metadata themselves stay JSON, so that they come back as they were.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from elva.encoding import Vectors
from elva.index.accepting import Said, words_of
from elva.index.protocol import Entry

if TYPE_CHECKING:
    import pyarrow

DISPLAYED = ("id", "text", "image", "summary", "metadata", "content")


def schema_of(dimension: int) -> pyarrow.Schema:
    """The table before any field is known."""
    import pyarrow

    text, words = pyarrow.string(), pyarrow.list_(pyarrow.string())
    kinds = [(name, text) for name in DISPLAYED]
    vector = pyarrow.list_(pyarrow.float32(), dimension)
    return pyarrow.schema([*kinds, ("thumbnail", pyarrow.binary()), ("words", words), ("vector", vector)])


def columns_of(fields: range) -> pyarrow.Schema:
    """The columns of the fields of these numbers."""
    import pyarrow

    return pyarrow.schema([column for i in fields for column in _columns(i)])


def table_of(
    entries: Sequence[Entry], vectors: Vectors, metadata: Sequence[str], said: Sequence[Said], fields: tuple[str, ...]
) -> pyarrow.Table:
    """The rows of n entries with their vectors float32 [n, d], their metadata as JSON, and what these say."""
    import pyarrow

    schema = pyarrow.schema([*schema_of(vectors.shape[1]), *columns_of(range(len(fields)))])
    columns: dict[str, Any] = {
        "id": [each.id for each in entries],
        "text": [each.text for each in entries],
        "image": [each.image for each in entries],
        "summary": [each.summary for each in entries],
        "metadata": metadata,
        "content": [each.content for each in entries],
        "thumbnail": [each.thumbnail for each in entries],
        "words": [words_of(each) for each in entries],
        "vector": pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(vectors.ravel()), vectors.shape[1]),
    }
    for i, field in enumerate(fields):
        columns[f"text_{i}"] = [list(each[field].texts) if field in each else None for each in said]
        columns[f"number_{i}"] = [list(each[field].numbers) if field in each else None for each in said]
    return pyarrow.table(columns, schema=schema)


def entry_of(row: dict[str, Any]) -> Entry:
    """The entry of a row of the columns `DISPLAYED`."""
    return Entry(**{**row, "metadata": json.loads(row["metadata"])})


def _columns(i: int) -> list[pyarrow.Field]:
    import pyarrow

    return [
        pyarrow.field(f"text_{i}", pyarrow.list_(pyarrow.string())),
        pyarrow.field(f"number_{i}", pyarrow.list_(pyarrow.float64())),
    ]
