"""What of a published set can be judged with the pictures that are there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from elva.data.unseen.sets import Content, PublishedSet, Question, Task
from elva.encoding import Watch
from elva.errors import InputError, MediaError
from elva.evaluation.looking import told, unusable
from elva.evaluation.unseen.specs import Spec


@dataclass(frozen=True, slots=True)
class Missing:
    """What can't be used, and what was left out for it.

    Attributes:
        files: pictures that the set needs.
        unusable: those that are not there, or can't be opened.
        questions: queries left out: they, their answers or their own galleries need one of them.
        candidates: candidates left out.
    """

    files: int = 0
    unusable: int = 0
    questions: int = 0
    candidates: int = 0

    def to_row(self) -> dict[str, int]:
        """A JSON object."""
        return {
            "images": self.files,
            "missing_images": self.unusable,
            "queries_left_out": self.questions,
            "candidates_left_out": self.candidates,
        }


def usable(
    published: PublishedSet, name: str, spec: Spec, *, skip: bool, watch: Watch | None = None
) -> tuple[tuple[Task, ...], Missing]:
    """Open every picture once; refuse the set or, when asked, go on with what is whole.

    Args:
        published: the set.
        name: as the command calls it.
        spec: its row of the table.
        skip: leave out the questions that lack something, instead of refusing the set.
        watch: told of the look.

    Returns:
        The tasks that can be judged, and what was left out.

    Raises:
        InputError: files are missing or damaged (one line for all of them), or no question is left without them.
    """
    files = dict.fromkeys(path for task in published.tasks for each in task.contents() for path in each.files())
    bad = unusable(files, watch)
    if bad and not skip:
        raise InputError(f"{told(name, len(files), bad, spec.images)}, or judge what is there with --skip-missing")
    tasks = tuple(_without(task, bad) for task in published.tasks) if bad else published.tasks
    empty = next((task.name for task in tasks if not task.questions), None)
    if empty is not None:
        raise InputError(
            f"{told(name, len(files), bad, spec.images)}; nothing is left of {empty}"
            if bad
            else f"{name}: {empty} has no query; download the files of {spec.title} again"
        )
    lost = sum(len(task.questions) for task in published.tasks) - sum(len(task.questions) for task in tasks)
    return tasks, Missing(len(files), len(bad), lost, _candidates(published.tasks) - _candidates(tasks))


def _without(task: Task, bad: Mapping[Path, MediaError]) -> Task:
    candidates = {did: each for did, each in task.candidates.items() if _is_whole(each, bad)}

    def whole(question: Question) -> bool:
        return _is_whole(question.content, bad) and all(did in candidates for did in question.names())

    questions = [each for each in task.questions if whole(each)]
    if all(each.among is not None for each in questions):  # what no gallery holds any more need not be embedded
        ranked = {did for each in questions for did in each.among or ()}
        candidates = {did: each for did, each in candidates.items() if did in ranked}
    return replace(task, questions=questions, candidates=candidates)


def _is_whole(content: Content, bad: Mapping[Path, MediaError]) -> bool:
    return not any(path in bad for path in content.files())


def _candidates(tasks: Iterable[Task]) -> int:
    return len({did for task in tasks for did in task.candidates})
