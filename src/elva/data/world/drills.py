"""Drills: questions whose words hold the answer, for a base to learn to find things in them.

Which letter stands before an option is the last token of forty in a thought-out answer: a small model that meets it
only there names the right option and then any letter.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle, islice
from random import Random

from elva.data.world.quizzes import OPTIONS
from elva.data.world.stories import INVERSES
from elva.data.world.words import VALUES

_TURNS = ("letter", "after", "letter", "before", "letter", "after", "letter", "undo")
_OFFERED = ("colour", "shape", "fill", "action")


@dataclass(frozen=True, slots=True)
class Drill:
    """A question, its options if it has any, and the answer: an option, or a few words."""

    kind: str
    question: str
    options: tuple[str, ...]
    answer: str


def drills(number: int, rng: Random) -> Iterator[Drill]:
    """So many: every other one asks for a letter, the rest what comes after, before, or undoes an action."""
    for kind in islice(cycle(_TURNS), number):
        if kind == "letter":
            options = tuple(rng.sample(VALUES[rng.choice(_OFFERED)], OPTIONS))
            answer = rng.choice(options)
            yield Drill(kind, f"Which letter is {answer}?", options, answer)
        elif kind == "undo":
            done, answer = rng.choice([*INVERSES.items()])
            yield Drill(kind, f"What undoes {done}?", (), answer)
        else:
            dance, at = rng.sample(VALUES["action"], OPTIONS), rng.randrange(OPTIONS)
            answer = dance[(at + (1 if kind == "after" else -1)) % OPTIONS]
            asked = f"The thing repeats: {', '.join(dance)}. What comes {kind} {dance[at]}?"
            yield Drill(kind, asked, (), answer)
