"""What responses to questions with options come to: accuracy, and whether reasoning and answer agree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from elva.evaluation.metrics import standard_error
from elva.evaluation.significance import hit_interval
from elva.reasoning.questions import Question
from elva.reasoning.responses import chosen_letter, consistency, first_letter, format_reward

HEADLINE = "accuracy"
GROUPS = ("domain", "kind", "category", "duration")
"""By what a part of a benchmark is told apart, where its questions say."""


@dataclass(frozen=True, slots=True)
class Response:
    """A question and what was written.

    Attributes:
        question: what was asked.
        text: the response.
        chosen: the letter it chose; None where there is none to read.
        agrees: whether its thinking concludes on that letter; None where that can't be told.
    """

    question: Question
    text: str
    chosen: str | None
    agrees: bool | None

    @classmethod
    def of(cls, question: Question, text: str) -> Response:
        """Read a response."""
        return cls(question, text, chosen_letter(text, question.choices), consistency(text, question.choices))

    @property
    def right(self) -> bool:
        """Whether it chose the right option."""
        return self.chosen == self.question.answer


def judged(name: str, responses: Sequence[Response]) -> dict[str, Any]:
    """A part of results.json: the figures of one set of responses.

    What can't be read is wrong: it stays in every denominator. Rates are between 0 and 1.

    Args:
        name: of the part; the draws of its interval follow from it.
        responses: at least one.
    """
    right = [float(each.right) for each in responses]
    agree = [each.agrees for each in responses if each.agrees is not None]
    first = [first_letter(each.text) == each.question.answer for each in responses]
    return {
        **_accuracy(name, responses),
        "headline": HEADLINE,
        "headline_se": standard_error(right),
        "chance": {HEADLINE: fmean(1 / len(each.question.choices) for each in responses)},
        "published_rule": fmean(first),
        "unparsed": fmean(each.chosen is None for each in responses),
        "format": fmean(format_reward(each.text) for each in responses),
        "consistency": fmean(agree) if agree else None,
        "consistency_told_of": len(agree),
        "chosen": dict(sorted(Counter(each.chosen for each in responses if each.chosen).items())),
        "pool": max(len(each.question.choices) for each in responses),
        "groups": {group: found for group in GROUPS if (found := _by(name, group, responses))},
    }


def _accuracy(name: str, responses: Sequence[Response]) -> dict[str, Any]:
    hits, count = sum(each.right for each in responses), len(responses)
    return {HEADLINE: hits / count, "headline_interval": list(hit_interval({name: (hits, count)})), "queries": count}


def _by(name: str, group: str, responses: Sequence[Response]) -> dict[str, dict[str, Any]]:
    """The accuracy of each value of a group, by name."""
    values = sorted({each.question.groups[group] for each in responses if group in each.question.groups})
    return {value: _accuracy(f"{name}/{value}", [*_of(group, value, responses)]) for value in values}


def _of(group: str, value: str, responses: Sequence[Response]) -> Iterator[Response]:
    return (each for each in responses if each.question.groups.get(group) == value)


def ranks(responses: Sequence[Response]) -> dict[str, list[Any]]:
    """Which questions were answered right, as models are compared: the rank of the right option, 1 or none."""
    return {
        "qids": [each.question.key for each in responses],
        "best_positive": [1 if each.right else None for each in responses],
    }
