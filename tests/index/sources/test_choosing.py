"""What a path is taken for."""

from __future__ import annotations

from pathlib import Path

import pytest

from elva.errors import DataError, InputError
from elva.index.sources.choosing import choose_source
from judging import write_root


def test_the_kind_follows_from_what_lies_there(tmp_path: Path) -> None:
    root = write_root(tmp_path / "root")
    assert choose_source(root).kind == "M-BEIR data, test pools"
    assert choose_source(root / "mbeir_images").kind == "a folder of pictures"
    (tmp_path / "t.csv").write_text("title\nx\n")
    assert choose_source(tmp_path / "t.csv").kind == "a table"


def test_what_fits_no_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="gone does not exist; give a folder of pictures, a table, or a data folder"):
        choose_source(tmp_path / "gone")
    with pytest.raises(InputError, match="--dataset and --task name nothing in it"):
        choose_source(tmp_path, tasks=[3])
    (tmp_path / "x.txt").write_text("")
    with pytest.raises(DataError, match=r"unknown kind of table '\.txt'"):
        list(choose_source(tmp_path / "x.txt").items([]))
