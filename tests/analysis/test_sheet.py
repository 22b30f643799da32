"""Contact sheets are pictures with something on them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageFont

from elva.analysis.sheet import RIGHT, Tile, contact_sheet, save_sheet, thumbnail, tiles, wrap
from elva.encoding import ModelIdentity
from elva.index.exact import ExactIndex
from elva.index.protocol import Entry, Hit, Origin
from elva.items import Item
from judging import draw


def colours(image: Image.Image) -> set[tuple[int, int, int]]:
    return {tuple(each) for each in np.asarray(image).reshape(-1, 3).tolist()}  # type: ignore[misc]


def test_a_sheet_shows_query_hits_and_which_are_right(tmp_path: Path) -> None:
    red, blue = draw(("circle", "crimson", "large")), draw(("square", "blue", "small"))
    found = [Tile(1, 0.9, red, None, "red", True), Tile(2, 0.5, blue, "words", "blue", False)]
    sheet = contact_sheet(Item("a red circle"), "red circle", found, columns=2)
    green = tuple(bytes.fromhex(RIGHT[1:]))
    assert {(220, 20, 60), (0, 0, 255), green} <= colours(sheet)
    unmarked = contact_sheet(Item("a"), "", [Tile(1, 0.9, red)], columns=2)
    assert green not in colours(unmarked)
    for name in ("sheet.png", "deep/sheet.jpg"):
        save_sheet(sheet, tmp_path / name)
        assert Image.open(tmp_path / name).size == sheet.size


def test_what_can_not_be_opened_is_drawn_as_its_reason(tmp_path: Path) -> None:
    broken, empty = (
        contact_sheet(Item(image=draw(("circle", "blue", "small"))), "", each)
        for each in ([Tile(1, 0.5, tmp_path / "none.png")], [])
    )
    assert broken.height > empty.height > 100


def test_tiles_know_their_pictures_and_what_is_relevant() -> None:
    index = ExactIndex(ModelIdentity("m", "f", "generative", 1), Origin(Path("root")))
    index.add([Entry("a", image="x.png"), Entry("c", image="y.png", thumbnail=b"small")], np.ones((2, 1), np.float32))
    hits = [Hit(1, 0.5, Entry("a", image="x.png")), Hit(2, 0.4, Entry("b", "words", summary="s"))]
    assert tiles(hits, index, {"b"}) == [
        Tile(1, 0.5, Path("root/x.png"), None, "", False),
        Tile(2, 0.4, None, "words", "s", True),
    ]
    assert [each.correct for each in tiles(hits, index)] == [None, None]
    (gone,) = tiles([Hit(1, 0.5, Entry("c", image="y.png"))], index)
    assert gone.image == b"small", "the index keeps a small picture of a file that is gone"


def test_thumbnails_fit_and_tiny_ones_stay_sharp() -> None:
    tiny = Image.new("RGB", (8, 4), "white")
    tiny.putpixel((0, 0), (0, 0, 0))
    assert thumbnail(tiny, 64).size == (64, 32)
    assert len(colours(thumbnail(tiny, 64))) == 2
    assert thumbnail(Image.new("RGB", (3000, 10)), 64).size == (64, 1)


def test_lines_fit_and_cuts_are_marked() -> None:
    font = ImageFont.load_default(14)
    lines = wrap("one two three four five six seven " * 5 + "x" * 400, font, 90, 3)
    assert len(lines) == 3
    assert all(font.getlength(line) <= 90 for line in lines)
    assert lines[-1].endswith("…")
    assert wrap("short", font, 90, 3) == ["short"]
