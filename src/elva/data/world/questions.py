"""Questions about clips of the world, in the layouts of SEED-Bench-R1 and VCR-Bench.

reasoning/seed-bench-r1/annotations/training_6k.jsonl            to choose answers for (RL)
reasoning/seed-bench-r1/annotations/training_with_cot_6k.jsonl   the same questions, with what to write (SFT)
reasoning/seed-bench-r1/annotations/training_base.jsonl          what a base practises: descriptions, facts, questions
reasoning/seed-bench-r1/annotations/validation_L1.jsonl          as in training
reasoning/seed-bench-r1/annotations/validation_L2.jsonl          new shapes and backgrounds
reasoning/seed-bench-r1/annotations/validation_L3.jsonl          new kinds of question
reasoning/vcr-bench/meta_info_video.json                         longer clips, and the steps that lead to each answer
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from elva.data.world.quiz_rows import (
    Filming,
    Row,
    imitation_row,
    judged_row,
    open_row,
    right_option,
    steps_row,
    training_row,
)
from elva.data.world.quizzes import FAMILIAR, HELD_OUT, KINDS, NEW, PRACTISED, Quiz, Values, draw_quiz
from elva.data.world.step_items import BEATS, FRAME_SECONDS, OPEN, draw_item, write_items
from elva.data.world.telling import told
from elva.data.writing import write_lines

FOLDER = Path("reasoning/seed-bench-r1")
DESCRIBE = "What happens?"
ALL = Values((*FAMILIAR.shapes, *NEW.shapes), (*FAMILIAR.backgrounds, *NEW.backgrounds))
LEVELS: dict[str, tuple[tuple[str, ...], Values]] = {
    "L1": ((*PRACTISED,), FAMILIAR),
    "L2": ((*PRACTISED,), NEW),
    "L3": ((*HELD_OUT,), FAMILIAR),
}


@dataclass(frozen=True, slots=True)
class QuestionPlan:
    """How many rows: to train on, of each level, of what the base practises, and per dimension of VCR-Bench."""

    training: int
    level: int
    descriptions: int
    facts: int
    questions: int
    steps: int
    dimension: int


PLANS = {
    "demo": QuestionPlan(6000, 400, 9000, 6000, 6000, 800, 22),
    "large": QuestionPlan(6000, 400, 9000, 6000, 6000, 800, 22),
    "tiny": QuestionPlan(12, 8, 8, 10, 6, 4, 2),
}


def write_questions(root: Path, plan: QuestionPlan, seed: int, progress: Callable[[str, int], None]) -> dict[str, int]:
    """Write everything below the folder of a world; returns how many rows each file has."""
    counts = {}
    writer = _Writer(root / FOLDER, seed, progress)
    for name, rows in writer.files(plan):
        write_lines(root / FOLDER / "annotations" / f"{name}.jsonl", (json.dumps(row) for row in rows))
        counts[name] = len(rows)
    return counts | {"meta_info_video": write_items(root, plan.dimension, seed, progress)}


@dataclass(frozen=True, slots=True)
class _Writer:
    root: Path
    seed: int
    progress: Callable[[str, int], None]

    def files(self, plan: QuestionPlan) -> Iterator[tuple[str, list[Row]]]:
        """Each file's name and rows; clips are filmed on the way."""
        filming = self._filming("train")
        drawn = [(quiz, filming.quiz(quiz)) for quiz in self._quizzes([*PRACTISED], FAMILIAR, plan.training, "train")]
        yield "training_6k", [training_row(quiz, filmed) for quiz, filmed in drawn]
        yield "training_with_cot_6k", [imitation_row(quiz, filmed) for quiz, filmed in drawn]
        yield "training_base", self._practice(plan)
        for level, (kinds, values) in LEVELS.items():
            yield f"validation_{level}", self._level(level, kinds, values, plan.level)

    def _level(self, level: str, kinds: Sequence[str], values: Values, number: int) -> list[Row]:
        filming = self._filming(level)
        return [judged_row(quiz, filming.quiz(quiz), level) for quiz in self._quizzes(kinds, values, number, level)]

    def _practice(self, plan: QuestionPlan) -> list[Row]:
        """What the base practises, in mixed order. Not all shapes and backgrounds, nor all kinds, come with options."""
        filming, rows = self._filming("base"), []
        for quiz in self._quizzes([*PRACTISED], ALL, plan.descriptions, "descriptions"):
            rows.append(open_row("description", DESCRIBE, told(quiz.story), filming.quiz(quiz)))
        for quiz in self._quizzes([*KINDS], ALL, plan.facts, "facts"):
            rows.append(open_row(quiz.kind, quiz.question, quiz.answer, filming.quiz(quiz)))
        for quiz in self._quizzes([*PRACTISED], FAMILIAR, plan.questions, "practice"):
            rows.append(imitation_row(quiz, filming.quiz(quiz)))
        rng = self._rng("steps of practice")
        for n in range(plan.steps):
            dimension = OPEN[n % len(OPEN)]
            item = draw_item(dimension, n // len(OPEN), rng, filming.look)
            filmed = filming.shoot(item.story, BEATS, "tell what happens", 1000 * FRAME_SECONDS)
            rows.append(steps_row(dimension, item.question, item.answer, item.numbered(), filmed))
        self._rng("order of practice").shuffle(rows)
        return rows

    def _quizzes(self, kinds: Sequence[str], values: Values, number: int, purpose: str) -> Iterator[Quiz]:
        """So many, the kinds in turn."""
        rng = self._rng(f"questions of {purpose}")
        for n in range(number):
            yield draw_quiz(kinds[n % len(kinds)], values, right_option(n, len(kinds)), rng)

    def _filming(self, source: str) -> Filming:
        return Filming(self.root, source, self.seed, self.progress)

    def _rng(self, purpose: str) -> Random:
        return Random(f"{self.seed}/reasoning/{purpose}")
