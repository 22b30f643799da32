"""Answers that are spans of time or boxes, and how far two of them overlap."""

from __future__ import annotations

import json
import math

SPAN_OVERLAP, BOX_OVERLAP = 0.7, 0.5
"""A right answer overlaps by more than this."""

Numbers = tuple[float, ...]


def numbers_in(text: str, count: int) -> Numbers | None:
    """The numbers of a text that is a list of so many and nothing else, such as "[3, 7.5]"; else None."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    plain = isinstance(value, list) and len(value) == count and all(type(each) in (int, float) for each in value)
    return tuple(map(float, value)) if plain and all(abs(each) < math.inf for each in value) else None


def span_overlap(one: Numbers, other: Numbers) -> float:
    """Intersection over union of two spans of time, (start, end) each; 0 where their union lasts no time.

    One that ends before it begins is of no time.
    """
    (start, end), (begin, finish) = one, other
    shared = max(0.0, min(end, finish) - max(start, begin))
    union = max(0.0, end - start) + max(0.0, finish - begin) - shared
    return shared / union if union else 0.0


def box_overlap(one: Numbers, other: Numbers) -> float:
    """The same for boxes, (x1, y1, x2, y2) each; 0 where their union has no area."""
    shared = _area((max(one[0], other[0]), max(one[1], other[1]), min(one[2], other[2]), min(one[3], other[3])))
    union = _area(one) + _area(other) - shared
    return shared / union if union else 0.0


def placed_right(answer: str, given: str) -> bool | None:
    """Whether a span or a box that was given is where the answer is; None where they are no two of a kind.

    Args:
        answer: the right one.
        given: the one that was extracted from a response.
    """
    spans = numbers_in(answer, 2), numbers_in(given, 2)
    if spans[0] and spans[1]:
        return span_overlap(spans[0], spans[1]) > SPAN_OVERLAP
    boxes = _box(answer), _box(given)
    if boxes[0] and boxes[1]:
        return box_overlap(boxes[0], boxes[1]) > BOX_OVERLAP
    return None


def _box(text: str) -> Numbers | None:
    """Four whole numbers: other lists are left to the judge, as published."""
    box = numbers_in(text, 4)
    return box if box and "." not in text and "e" not in text.lower() else None


def _area(box: Numbers) -> float:
    return max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1])
