"""A model that is asked for grains, pretended."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from elva.items import Item


class FakeAsker:
    """Says that each word of a text is an entity, and of a picture that each word of its file's name is.

    Args:
        name: of the model.
        patience: how many answers it gives before it breaks down; None for any number.
    """

    def __init__(self, name: str = "fake", patience: int | None = None) -> None:
        self.name = name
        self.identity = f"fake {name}"
        self.patience = patience
        self.asked = 0
        self.say: Callable[[Item], str] = answer

    def answers(self, items: Sequence[Item]) -> Iterator[tuple[int, str]]:
        for place in reversed(range(len(items))):
            if self.asked == self.patience:
                raise KeyboardInterrupt
            self.asked += 1
            yield place, self.say(items[place])


def answer(item: Item) -> str:
    """What it says about an item."""
    shown = Path(str(item.image)).stem.split("-") if item.image is not None else []
    words = [*(item.text or "").split(), *shown]
    return json.dumps([{"kind": "entity", "text": word} for word in words])
