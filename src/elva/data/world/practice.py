"""What a base practises before it is asked: to describe clips, to say facts of them, to think.

It meets all shapes, backgrounds and kinds of question, but thinks aloud and chooses only about those that training has.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from elva.data.world.quiz_rows import Filming, Row, imitation_row, open_row, steps_row
from elva.data.world.quizzes import FAMILIAR, KINDS, NEW, PRACTISED, Values, quizzes
from elva.data.world.step_items import BEATS, FRAME_SECONDS, OPEN, draw_item
from elva.data.world.telling import told

DESCRIBE = "What happens?"
ALL = Values((*FAMILIAR.shapes, *NEW.shapes), (*FAMILIAR.backgrounds, *NEW.backgrounds))


@dataclass(frozen=True, slots=True)
class PracticePlan:
    """How many rows: descriptions, questions without options, questions with options, and with steps."""

    descriptions: int
    facts: int
    questions: int
    steps: int


def practice(plan: PracticePlan, filming: Filming, seed: str) -> list[Row]:
    """Rows in mixed order; clips are filmed on the way."""
    rows = [
        *_descriptions(plan.descriptions, filming, seed),
        *_facts(plan.facts, filming, seed),
        *_questions(plan.questions, filming, seed),
        *_steps(plan.steps, filming, Random(f"{seed}/steps of practice")),
    ]
    Random(f"{seed}/order of practice").shuffle(rows)
    return rows


def _descriptions(number: int, filming: Filming, seed: str) -> Iterator[Row]:
    for quiz in quizzes([*PRACTISED], ALL, number, Random(f"{seed}/descriptions")):
        yield open_row("description", DESCRIBE, told(quiz.story), filming.quiz(quiz))


def _facts(number: int, filming: Filming, seed: str) -> Iterator[Row]:
    for quiz in quizzes([*KINDS], ALL, number, Random(f"{seed}/facts")):
        yield open_row(quiz.kind, quiz.question, quiz.answer, filming.quiz(quiz))


def _questions(number: int, filming: Filming, seed: str) -> Iterator[Row]:
    for quiz in quizzes([*PRACTISED], FAMILIAR, number, Random(f"{seed}/practice")):
        yield imitation_row(quiz, filming.quiz(quiz))


def _steps(number: int, filming: Filming, rng: Random) -> Iterator[Row]:
    for n in range(number):
        dimension = OPEN[n % len(OPEN)]
        item = draw_item(dimension, n // len(OPEN), rng, filming.look)
        filmed = filming.shoot(item.story, BEATS, "tell what happens", 1000 * FRAME_SECONDS)
        yield steps_row(dimension, item.question, item.answer, item.numbered(), filmed)
