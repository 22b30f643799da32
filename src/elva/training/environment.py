"""Who judges what a policy answers. Of rankings, which need embeddings, `judge` is the judge."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Protocol

import torch
from torch import Tensor

from elva.reasoning.questions import Question
from elva.reasoning.responses import accuracy_reward, chosen_letter, consistency, format_reward
from elva.training.recipe import AnswerRewards


class Environment(Protocol):
    """Judges answers."""

    def judge(
        self, questions: Sequence[Question], responses: Sequence[Sequence[str]]
    ) -> tuple[Tensor, dict[str, float]]:
        """Rewards (Q, G) of G responses to each of Q questions, float32 on the CPU, and what is logged of them."""


class VerifiableAnswers:
    """Pays for what a rule can verify: the right letter, and the asked-for form.

    Args:
        weights: of the two.
    """

    def __init__(self, weights: AnswerRewards) -> None:
        self._weights = weights

    def judge(
        self, questions: Sequence[Question], responses: Sequence[Sequence[str]]
    ) -> tuple[Tensor, dict[str, float]]:
        """As of `Environment`; `consistency` is over the responses whose thinking names an option, nan where none does.

        Those that chose no option, and those whose thinking names none, are counted.
        """

        def each(what: Callable[[Question, str], float]) -> Tensor:
            rows = zip(questions, responses, strict=True)
            return torch.tensor([[what(question, text) for text in texts] for question, texts in rows])

        accuracy = each(lambda question, text: accuracy_reward(text, question.answer, question.choices))
        form = each(lambda _, text: format_reward(text))
        chose = each(lambda question, text: float(chosen_letter(text, question.choices) is not None))
        agrees = each(lambda question, text: _number(consistency(text, question.choices)))
        named = ~agrees.isnan()
        metrics = {
            "accuracy": accuracy.mean().item(),
            "format": form.mean().item(),
            "no_choice": 1.0 - chose.mean().item(),
            "consistency": agrees[named].mean().item(),
            "no_conclusion": 1.0 - named.float().mean().item(),
        }
        return self._weights.accuracy * accuracy + self._weights.format * form, metrics


def _number(value: bool | None) -> float:
    return math.nan if value is None else float(value)
