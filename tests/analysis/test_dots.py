"""Dot charts and panels: well-formed, inside the picture, and where their values belong."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elva.analysis.dots import GLYPHS, Dot, DotRow, dot_chart, glyph
from elva.analysis.panels import Panel, Track, panel_grid

numbers = st.floats(-1e4, 1e4).filter(lambda x: x == 0 or abs(x) > 1e-4)


def circles(svg: str) -> list[tuple[float, float]]:
    found = ElementTree.fromstring(svg).iter("circle")
    return [(float(each.attrib["cx"]), float(each.attrib["cy"])) for each in found]


def size(svg: str) -> tuple[float, float]:
    width, height = ElementTree.fromstring(svg).attrib["viewBox"].split()[2:]
    return float(width), float(height)


@given(st.lists(numbers, min_size=1, max_size=8))
def test_dots_stay_inside_and_keep_their_order(values: list[float]) -> None:
    rows = [DotRow(f"row <{i}>", [Dot(value, 0)], [value], (value, value)) for i, value in enumerate(values)]
    svg = dot_chart(rows, "a & b", [("one", 0, 0)], {"level": 0.0})
    width, height = size(svg)
    at = circles(svg)[: len(values)]
    assert all(0 <= x <= width and 0 <= y <= height for x, y in at)
    assert [y for _, y in at] == sorted(y for _, y in at)
    for (x, _), value in zip(at, values, strict=True):
        assert all((x < other) <= (value < more) for (other, _), more in zip(at, values, strict=True))


def test_a_row_shows_its_seeds_interval_and_figure() -> None:
    svg = dot_chart([DotRow("elva", [Dot(40.0, 2)], [38.0, 42.0], (35.0, 45.0), "40.0", True)], "hits", [])
    lines = [each.attrib["class"] for each in ElementTree.fromstring(svg).iter("line")]
    assert lines.count("seed k2") == 2 and lines.count("span k2") == 1
    assert [each.text for each in ElementTree.fromstring(svg).iter("text")][-2:] == ["elva", "40.0"]


def test_long_names_and_many_keys_find_room() -> None:
    row = [DotRow("a" * 20, [Dot(1.0, 0)])]
    narrow, wide = (dot_chart(row, "x", [(name, 0, 0)] * 9) for name in ("key", "a much longer name"))
    assert size(wide)[1] > size(narrow)[1]
    (x, _) = circles(narrow)[0]
    assert x > 130


@pytest.mark.parametrize("number", range(len(GLYPHS)))
def test_every_glyph_is_well_formed(number: int) -> None:
    shape = ElementTree.fromstring(glyph(number, 3, 10, 10, 4, "a < b"))
    assert shape.attrib["class"] == f"dot-mark {GLYPHS[number]} k3"
    assert next(iter(shape)).text == "a < b"


@given(st.lists(st.tuples(numbers, numbers), min_size=1, max_size=6), st.booleans())
def test_tracks_stay_inside_their_panel(points: list[tuple[float, float]], upside_down: bool) -> None:
    panels = [Panel(f"p & {i}", [Track(points, i)], points[0]) for i in range(3)]
    svg = panel_grid(panels, "paths", ("x", "y"), upside_down=upside_down)
    width, height = size(svg)
    lines = [each.attrib["points"] for each in ElementTree.fromstring(svg).iter("polyline")]
    assert len(lines) == 3
    for line in lines:
        assert all(0 <= x <= width and 0 <= y <= height for x, y in (map(float, p.split(",")) for p in line.split()))


def test_upside_down_has_low_values_on_top() -> None:
    panel = [Panel("", [Track([(0.0, 1.0), (1.0, 5.0)], 0, dots=True)])]
    (_, low), (_, high) = circles(panel_grid(panel, "x", ("x", "y")))
    assert low > high
    (_, low), (_, high) = circles(panel_grid(panel, "x", ("x", "y"), upside_down=True))
    assert low < high


def test_the_bad_quarter_is_right_of_and_below_the_start() -> None:
    track = Track([(0.0, 2.0), (-1.0, 1.0), (1.0, 4.0)], 0, dots=True)
    svg = panel_grid([Panel("arm", [track], (0.0, 2.0))], "x", ("x", "y"), upside_down=True)
    bad = next(each for each in ElementTree.fromstring(svg).iter("rect") if each.attrib["class"] == "bad")
    left, top = float(bad.attrib["x"]), float(bad.attrib["y"])
    start, good, worse = circles(svg)
    assert start == pytest.approx((left, top), abs=0.2)
    assert good[0] < left and good[1] < top
    assert worse[0] > left and worse[1] > top


def test_nothing_to_draw_gives_nothing() -> None:
    assert dot_chart([], "x", []) == ""
    assert panel_grid([], "x", ("x", "y")) == ""
