"""The questions that a run learns from, in the layout of SEED-Bench-R1, and those of each step."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from elva.errors import InputError
from elva.items import Item
from elva.reasoning.media import usable
from elva.reasoning.questions import Question
from elva.reasoning.seed_bench_r1 import MEDIA, annotation_file, parsed_questions
from elva.training.epochs import batch_places, batches_of
from elva.training.prepared import some
from elva.training.recipe import Recipe
from elva.training.session import Session


def parsed(recipe: Recipe, root: Path, name: str) -> list[Question]:
    """The questions of a file; no video is looked at. Errors as of `parsed_questions`."""
    return parsed_questions(root, name, frames=recipe.answer.frames, fps=recipe.answer.fps, seed=recipe.seed)


def digest(root: Path, name: str) -> str:
    """Of a file of questions, in 16 hex digits; videos and pictures are not read."""
    with annotation_file(root, name).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def open_questions(session: Session, root: Path, name: str) -> list[Question]:
    """The questions of a file, after a look at its videos and pictures, as `data.check_images` says.

    Raises:
        DataErrors: every bad row.
        InputError: videos or pictures are missing, unless the recipe skips such rows (then they are counted and said).
    """
    recipe = session.recipe
    questions = parsed(recipe, root, name)
    if not recipe.data.check_images:
        return questions
    with session.progress("checking videos and pictures", None) as tick:
        found, missing = usable(
            name,
            questions,
            MEDIA,
            skip=recipe.data.skip_bad_rows,
            otherwise="or leave out with data.skip_bad_rows the questions that need them",
            watch=lambda *_: tick,
        )
    if missing.questions_left_out:
        session.say(f"{missing.questions_left_out} questions are left out: their videos or pictures are missing.")
    return found


def with_response(name: str, questions: Sequence[Question]) -> Sequence[Question]:
    """The same; InputError where one does not say what to write."""
    return _having(name, questions, "response", lambda question: question.response is not None)


def with_choices(name: str, questions: Sequence[Question]) -> Sequence[Question]:
    """The same; InputError where one is open, so that no rule can verify its answer."""
    return _having(name, questions, "options to choose from", lambda question: bool(question.choices))


class QuestionSource:
    """The questions of `data.split`, as batches.

    Args:
        session: its recipe says which, and how many a step.
        having: what they must have.

    Raises:
        ElvaError: see `open_questions` and `having`.
    """

    def __init__(self, session: Session, having: Callable[[str, Sequence[Question]], Sequence[Question]]) -> None:
        recipe, name = session.recipe, session.recipe.data.split
        found = having(name, open_questions(session, recipe.data.folder(), name))
        self._questions = some(found, recipe.data.max_queries, recipe.seed)
        self._seed, self._size = recipe.seed, recipe.answer.questions_per_step

    def items(self) -> Iterator[tuple[str, Item]]:
        """Key and item of every question."""
        return ((question.key, question.item) for question in self._questions)

    @property
    def batches_per_epoch(self) -> int:
        """Batches in which every question occurs once, but for the rest that fills none."""
        return batches_of(len(self._questions), self._size)

    def batch(self, number: int) -> list[Question]:
        """The questions of a step: a function of the seed and the step's number alone."""
        places = batch_places(self._seed, number, len(self._questions), self._size)
        return [self._questions[place] for place in places.tolist()]


def _having(name: str, questions: Sequence[Question], what: str, has: Callable[[Question], bool]) -> Sequence[Question]:
    lacking = [question.key for question in questions if not has(question)]
    if lacking:
        raise InputError(
            f"{len(lacking)} of the {len(questions)} questions of {name} have no {what}, {lacking[0]} for one; "
            "choose another file of questions"
        )
    return questions
