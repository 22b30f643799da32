"""A response judged: its answer and its steps, in four calls to a judge, whoever that is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, Protocol, TypeVar

from elva.reasoning.vcr_bench.overlap import placed_right
from elva.reasoning.vcr_bench.reading import VcrQuestion
from elva.reasoning.vcr_bench.verdicts import Step, Verdict


class Failure(StrEnum):
    """Why a call gave nothing."""

    UNREADABLE = "unreadable"
    UNANSWERED = "unanswered"


CALLS = ("extract", "score", "recall", "precision")
NOTHING = "Z"
"""What is extracted where a response gives no answer; the published letter for it."""

Value = TypeVar("Value", covariant=True)


@dataclass(frozen=True, slots=True)
class Call(Generic[Value]):
    """What came of asking a judge one thing.

    Attributes:
        value: what it says; None where the call failed.
        reply: its last reply as it stands; "" where none came.
        retries: how often it was asked again, for a reply that could not be read.
        failure: why there is no value.
    """

    value: Value | None
    reply: str = ""
    retries: int = 0
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class Answered:
    """A question and what a model wrote about it."""

    question: VcrQuestion
    response: str


@dataclass(frozen=True, slots=True)
class Judgement:
    """What was judged of a response.

    Attributes:
        extract: the answer that it gives.
        score: whether that is right; None where places were compared, or there is no answer to compare.
        placed: whether the span or box that it gives is where it should be; None where it is no such answer.
        recall: the reference's steps, one each, matched or unmatched.
        precision: its own steps, matched, wrong or redundant.
    """

    extract: Call[str]
    score: Call[bool] | None
    placed: bool | None
    recall: Call[tuple[Step, ...]]
    precision: Call[tuple[Step, ...]]

    @property
    def right(self) -> bool:
        """Whether the answer is right; a call that failed makes it wrong."""
        return self.placed if self.placed is not None else bool(self.score and self.score.value)

    @property
    def calls(self) -> dict[str, Call[object]]:
        """The calls that were made, by name."""
        made: dict[str, Call[object] | None] = dict(
            zip(CALLS, (self.extract, self.score, self.recall, self.precision), strict=True)
        )
        return {name: call for name, call in made.items() if call is not None}

    @property
    def failed(self) -> bool:
        """Whether any call gave nothing."""
        return any(call.failure for call in self.calls.values())


class Calls(Protocol):
    """The four things that are asked about a response."""

    def extract(self, answered: Answered) -> Call[str]:
        """The answer that it gives; `NOTHING` where it gives none."""

    def score(self, answered: Answered, extracted: str) -> Call[bool]:
        """Whether the extracted answer is the right one."""

    def recall(self, answered: Answered) -> Call[tuple[Step, ...]]:
        """Which steps of the reference it has, each with its kind."""

    def precision(self, answered: Answered) -> Call[tuple[Step, ...]]:
        """Its own steps, at most 35: of which kind, and matched, wrong or redundant."""


class Judge(Protocol):
    """Judges responses."""

    @property
    def name(self) -> str:
        """What a reader of a result should call it."""

    @property
    def by(self) -> str:
        """What it is: "rules" or "model"."""

    def judgements(self, answered: Sequence[Answered]) -> Iterator[tuple[int, Judgement]]:
        """The place of a response and what is judged of it, as they come, in any order."""


def judged(answered: Answered, calls: Calls) -> Judgement:
    """Judge a response; places are compared by their overlap, other answers by the judge."""
    extract = calls.extract(answered)
    given = extract.value
    placed = None if given is None else placed_right(answered.question.answer, given)
    score = calls.score(answered, given) if given is not None and placed is None else None
    return Judgement(extract, score, placed, calls.recall(answered), calls.precision(answered))


def share(steps: Sequence[Step], against: Verdict) -> float | None:
    """Matched steps over those that are matched or `against`; None where there is neither."""
    matched, other = (sum(step.verdict is each for step in steps) for each in (Verdict.MATCHED, against))
    return matched / (matched + other) if matched + other else None
