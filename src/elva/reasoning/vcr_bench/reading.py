"""VCR-Bench (Qi et al., 2025) as it is published: one JSON list, and the videos that it names.

    ROOT/meta_info_video.json     [{"id", "video_path", "duration", "dimension", "question", "multiple-choice",
                                    "choices", "answer", "reasoning": ["1. 0:08-0:30, ...", ...]}, ...]
    ROOT/<video_path>

Durations are in seconds; answers are letters, texts, "[start, end]" in seconds or "[x1, y1, x2, y2]".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from elva.clips import Clip, shown_times
from elva.data.unseen.files import Node, found, inside, read_json
from elva.errors import DataError, DataErrors, MediaError
from elva.items import Item
from elva.prompts import step_by_step
from elva.reasoning.questions import LETTERS, Question

FILE = "meta_info_video.json"
MEDIA = "the videos of VCR-Bench"
FRAMES = 64
"""So many frames, spread evenly, are looked at: as published."""
DIMENSIONS = (
    "Fundamental Temporal Reasoning",
    "Video Temporal Counting",
    "Video Temporal Grounding",
    "Video Knowledge Reasoning",
    "Temporal Spatial Reasoning",
    "Video Plot Analysis",
    "Temporal Spatial Grounding",
)
DURATIONS = ((60.0, "0-60"), (300.0, "60-300"), (float("inf"), "300+"))
"""Seconds that a video lasts at most -> its group."""


@dataclass(frozen=True, slots=True)
class VcrQuestion:
    """A question with the steps that lead to its answer.

    Attributes:
        question: as it is asked; `groups` are its dimension and duration.
        words: the question and its options, without what else the prompt says.
        steps: the reference, in order, as published: "1. 0:08-0:30, ...".
        row: the published row.
    """

    question: Question
    words: str
    steps: tuple[str, ...]
    row: Mapping[str, Any]

    @property
    def key(self) -> str:
        """Its id."""
        return self.question.key

    @property
    def answer(self) -> str:
        """The right answer: a letter, a text, "[start, end]" in seconds, or a box "[x1, y1, x2, y2]"."""
        return self.question.answer


def read_questions(root: Path | str, *, frames: int = FRAMES) -> list[VcrQuestion]:
    """All questions, in the order of the file.

    Of a video that is there, its header is read: the prompt tells when each frame is. A video that can't be opened is
    whoever's that looks at the item.

    Args:
        root: the folder of the download.
        frames: the most frames of a video that are looked at.

    Raises:
        DataError: the file is missing, or no JSON array.
        DataErrors: every bad row.
    """
    path = found(Path(root), (FILE,), "the questions of VCR-Bench")
    questions: dict[str, VcrQuestion] = {}
    errors: list[DataError] = []
    for row in read_json(path).items():
        try:
            read = _question(row, Path(root), frames)
            if read.key in questions:
                raise row["id"].wrong(f"{read.key} comes twice", "give every row its own")
            questions[read.key] = read
        except DataError as error:
            errors.append(error)
    if errors:
        raise DataErrors(errors)
    if not questions:
        raise DataError(path, None, None, "no row", "download the file again")
    return [*questions.values()]


def row_key(node: Node) -> str:
    """An id, which published rows have as a number."""
    return str(node.value) if type(node.value) is int else node.text()


def group_of(seconds: float) -> str:
    """The group of videos that last so long."""
    return next(name for most, name in DURATIONS if seconds <= most)


def _question(row: Node, root: Path, frames: int) -> VcrQuestion:
    key, words = row_key(row["id"]), row["question"].text()
    choices, answer = _choices(row), row["answer"].text()
    letters = LETTERS[: len(choices)]
    if choices and (len(answer) != 1 or answer not in letters):
        raise row["answer"].wrong(f"{answer!r} is no option", f"write one of {', '.join(letters)}")
    if not all(choice in words for choice in choices):  # published questions hold their options
        words = "\n".join([words, *(f"{letter}. {text}" for letter, text in zip(letters, choices, strict=True))])
    steps = tuple(step.text() for step in row["reasoning"].items())
    if not steps:
        raise row["reasoning"].wrong("no step", "give the steps that lead to the answer")
    clip = Clip(inside(row["video_path"], root), frames)
    groups = {"dimension": row["dimension"].text(), "duration": group_of(row["duration"].number())}
    item = Item(turns=[Item(video=clip), Item(step_by_step(words, _times(clip)))])
    return VcrQuestion(Question(key, item, choices, answer, groups), words, steps, row.value)


def _choices(row: Node) -> tuple[str, ...]:
    """The options of a multiple choice; open questions have none, or empty ones."""
    if type(row["multiple-choice"].value) is not bool:
        raise row["multiple-choice"].wrong(f"{row['multiple-choice'].value!r}", "write true or false")
    if not row["multiple-choice"].value:
        return ()
    offered = {letter: node.text() for letter, node in row["choices"].entries() if node.value != ""}
    if not offered or "".join(sorted(offered)) != LETTERS[: len(offered)]:
        raise row["choices"].wrong(f"options {', '.join(offered) or 'none'}", "call the first one A, the next B")
    return tuple(offered[letter] for letter in sorted(offered))


def _times(clip: Clip) -> list[float]:
    """When the frames are that are shown; none where the video can't be opened."""
    try:
        return shown_times(clip)
    except MediaError:
        return []
