"""Questions about clips of the world, in the layouts of SEED-Bench-R1 and VCR-Bench.

reasoning/seed-bench-r1/annotations/training_6k.jsonl            to choose answers for (RL)
reasoning/seed-bench-r1/annotations/training_with_cot_6k.jsonl   the same questions, with what to write (SFT)
reasoning/seed-bench-r1/annotations/training_base.jsonl          what a base practises before
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

from elva.data.world.practice import PracticePlan, practice
from elva.data.world.quiz_rows import Filming, Row, imitation_row, judged_row, training_row
from elva.data.world.quizzes import FAMILIAR, HELD_OUT, NEW, PRACTISED, Values, quizzes
from elva.data.world.step_items import write_items
from elva.data.writing import write_lines

FOLDER = Path("reasoning/seed-bench-r1")
LEVELS: dict[str, tuple[tuple[str, ...], Values]] = {
    "L1": ((*PRACTISED,), FAMILIAR),
    "L2": ((*PRACTISED,), NEW),
    "L3": ((*HELD_OUT,), FAMILIAR),
}


@dataclass(frozen=True, slots=True)
class QuestionPlan:
    """How much: rows to train on, of each level, what the base practises, items per dimension of VCR-Bench."""

    training: int
    level: int
    practice: PracticePlan
    dimension: int


PLANS = {
    "demo": QuestionPlan(6000, 400, PracticePlan(7000, 4000, 5000, 800), 22),
    "large": QuestionPlan(6000, 400, PracticePlan(7000, 4000, 5000, 800), 22),
    "tiny": QuestionPlan(12, 8, PracticePlan(8, 10, 6, 4), 2),
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
        drawn = [
            (quiz, filming.quiz(quiz)) for quiz in quizzes([*PRACTISED], FAMILIAR, plan.training, self._rng("train"))
        ]
        yield "training_6k", [training_row(quiz, filmed) for quiz, filmed in drawn]
        yield "training_with_cot_6k", [imitation_row(quiz, filmed) for quiz, filmed in drawn]
        yield "training_base", practice(plan.practice, self._filming("base"), self._seed)
        for level, (kinds, values) in LEVELS.items():
            yield f"validation_{level}", self._level(level, kinds, values, plan.level)

    def _level(self, level: str, kinds: Sequence[str], values: Values, number: int) -> list[Row]:
        filming = self._filming(level)
        return [
            judged_row(quiz, filming.quiz(quiz), level) for quiz in quizzes(kinds, values, number, self._rng(level))
        ]

    def _filming(self, source: str) -> Filming:
        return Filming(self.root, source, self.seed, self.progress)

    @property
    def _seed(self) -> str:
        return f"{self.seed}/reasoning"

    def _rng(self, purpose: str) -> Random:
        return Random(f"{self._seed}/questions of {purpose}")
