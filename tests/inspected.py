"""Explanations that need no model, for tests of what shows them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from elva.items import Item


class Inspected:
    """An explanation that finds every word a grain."""

    def __init__(self, query: Item, grains: Sequence[str] | None) -> None:
        self._words = list(grains or (query.text or "").split())
        self._text = query.text or ""

    def to_row(self) -> dict[str, Any]:
        return {
            "text": self._text,
            "summary": self._text,
            "picture_cosine": None,
            "paraphrase_distance": 0.1,
            "rewordings": [{"text": self._text, "distance": 0.1}],
            "grains": [self._row(number, word) for number, word in enumerate(self._words)],
            "grains_not_tried": 0,
            "results": [],
            "nats": None,
            "forced_ret": 0,
            "truncated": 0,
        }

    def _row(self, number: int, word: str) -> dict[str, Any]:
        start = self._text.find(word)
        masked = " ".join(each for each in self._text.split() if each != word)
        return {
            "kind": "word",
            "text": word,
            "span": [start, start + len(word)],
            "masked_txt": masked,
            "distance": 0.02 + 0.2 * number,
            "ratio": 0.2 + 2 * number,
            "ignored": number == 0,
            "summary": masked,
            "overlap": 0.5,
            "kept": [],
            "left": [],
            "entered": [{"id": "square-green-large.png", "now": 1}],
        }


def lacking(text: str, spans: Sequence[tuple[int, int]], candidates: Sequence[Item]) -> list[list[float | None]]:
    """5 nats more for each word that an item's file name or text holds, 5 less for any other."""
    said = [f"{each.text} {each.image}" for each in candidates]
    return [[5.0 if text[start:end] in each else -5.0 for start, end in spans] for each in said]


class Inspector:
    def explain(self, query: Item, k: int = 10, grains: Sequence[str] | None = None) -> Inspected:
        return Inspected(query, grains)
