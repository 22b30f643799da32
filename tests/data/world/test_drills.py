"""Drills: their words hold the answer, and every kind comes."""

from __future__ import annotations

from collections import Counter
from random import Random

from elva.data.world.drills import drills
from elva.data.world.stories import INVERSES


def test_the_words_of_a_drill_hold_its_answer() -> None:
    for drill in drills(400, Random(0)):
        words = drill.question.rstrip("?")
        if drill.kind == "letter":
            assert drill.answer in drill.options and len({*drill.options}) == 4 and words.endswith(drill.answer)
        elif drill.kind == "undo":
            assert words.endswith(INVERSES[drill.answer])
        else:
            listed, asked = words.removeprefix("The thing repeats: ").split(f". What comes {drill.kind} ")
            dance = listed.split(", ")
            pair = (asked, drill.answer) if drill.kind == "after" else (drill.answer, asked)
            assert dance[(dance.index(pair[0]) + 1) % 4] == pair[1]


def test_half_of_all_drills_ask_for_a_letter_and_each_as_often() -> None:
    drawn = [*drills(4000, Random(0))]
    assert Counter(drill.kind for drill in drawn) == {"letter": 2000, "after": 1000, "before": 500, "undo": 500}
    letters = Counter(drill.options.index(drill.answer) for drill in drawn if drill.options)
    assert all(abs(number - 500) < 80 for number in letters.values())
