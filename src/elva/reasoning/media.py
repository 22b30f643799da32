"""Which questions can be asked with the videos and pictures that are there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from elva.clips import Clip
from elva.encoding import Watch
from elva.errors import InputError
from elva.evaluation.looking import told, unusable
from elva.reasoning.questions import Question


@dataclass(frozen=True, slots=True)
class Missing:
    """What can't be used, and what was left out for it.

    Attributes:
        files: videos and pictures that the questions need.
        unusable: those that are not there, or can't be opened.
        questions_left_out: since they need one of these.
    """

    files: int = 0
    unusable: int = 0
    questions_left_out: int = 0

    def __add__(self, other: Missing) -> Missing:
        """Of two files together; what both need counts twice."""
        return Missing(
            self.files + other.files, self.unusable + other.unusable, self.questions_left_out + other.questions_left_out
        )

    def to_row(self) -> dict[str, int]:
        """A JSON object, with the names that other evaluations have."""
        return {"images": self.files, "missing_images": self.unusable, "queries_left_out": self.questions_left_out}


def files_of(question: Question) -> Iterator[Path]:
    """The videos and pictures on disk that a question shows."""
    for each in question.item.visuals:
        if isinstance(each, Clip):
            yield Path(each.path)
        elif isinstance(each, str | Path):
            yield Path(each)


def usable(
    name: str,
    questions: Sequence[Question],
    images: str,
    *,
    skip: bool,
    otherwise: str = "or leave out the questions that need them",
    watch: Watch | None = None,
) -> tuple[list[Question], Missing]:
    """Open every file once; refuse the set or, when asked, leave out the questions that lack something.

    Args:
        name: of the set, for people.
        questions: all of it.
        images: what to download.
        skip: leave out, instead of refusing.
        otherwise: what else can be done, for people.
        watch: told of the look.

    Raises:
        InputError: files are missing or damaged (one line for all of them), or no question is left without them.
        MissingExtra: clips are video files, and PyAV is not installed.
    """
    files = dict.fromkeys(path for each in questions for path in files_of(each))
    bad = unusable(files, watch)
    if not bad:
        return [*questions], Missing(len(files))
    whole = [each for each in questions if not any(path in bad for path in files_of(each))]
    line = told(name, len(files), bad, images)
    if not skip:
        lost = len(questions) - len(whole)
        raise InputError(f"{line}, {otherwise}: {lost:,} of {len(questions):,}")
    if not whole:
        raise InputError(f"{line}; nothing is left")
    return whole, Missing(len(files), len(bad), len(questions) - len(whole))
