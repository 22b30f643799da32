"""Tables: every row counts, and a quote left open swallows none of them in silence."""

from __future__ import annotations

from pathlib import Path

import pytest

from data.building import rows
from elva.data.table import LONGEST_RECORD, table_rows
from elva.errors import DataError

GOOD = [f"{number},thing {number}" for number in range(300)]


def read(path: Path) -> tuple[list[int], list[DataError]]:
    errors: list[DataError] = []
    return [line for line, _ in table_rows(path, errors)], errors


def test_lines_are_counted_through_line_breaks_in_quotes(tmp_path: Path) -> None:
    path = rows(tmp_path / "t.csv", "id,text", '1,"two', 'lines"', "2,one", "", '3,"said ""so"""')
    assert read(path) == ([2, 4, 6], [])


@pytest.mark.parametrize("end", [b"", b"\n"])
def test_a_quote_that_closes_nowhere_is_named(tmp_path: Path, end: bytes) -> None:
    path = rows(tmp_path / "t.csv", "id,text", '1,"fine', 'so far"', '2,"open', *GOOD[:5])
    path.write_bytes(path.read_bytes().removesuffix(b"\n") + end)
    with pytest.raises(DataError, match=r"t\.csv:4: the quote that opens here closes nowhere"):
        read(path)


def test_a_quote_that_closes_at_another_row_s_is_named(tmp_path: Path) -> None:
    path = rows(tmp_path / "t.csv", "id,text", *GOOD[:3], '3,"open', *GOOD, '4,"closed"', *GOOD)
    with pytest.raises(DataError, match=rf"t\.csv:5: the quote that opens here closes in line {6 + len(GOOD)}"):
        read(path)
    assert len(GOOD) > LONGEST_RECORD


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_utf_16_is_told(tmp_path: Path, encoding: str, suffix: str) -> None:
    path = (tmp_path / "t").with_suffix(suffix)
    path.write_text("id,text\n1,one\n", encoding)
    with pytest.raises(DataError, match="save it as UTF-8"):
        read(path)
