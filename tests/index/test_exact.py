"""The exact index on disk: the same bytes, and what is damaged is told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from elva.encoding import ModelIdentity
from elva.index.exact import ExactIndex
from elva.index.folder import FolderError
from elva.index.protocol import Entry, Origin

MODEL = ModelIdentity("one", "abc", "generative", 2)
FILES = ("vectors-1.npy", "items-1.jsonl", "thumbnails-1.bin", "meta.json")


def filled() -> ExactIndex:
    index = ExactIndex(MODEL, Origin(Path("data")))
    entries = [Entry("b", "text"), Entry("a", image="a.png", summary="red", thumbnail=b"small")]
    index.add(entries, np.eye(2, dtype=np.float32))
    return index


def test_saved_and_opened_it_finds_the_same(tmp_path: Path) -> None:
    filled().save(tmp_path / "i")
    again = ExactIndex.open(tmp_path / "i", MODEL)
    query = np.array([[1, 0]], np.float32)
    assert again.search(query) == filled().search(query)
    assert again.thumbnail("a") == b"small"
    filled().save(tmp_path / "i")
    (tmp_path / "i/thesis.tex").write_text("years of work")
    with pytest.raises(FolderError, match="holds something already"):
        filled().save(tmp_path / "i")


def test_saving_twice_writes_the_same_bytes(tmp_path: Path) -> None:
    for each in ("i", "j"):
        filled().save(tmp_path / each)
    for file in FILES:
        assert (tmp_path / "i" / file).read_bytes() == (tmp_path / "j" / file).read_bytes()
    assert sorted(each.name for each in tmp_path.iterdir()) == ["i", "j"]


def test_publishing_leaves_no_older_files(tmp_path: Path) -> None:
    index = ExactIndex.create(tmp_path / "i", MODEL)
    for _ in range(3):
        index.publish()
    assert sorted(each.name for each in (tmp_path / "i").iterdir()) == [
        ".lock",
        "items-4.jsonl",
        "meta.json",
        "thumbnails-4.bin",
        "vectors-4.npy",
    ]


def test_folders_that_are_no_index(tmp_path: Path) -> None:
    with pytest.raises(FolderError, match=r"holds no meta\.json"):
        ExactIndex.open(tmp_path)
    (tmp_path / "meta.json").write_text('{"schema": "elva-vectors-1"}')
    with pytest.raises(FolderError, match="expected 'elva-index-2'"):
        ExactIndex.open(tmp_path)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", ["missing", "torn", "empty", "foreign"])
def test_a_damaged_file_is_named_with_what_to_do(tmp_path: Path, name: str, damage: str) -> None:
    filled().save(tmp_path / "i")
    path = tmp_path / "i" / name
    if damage == "missing":
        path.unlink()
    else:
        whole = path.read_bytes()
        path.write_bytes({"torn": whole[: len(whole) // 2 + 1], "empty": b"", "foreign": b"[1]\n"}[damage])
    with pytest.raises(FolderError) as caught:
        ExactIndex.open(tmp_path / "i")
    assert "with `elva index`" in str(caught.value)
    assert name in str(caught.value) or str(caught.value).startswith(f"{tmp_path / 'i'} is damaged: ")


def test_vectors_of_another_width_are_damage(tmp_path: Path) -> None:
    filled().save(tmp_path / "i")
    np.save(tmp_path / "i/vectors-1.npy", np.eye(3, dtype=np.float32)[:2])
    with pytest.raises(FolderError, match=r"vectors-1\.npy is damaged .*\(2, 3\).*elva index"):
        ExactIndex.open(tmp_path / "i")
