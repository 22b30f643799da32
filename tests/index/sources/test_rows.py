"""A table as a source."""

from __future__ import annotations

import json
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from elva.errors import DataError
from elva.index.sources.offered import Offered
from elva.index.sources.rows import Table


def read(path: Path, **options: Any) -> tuple[list[Offered], list[DataError]]:
    errors: list[DataError] = []
    return list(Table(path, **options).items(errors)), errors


def test_columns_become_text_picture_id_and_metadata(tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_text("id,title,image,price,note\n7,red shoe,x.png,30,\n,green,,9.5,new\n")
    (one, other), errors = read(table)
    assert (one.entry.id, one.entry.text, one.entry.image) == ("7", "red shoe", "x.png")
    assert (one.item.text, one.item.image) == ("red shoe", tmp_path / "x.png")
    assert one.entry.metadata == {"price": "30"}
    assert (other.entry.id, other.entry.image, other.item.image) == ("3", None, None)
    assert other.entry.metadata == {"price": "9.5", "note": "new"}
    assert not errors


def test_columns_may_be_named_and_lie_in_objects(tmp_path: Path) -> None:
    table = tmp_path / "t.jsonl"
    row = {"sku": 5, "about": {"name": "shoe"}, "size": {"width": 3, "height": None}, "tags": ["a", "b"], "on": True}
    table.write_text(json.dumps(row))
    options = {"images": tmp_path / "p", "text_column": "about.name", "id_column": "sku"}
    (one,), _ = read(table, **options)
    assert (one.entry.id, one.entry.text) == ("5", "shoe")
    assert one.entry.metadata == {"about": {"name": "shoe"}, "size": {"width": 3}, "tags": ["a", "b"], "on": True}


def test_bad_rows_are_told_with_their_line(tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_text('id,title\n1,one\n1,again\n2,\n"3",three\n')
    found, errors = read(table)
    assert [each.entry.id for each in found] == ["1", "3"]
    assert [(error.line, error.found) for error in errors] == [
        (3, "1 comes twice"),
        (4, "neither 'image' nor 'title' is filled"),
    ]


def test_a_table_without_either_column_names_those_it_has(tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_text("sku,name\n1,one\n")
    with pytest.raises(DataError, match=r"neither a column 'image' nor 'title'; name the table's own: sku, name"):
        read(table)


def test_what_json_can_not_hold_is_written_as_text(tmp_path: Path) -> None:
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    row = {
        "title": "x",
        "when": datetime(2024, 5, 31, 12),
        "price": Decimal("9.50"),
        "odd": float("nan"),
        "raw": b"\xff",
        "many": [1.5, float("inf")],
    }
    parquet.write_table(pyarrow.Table.from_pylist([row]), tmp_path / "t.parquet")
    (one,), errors = read(tmp_path / "t.parquet")
    assert one.entry.metadata == {"when": "2024-05-31T12:00:00", "price": 9.5, "many": [1.5, None]}
    assert not errors
