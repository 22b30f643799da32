"""Spans and boxes against overlaps worked by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elva.reasoning.vcr_bench.overlap import SPAN_OVERLAP, box_overlap, placed_right, span_overlap

SPAN = st.tuples(*[st.integers(0, 50).map(float)] * 2)


@pytest.mark.parametrize(
    ("one", "other", "overlap"),
    [
        ((0, 10), (0, 10), 1.0),
        ((0, 10), (5, 15), 5 / 15),
        ((0, 10), (2, 8), 0.6),
        ((0, 10), (20, 30), 0.0),
        ((0, 10), (10, 20), 0.0),
        ((0, 10), (10, 0), 0.0),
        ((5, 5), (5, 5), 0.0),
    ],
)
def test_spans(one: tuple[float, float], other: tuple[float, float], overlap: float) -> None:
    assert span_overlap(one, other) == pytest.approx(overlap)
    assert span_overlap(other, one) == pytest.approx(overlap)


@pytest.mark.parametrize(
    ("one", "other", "overlap"),
    [
        ((0, 0, 10, 10), (0, 0, 10, 10), 1.0),
        ((0, 0, 10, 10), (5, 0, 15, 10), 50 / 150),
        ((0, 0, 10, 10), (5, 5, 15, 15), 25 / 175),
        ((0, 0, 10, 10), (20, 20, 30, 30), 0.0),
        ((0, 0, 10, 10), (10, 10, 0, 0), 0.0),
        ((3, 3, 3, 3), (3, 3, 3, 3), 0.0),
    ],
)
def test_boxes(one: tuple[float, ...], other: tuple[float, ...], overlap: float) -> None:
    assert box_overlap(one, other) == pytest.approx(overlap)
    assert box_overlap(other, one) == pytest.approx(overlap)


@given(one=SPAN, other=SPAN)
def test_the_published_union_changes_no_verdict(one: tuple[float, float], other: tuple[float, float]) -> None:
    hull = max(one[1], other[1]) - min(one[0], other[0])
    shared = max(0.0, min(one[1], other[1]) - max(one[0], other[0]))
    published = shared / hull if hull else 0.0
    assert (published > SPAN_OVERLAP) == (span_overlap(one, other) > SPAN_OVERLAP)


@pytest.mark.parametrize(
    ("answer", "given", "right"),
    [
        ("[3, 10]", "[3,10]", True),
        ("[0, 10]", "[0, 7]", False),  # exactly .7 is not above it
        ("[0, 10]", "[0, 7.1]", True),
        ("[0, 10]", "0:00-0:10", None),
        ("[0, 10]", "Z", None),
        ("[0, 0, 10, 10]", "[0, 0, 10, 6]", True),
        ("[0, 0, 10, 10]", "[0, 0, 10, 5]", False),
        ("[0, 0, 10, 10]", "[0.0, 0, 10, 10]", None),
        ("[0, 0, 10, 10]", "[1, 2]", None),
        ("[0, 10]", "[true, 1]", None),
        ("[0, 10]", "[0, 1e999]", None),
        ("[0, 10]", "[" * 100_000, None),
        ("kitchen", "[0, 10]", None),
    ],
)
def test_places_are_compared_where_both_are_places(answer: str, given: str, right: bool | None) -> None:
    assert placed_right(answer, given) is right
