"""Tables of every kind give the same rows."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pyarrow
import pytest
from pyarrow import parquet

from data.building import PICTURES, picture
from elva.data import table
from elva.data.importer import import_table
from elva.data.mbeir import MBeir
from elva.data.table import table_rows
from elva.errors import DataError, DataErrors, MissingExtra

ROWS: list[dict[str, Any]] = [
    {
        "id": n,
        "image": PICTURES[n % 4],
        "title": f"Fine thing {n}",
        "look": {"colour": ("red", None)[n % 2]},
        "type": "bag",
    }
    for n in range(8)
]


def written(path: Path, rows: list[dict[str, Any]] = ROWS) -> Path:
    parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    return path


def test_parquet_rows_are_read_in_batches_and_numbered_from_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table, "ROWS_PER_BATCH", 3)
    assert list(table_rows(written(tmp_path / "t.parquet"), [])) == list(enumerate(ROWS, start=1))


def test_a_parquet_table_is_imported(tmp_path: Path) -> None:
    for number, path in enumerate(PICTURES):
        picture(tmp_path / path, 40 * number)
    columns = {"attributes": ["look.colour", "type"], "entity": "type", "id_column": "id"}
    report = import_table(written(tmp_path / "shop.parquet"), tmp_path / "out", **columns)
    assert sum(report.rows.values()) == 8
    assert report.unknown["colour"] == 4
    assert MBeir.open(tmp_path / "out").tasks("train")


def test_pictures_inside_the_table_are_named(tmp_path: Path) -> None:
    rows = [row | {"image": {"bytes": b"x", "path": None}} for row in ROWS]
    with pytest.raises(DataErrors, match=r"t\.parquet:1: image: a dict instead of a text; .*pictures must be files"):
        import_table(written(tmp_path / "t.parquet", rows), tmp_path / "out", attributes=["type"], entity="type")


@pytest.mark.parametrize("content", [b"", b"id,image\n1,2\n", None])
def test_what_is_no_parquet_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "t.parquet"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=r"t\.parquet: no readable Parquet .*check the path"):
        list(table_rows(path, []))


def test_without_pyarrow_the_command_that_brings_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtra, match=r'pip install "elva-retrieval\[parquet\]"'):
        list(table_rows(tmp_path / "t.parquet", []))
