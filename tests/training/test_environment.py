"""What answers are paid for: the right letter, the asked-for form; everything else is counted."""

from __future__ import annotations

import math

import pytest

from elva.items import Item
from elva.reasoning.questions import Question
from elva.training.environment import VerifiableAnswers
from elva.training.recipe import AnswerRewards

QUESTION = Question("1", Item("What comes next?"), ("red", "lime", "blue", "black"), "B")


def test_rewards_are_the_weighted_letter_and_form() -> None:
    right, unformed = "<think>It is lime.</think><answer>B.</answer>", "It is <answer>B</answer>"
    wrong, nothing = "<think>It is lime.</think><answer>A.</answer>", "lime"
    judge = VerifiableAnswers(AnswerRewards(accuracy=1.0, format=0.5)).judge
    rewards, metrics = judge([QUESTION, QUESTION], [[right, unformed], [wrong, nothing]])
    assert rewards.tolist() == [[1.5, 1.0], [0.5, 0.0]]
    assert metrics == {"accuracy": 0.5, "format": 0.5, "no_choice": 0.25, "consistency": 0.5, "no_conclusion": 0.5}


def test_where_no_thinking_names_an_option_there_is_no_consistency() -> None:
    _, metrics = VerifiableAnswers(AnswerRewards()).judge([QUESTION], [["", "<answer>B.</answer>"]])
    assert math.isnan(metrics.pop("consistency"))
    assert metrics == {"accuracy": pytest.approx(0.5), "format": 0.0, "no_choice": 0.5, "no_conclusion": 1.0}
