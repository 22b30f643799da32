"""Vectors by content: found again, never mixed up, and never read half-written."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from elva.encoding import Encoding, ModelIdentity
from elva.errors import InputError
from elva.evaluation import embed
from elva.evaluation.cache import VectorCache, item_key
from elva.evaluation.mbeir import evaluate
from elva.index.gallery import VectorError
from elva.items import Item
from judging import FakeEncoder, write_root


class Telling(FakeEncoder):
    """Tells which summaries were forced and which texts cut."""

    def embed(self, items: Sequence[Item], **options: Any) -> Encoding:
        found = super().embed(items, **options)
        forced, cut = ([n for n, item in enumerate(items) if word in (item.text or "")] for word in ("small", "large"))
        return replace(
            found, forced_ret=len(forced), truncated=len(cut), forced_items=tuple(forced), truncated_items=tuple(cut)
        )


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_root(tmp_path_factory.mktemp("data") / "root")


def cache_of(folder: Path, encoder: FakeEncoder, block: int = 4096) -> VectorCache:
    return VectorCache(folder, ModelIdentity.of(encoder), block)


def texts(*words: str) -> list[Item]:
    return [Item(word) for word in words]


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_what_is_kept_is_not_embedded_again(tmp_path: Path) -> None:
    encoder = Telling()
    taken = cache_of(tmp_path, encoder).take(encoder, texts("small red", "large blue", "small red"))
    assert encoder.seen == ["small red", "large blue"]
    cache = cache_of(tmp_path, encoder)
    again = cache.take(encoder, texts("large blue", "green", "small red"))
    assert encoder.seen == ["small red", "large blue", "green"]
    assert (taken.forced_ret, taken.truncated) == (2, 1), "items are counted, not vectors"
    assert (again.forced_ret, again.truncated) == (1, 1)
    assert [cache.summary(row) for row in again.rows.tolist()] == ["large blue", "green", "small red"]
    expected = FakeEncoder().embed(texts("large blue", "green", "small red")).vectors
    assert (cache.vectors.take(again.rows) == expected).all()


def test_an_evaluation_with_a_cache_leaves_the_bytes_of_one_without(root: Path, tmp_path: Path) -> None:
    evaluate(root, Telling(noise=1.6), out=tmp_path / "plain")
    evaluate(root, Telling(noise=1.6), out=tmp_path / "first", cache=tmp_path / "cache")
    encoder = Telling(noise=1.6)
    evaluate(root, encoder, out=tmp_path / "second", cache=tmp_path / "cache")
    assert encoder.seen == [], "masked queries are kept too"
    assert files(tmp_path / "plain") == files(tmp_path / "first") == files(tmp_path / "second")


def test_an_evaluation_that_is_cut_off_goes_on_where_it_was(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embed, "BLOCK", 8)

    class Failing(Telling):
        def embed(self, items: Sequence[Item], **options: Any) -> Encoding:
            if len(self.seen) >= 40:
                raise KeyboardInterrupt
            return super().embed(items, **options)

    with pytest.raises(KeyboardInterrupt):
        evaluate(root, Failing(), out=tmp_path / "e", cache=tmp_path / "cache")
    encoder = Telling()
    evaluate(root, encoder, out=tmp_path / "e", cache=tmp_path / "cache")
    evaluate(root, Telling(), out=tmp_path / "plain")
    whole = Telling()
    evaluate(root, whole, out=tmp_path / "whole", cache=tmp_path / "other")
    assert len(encoder.seen) == len(whole.seen) - 40
    assert files(tmp_path / "e") == files(tmp_path / "whole") == files(tmp_path / "plain")


def test_pictures_are_known_by_their_content_wherever_they_lie(root: Path, tmp_path: Path) -> None:
    picture = root / "mbeir_images/circle-blue-large.png"
    shutil.copy(picture, tmp_path / "copy.png")
    one = item_key(Item("red", picture, "Find it."))
    assert one == item_key(Item("red", tmp_path / "copy.png", "Find it."))
    assert one == item_key(Item("red", picture.read_bytes(), "Find it."))
    assert len(one) == 16


def test_whatever_an_item_says_or_shows_is_in_its_key(root: Path) -> None:
    one, other = sorted((root / "mbeir_images").iterdir())[:2]
    items = [
        Item("red"),
        Item("blue"),
        Item("red", instruction="Find it."),
        Item("red Find it."),
        Item("red", one),
        Item("red", other),
        Item("red", video=[one]),
        Item("red", video=[one, other]),
        Item("red", video=[other, one]),
        Item(None, one),
        Item(turns=[Item("red")]),
        Item(turns=[Item("red"), Item(None, one)]),
        Item(turns=[Item(None, one), Item("red")]),
    ]
    assert len({*map(item_key, items)}) == len(items)
    assert {field.name for field in fields(Item)} == {"text", "image", "instruction", "video", "turns"}, (
        "add it to the key"
    )


def test_models_have_folders_of_their_own(tmp_path: Path) -> None:
    for encoder in (FakeEncoder("one"), FakeEncoder("other")):
        cache_of(tmp_path, encoder).take(encoder, texts("red"))
        assert encoder.seen == ["red"]
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("name", ["keys.npy", "vectors.npy", "flags.npy", "summaries.jsonl"])
@pytest.mark.parametrize("damage", ["missing", "torn", "empty"])
def test_a_damaged_folder_is_told_and_embedded_again(
    tmp_path: Path, name: str, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    encoder = FakeEncoder()
    cache_of(tmp_path, encoder, 2).take(encoder, texts("red", "blue", "green", "grey"))
    path = sorted(tmp_path.rglob(name))[0]
    whole = path.read_bytes()
    path.unlink()
    if damage != "missing":
        path.write_bytes(whole[: len(whole) // 8] if damage == "torn" else b"")
    with caplog.at_level(logging.WARNING):
        cache = cache_of(tmp_path, encoder)
    assert f"{path.parent} is damaged" in caplog.text
    assert len(cache) == 2 and not path.parent.exists()
    cache.take(encoder, texts("red", "blue", "green", "grey"))
    assert len(encoder.seen) == 6
    assert len(cache_of(tmp_path, encoder)) == 4


def test_what_a_killed_writer_left_is_no_part_of_the_cache(tmp_path: Path) -> None:
    encoder = FakeEncoder()
    cache_of(tmp_path, encoder).take(encoder, texts("red"))
    (model,) = tmp_path.iterdir()
    left = model / ".0123.99999.part"
    left.mkdir()
    (left / "keys.npy").write_bytes(b"half")
    assert len(cache_of(tmp_path, encoder)) == 1
    assert not left.exists()


def test_vectors_that_are_not_finite_are_named_and_not_kept(tmp_path: Path) -> None:
    class Broken(FakeEncoder):
        def embed(self, items: Sequence[Item], **options: Any) -> Encoding:
            found = super().embed(items, **options)
            return replace(found, vectors=found.vectors * np.float32(np.nan))

    encoder = Broken()
    with pytest.raises(VectorError, match="the vector of 'red'"):
        cache_of(tmp_path, encoder).take(encoder, texts("red"))
    assert len(cache_of(tmp_path, encoder)) == 0


def test_two_processes_at_one_cache_leave_whole_folders(tmp_path: Path) -> None:
    encoder = FakeEncoder()
    one, other = cache_of(tmp_path, encoder), cache_of(tmp_path, encoder)
    for cache in (one, other):
        cache.take(encoder, texts("red", "blue"))
    assert len(cache_of(tmp_path, encoder)) == 2


def test_a_cache_that_is_a_file_or_stands_beside_vectors_is_refused(root: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="is a file; give a folder"):
        evaluate(root, FakeEncoder(), out=tmp_path / "e", cache=tmp_path / "file")
    with pytest.raises(InputError, match="not both"):
        evaluate(root, FakeEncoder(), out=tmp_path / "e", cache=tmp_path / "c", vectors=tmp_path / "v")
