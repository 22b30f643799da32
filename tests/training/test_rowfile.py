"""Files of rows: replaced by newer ones of their kind, and never at the cost of anything else."""

from __future__ import annotations

from pathlib import Path

import pytest

from elva.errors import InputError
from elva.training.captions import write_captions
from elva.training.negatives import mine
from elva.training.rowfile import require_rowfile, write_rowfile
from judging import FakeEncoder


def test_rows_replace_older_rows_of_their_kind(tmp_path: Path) -> None:
    path = tmp_path / "new" / "rows.jsonl"
    for _ in range(2):
        require_rowfile(path, ("a", "b"))
        write_rowfile(path, [{"a": 1, "b": "ä"}, {"a": 2, "b": ""}])
    assert path.read_text("utf-8").splitlines()[0] == '{"a": 1, "b": "ä"}'
    with pytest.raises(InputError, match="holds no rows of a, c"):
        require_rowfile(path, ("a", "c"))


def test_what_fails_leaves_the_older_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    write_rowfile(path, [{"a": 1}])
    with pytest.raises(TypeError):
        write_rowfile(path, [{"a": 2}, {"a": object()}])
    assert path.read_text() == '{"a": 1}\n'
    assert list(tmp_path.iterdir()) == [path]


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
