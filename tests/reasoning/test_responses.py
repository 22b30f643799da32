"""What a response says: thinking, answer, letter, and whether they agree."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elva.reasoning.responses import (
    accuracy_reward,
    answer_text,
    chosen_letter,
    concluded_letter,
    consistency,
    first_letter,
    format_reward,
    thinking,
)

CUPS = ("take the cup", "wash the red cup", "wash the cup", "a cup")
"""The last one begins with a word that is a letter."""


def answered(answer: str, thought: str = "so it is") -> str:
    return f"<think>{thought}</think><answer>{answer}</answer>"


def test_thinking_and_answer_are_what_stands_between_their_tags() -> None:
    text = "<think>\n first this\nthen that </think>\n<answer> B. </answer> <answer>C</answer>"
    assert thinking(text) == "first this\nthen that"
    assert answer_text(text) == "B."
    for nothing in ("B", "<think>on and on", "<answer>B", "<think> </think><answer></answer>"):
        assert thinking(nothing) is answer_text(nothing) is None


@pytest.mark.parametrize(
    ("answer", "letter"),
    [
        ("B.", "B"),
        ("B", "B"),
        ("b", "B"),
        ("(B)", "B"),
        ("**B**", "B"),
        ("B) wash the red cup", "B"),
        ("B wash the red cup", "B"),
        ("Option C: wash the cup", "C"),
        ("The answer is: D", "D"),
        ("wash the cup", "C"),
        ("Wash the  cup.", "C"),
        ("a cup", "D"),
        ("A cup of tea", None),
        ("Begin with the cup", None),
        ("E.", None),
        ("wash", None),
        ("42", None),
        ("", None),
    ],
)
def test_the_letter_is_the_answer_s_or_that_of_the_option_it_repeats(answer: str, letter: str | None) -> None:
    assert chosen_letter(answered(answer), CUPS) == letter


def test_an_option_that_stands_twice_is_chosen_by_letter_alone() -> None:
    assert chosen_letter(answered("red"), ("red", "red")) is None
    assert chosen_letter(answered("B. red"), ("red", "red")) == "B"


def test_accuracy_rewards_the_right_letter_in_the_answer_alone() -> None:
    assert accuracy_reward(answered("B."), "B", CUPS) == 1.0
    assert accuracy_reward(answered("C."), "B", CUPS) == 0.0
    assert accuracy_reward("B.", "B", CUPS) == 0.0


def test_the_published_rule_looks_at_the_first_character_alone() -> None:
    assert first_letter(answered("Begin with the cup")) == "B"
    assert first_letter(answered("(B)")) == "("
    assert first_letter("B.") is None


def test_the_format_is_both_tags_in_order_and_nothing_else() -> None:
    assert format_reward("\n<think>a\nb</think>\n<answer>B.</answer>\n") == 1.0
    for text in (
        "<answer>B.</answer><think>a</think>",
        "<answer>B.</answer>",
        "well <think>a</think><answer>B</answer>",
    ):
        assert format_reward(text) == 0.0


@pytest.mark.parametrize(
    ("thought", "letter"),
    [
        ("A. is done, B. is not ready, so C. is next", "C"),
        ("The cup is red. I take option B", "B"),
        ("It must be (D)", "D"),
        ("the answer is C", "C"),
        ("first take the cup, then wash the cup", "C"),
        ("then wash the red cup", "B"),
        ("wash the cup, not D.", "C"),
        ("it isn't option D, so wash the\ncup", "C"),
        ("A red thing is seen", None),
        ("E. is right", None),
        ("who knows", None),
    ],
)
def test_thinking_concludes_on_the_option_it_names_last(thought: str, letter: str | None) -> None:
    assert concluded_letter(answered("B.", thought), CUPS) == letter


def test_consistency_is_none_where_either_side_names_nothing() -> None:
    assert consistency(answered("C.", "so wash the cup"), CUPS) is True
    assert consistency(answered("B.", "so wash the cup"), CUPS) is False
    assert consistency(answered("B.", "who knows"), CUPS) is None
    assert consistency(answered("who knows", "so wash the cup"), CUPS) is None
    assert consistency("<answer>B.</answer>", CUPS) is None


@given(st.text(alphabet="AB.()<>/ \nthinkanswer*", max_size=80), st.lists(st.text(max_size=6), max_size=5))
def test_nothing_that_a_model_writes_is_too_much(text: str, choices: list[str]) -> None:
    for response in (text, answered(text, text)):
        assert chosen_letter(response, choices) in {None, *"ABCDE"[: len(choices)]}
        assert consistency(response, choices) in {None, True, False}
        assert format_reward(response) in {0.0, 1.0}
