"""Files of rows: replaced by newer ones of their kind, and never at the cost of anything else."""

from __future__ import annotations

from pathlib import Path

import pytest

from elva.errors import InputError
from elva.training.captions import write_captions
from elva.training.negatives import mine
from elva.training.rowfile import require_rowfile
from judging import FakeEncoder


def test_rows_may_be_replaced_by_newer_ones_of_their_kind(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    require_rowfile(path, ("a", "b"))
    path.write_text('{"a": 1, "b": "ä"}\n', "utf-8")
    require_rowfile(path, ("a", "b"))
    with pytest.raises(InputError, match="holds no rows of a, c"):
        require_rowfile(path, ("a", "c"))


@pytest.mark.parametrize("content", [b"my thesis", b"[1]\n", b"\xff\xfe", b'{"qid": 1}\n'])
def test_another_file_is_refused_before_any_work(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    encoder = FakeEncoder()
    for work in (write_captions, mine):
        with pytest.raises(InputError, match="give another file"):
            work(tmp_path / "no-data", encoder, path)
        with pytest.raises(InputError, match="is a folder"):
            work(tmp_path / "no-data", encoder, tmp_path)
    assert path.read_bytes() == content
