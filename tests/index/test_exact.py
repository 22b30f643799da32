"""The index on disk: round trip, refusals, and nothing half-written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from elva.encoding import ModelIdentity
from elva.errors import DataErrors, IndexMismatch
from elva.index.build import build_index
from elva.index.exact import ExactIndex
from elva.index.folder import FolderError
from elva.index.gallery import VectorError
from elva.index.protocol import Entry, Index
from elva.items import Item
from judging import FakeEncoder, write_root

MODEL = ModelIdentity("one", "abc", "generative", 2)


def filled() -> ExactIndex:
    index = ExactIndex(MODEL, Path("data"))
    index.add([Entry("b", "text"), Entry("a", image="a.png", summary="red")], np.eye(2, dtype=np.float32))
    return index


def test_search_orders_by_cosine_then_id() -> None:
    index: Index = filled()
    (hits,) = index.search(np.array([[0.6, 0.8]], np.float32))
    assert [(hit.rank, hit.entry.id, round(hit.score, 6)) for hit in hits] == [
        (1, "a", 0.8),
        (2, "b", 0.6),
    ]
    (hits,) = index.search(np.full((1, 2), 0.5**0.5, np.float32), k=1)
    assert hits[0].entry == Entry("a", image="a.png", summary="red")


def test_saved_and_opened_it_finds_the_same(tmp_path: Path) -> None:
    filled().save(tmp_path / "i")
    again = ExactIndex.open(tmp_path / "i", MODEL)
    query = np.array([[1, 0]], np.float32)
    assert again.search(query) == filled().search(query)
    assert again.stats() == filled().stats()
    assert again.image_path(Entry("x", image="a.png")) == Path("data/a.png")


def test_saving_twice_writes_the_same_bytes(tmp_path: Path) -> None:
    for each in ("i", "j", "i"):
        filled().save(tmp_path / each)
    for file in ("vectors.npy", "items.jsonl", "meta.json"):
        assert (tmp_path / "i" / file).read_bytes() == (tmp_path / "j" / file).read_bytes()
    assert sorted(each.name for each in tmp_path.iterdir()) == ["i", "j"]


def test_another_model_is_refused_by_name(tmp_path: Path) -> None:
    filled().save(tmp_path / "i")
    with pytest.raises(IndexMismatch, match=r"built with one .* not with two"):
        ExactIndex.open(tmp_path / "i", ModelIdentity("two", "xyz", "generative", 2))
    with pytest.raises(IndexMismatch, match="one_word"):
        ExactIndex.open(tmp_path / "i", ModelIdentity("one", "abc", "one_word", 2))
    ExactIndex.open(tmp_path / "i", ModelIdentity("renamed", "abc", "generative", 2))


def test_what_can_not_be_added_changes_nothing() -> None:
    index = filled()
    bad = {
        "NaN": ([Entry("c")], [[np.nan, 0]]),
        "'a' occurs twice": ([Entry("a")], [[1, 0]]),
        "expected": ([Entry("c")], [[1, 0, 0]]),
    }
    for message, (entries, vectors) in bad.items():
        with pytest.raises(VectorError, match=message):
            index.add(entries, np.array(vectors, np.float32))
    assert len(index) == 2


def test_folders_that_are_no_index(tmp_path: Path) -> None:
    with pytest.raises(FolderError, match=r"holds no meta\.json"):
        ExactIndex.open(tmp_path)
    (tmp_path / "meta.json").write_text('{"schema": "elva-vectors-1"}')
    with pytest.raises(FolderError, match="expected 'elva-index-1'"):
        ExactIndex.open(tmp_path)
    filled().save(tmp_path / "i")
    (tmp_path / "i/items.jsonl").write_text("")
    with pytest.raises(FolderError, match="damaged"):
        ExactIndex.open(tmp_path / "i")


@pytest.mark.parametrize("name", ["vectors.npy", "items.jsonl", "meta.json"])
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
    np.save(tmp_path / "i/vectors.npy", np.eye(3, dtype=np.float32)[:2])
    with pytest.raises(FolderError, match=r"vectors\.npy is damaged .*\(2, 3\).*elva index"):
        ExactIndex.open(tmp_path / "i")


def test_bad_images_are_refused_or_left_out_and_listed(tmp_path: Path) -> None:
    root = write_root(tmp_path / "root")
    (root / "mbeir_images/circle-blue-small.png").unlink()
    (root / "mbeir_images/square-blue-small.png").write_bytes(b"no picture")
    with pytest.raises(DataErrors, match="2 bad places"):
        build_index(root, FakeEncoder(), tmp_path / "i")
    assert not (tmp_path / "i").exists()
    encoder = FakeEncoder()
    told: list[tuple[str, int | None]] = []
    report = build_index(
        root,
        encoder,
        tmp_path / "i",
        skip_bad_rows=True,
        watch=lambda label, total: told.append((label, total)) or (lambda _: None),
    )
    assert report.stats.items == 64 - 2
    assert len(report.skipped) == 2
    assert told == [("checking rows and images", None), ("embedding", 62)]
    index = ExactIndex.open(tmp_path / "i", ModelIdentity.of(encoder))
    (hits,) = index.search(encoder.embed([Item("small crimson triangle")]).vectors, k=2)
    assert {hit.entry.summary for hit in hits} == {
        "triangle crimson small",
        "small crimson triangle",
    }
    image = next(index.image_path(hit.entry) for hit in hits if hit.entry.image)
    assert image is not None and image.is_file()
