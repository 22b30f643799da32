"""Remembered scores: by content, and not for ever."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from elva.errors import MediaMissing
from elva.items import Item
from elva.search.remembered import Name, Pair, Remembered, name_of


def test_a_name_is_that_of_the_content(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.new("RGB", (8, 8), "red").save(path)
    red = name_of(Item(image=path))
    assert red == name_of(Item(image=str(path))) == name_of(Item(image=path.read_bytes()))
    assert len({red, name_of(Item(image=path, text="a")), name_of(Item(image=path, instruction="a"))}) == 3
    assert name_of(Item(video=[path, path])) != red
    talks = [[Item("a"), Item(image=path)], [Item(image=path), Item("a")], [Item("a", path)], [Item("b", path)]]
    assert len({name_of(Item(turns=turns)) for turns in talks}) == 4
    Image.new("RGB", (8, 8), "blue").save(path)
    assert name_of(Item(image=path)) != red, "the file under the path is another one"
    path.unlink()
    with pytest.raises(MediaMissing):
        name_of(Item(image=path))


def test_what_was_not_used_for_longest_is_forgotten() -> None:
    known = Remembered[Pair, float](2)
    a, b, c = (_named(each) for each in "abc")
    known.add({(a, a): 1.0, (a, b): 0.0})
    assert known.get((a, a)) == 1.0
    known.add({(a, c): 3.0})
    assert [known.get((a, each)) for each in (a, b, c)] == [1.0, None, 3.0]
    assert len(known) == 2


def _named(text: str) -> Name:
    return text, None, None
