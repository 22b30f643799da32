"""The one form in which every reader gives its questions, and every loop and evaluation takes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from elva.items import Item

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@dataclass(frozen=True, slots=True)
class Question:
    """A question about what is shown.

    Attributes:
        key: its name in the benchmark, unique there.
        item: the whole turn of the user as it is asked, prompt included: clips, pictures and texts in published order.
        choices: the options' texts, in the order of their letters; none for an open question.
        answer: the right letter where there are choices, else the answer's text.
        groups: what tables are split by, such as {"level": "L3", "domain": "work"}.
        response: what a model is to write, where it learns by imitation; None elsewhere.
    """

    key: str
    item: Item
    choices: tuple[str, ...]
    answer: str
    groups: Mapping[str, str] = field(default_factory=dict)
    response: str | None = None

    @property
    def letters(self) -> str:
        """The letters that can be chosen."""
        return LETTERS[: len(self.choices)]
