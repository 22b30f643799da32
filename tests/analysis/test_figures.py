"""The plots: well-formed SVG that shows the values it was given."""

from __future__ import annotations

import math
import re
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elva.analysis.curves import curves, read_metrics
from elva.analysis.figures import Bars, bar_chart, line_chart, running_mean

values = st.floats(-1e6, 1e6).filter(lambda x: x == 0 or abs(x) > 1e-6)


@given(st.lists(st.tuples(st.integers(0, 10_000), values), min_size=1, max_size=30))
def test_curves_stay_inside_the_picture(points: list[tuple[float, float]]) -> None:
    svg = ElementTree.fromstring(line_chart({"a < b": (0, points)}, 'the "loss"'))
    width, height = (float(each) for each in svg.attrib["viewBox"].split()[2:])
    for line in svg.iter("polyline"):
        for pair in line.attrib["points"].split():
            x, y = (float(each) for each in pair.split(","))
            assert -0.1 <= x <= width + 0.1
            assert -0.1 <= y <= height + 0.1


def test_bars_are_as_long_as_their_values() -> None:
    bars = [Bars("one", 0, {"size": 40.0, "fill": None}), Bars("two", 1, {"size": 80.0}, mark=20.0)]
    svg = ElementTree.fromstring(bar_chart(bars, ["size", "fill"], "pairs", 100, 50))
    widths = [float(each.attrib["width"]) for each in svg.iter("rect")]
    assert len(widths) == 2
    assert widths[1] == pytest.approx(2 * widths[0], abs=0.2)
    assert [each.attrib["class"] for each in svg.iter("line")] == ["mark k1", "level"]
    assert "40" in [each.text for each in svg.iter("text")]


def test_running_mean_keeps_a_straight_line_and_halves_noise() -> None:
    line = [(float(x), 2.0 * x) for x in range(100)]
    assert running_mean(line)[50] == (50.0, 100.0)
    assert abs(running_mean([(x, (-1.0) ** x) for x in range(100)])[50][1]) < 0.2


def test_nothing_to_draw_gives_nothing() -> None:
    assert line_chart({}, "x") == ""
    assert curves({"run": [{"step": 1, "kl": math.nan}, {"step": 2}]}, {"run": 0}) == []


def test_losses_have_their_own_plots_and_rewards_share_one(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    run = tmp_path_factory.mktemp("run")
    (run / "metrics.jsonl").write_text('{"step": 1, "loss": 2, "kl": 0.1}\n{"step": 2, "loss": 1, "kl": 0}\n{"st')
    steps = read_metrics(run)
    assert [each["step"] for each in steps] == [1, 2]
    drawn = curves({"elva": steps, "stage2": [{"step": 1, "loss": 3.0}]}, {"elva": 0, "stage2": 1})
    assert [(each.title, each.runs) for each in drawn] == [
        ("loss, elva", ("elva",)),
        ("loss, stage2", ("stage2",)),
        ("KL to the reference", ("elva",)),
    ]
    assert re.search("k1", drawn[1].svg)
