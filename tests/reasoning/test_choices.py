"""What responses come to, on items worked by hand."""

from __future__ import annotations

import pytest

from elva.items import Item
from elva.reasoning.choices import Response, judged, ranks
from elva.reasoning.questions import Question

CHOICES = ("red", "lime", "blue", "black")


def said(key: str, answer: str, text: str, domain: str = "work") -> Response:
    return Response.of(Question(key, Item("?"), CHOICES, answer, {"domain": domain}), text)


HAND_WORKED = [
    said("1", "A", "<think>It is red.</think><answer>A.</answer>"),  # right, consistent
    said("2", "A", "<think>It is blue.</think><answer>A.</answer>"),  # right, inconsistent
    said("3", "B", "<think>Who knows.</think><answer>C.</answer>", "hobbies"),  # wrong, can't be told
    said("4", "B", "B."),  # no answer
    said("5", "A", "<answer>A cup</answer>"),  # no option, but the published rule takes it
]


def test_what_can_not_be_read_is_wrong_and_stays_in_the_denominator() -> None:
    row = judged("L1", HAND_WORKED)
    assert row["accuracy"] == pytest.approx(2 / 5)
    assert row["queries"] == 5
    assert row["unparsed"] == pytest.approx(2 / 5)
    assert row["format"] == pytest.approx(3 / 5)
    assert row["chance"] == {"accuracy": 0.25}
    assert row["chosen"] == {"A": 2, "C": 1}
    low, high = row["headline_interval"]
    assert 0 <= low < 2 / 5 < high <= 1


def test_the_published_rule_stands_beside_ours() -> None:
    assert judged("L1", HAND_WORKED)["published_rule"] == pytest.approx(3 / 5)


def test_consistency_is_over_the_responses_of_which_it_can_be_told() -> None:
    row = judged("L1", HAND_WORKED)
    assert (row["consistency"], row["consistency_told_of"]) == (1 / 2, 2)
    assert judged("L1", HAND_WORKED[2:])["consistency"] is None


def test_domains_have_their_own_accuracy() -> None:
    domains = judged("L3", HAND_WORKED)["groups"]["domain"]
    assert {name: (each["accuracy"], each["queries"]) for name, each in domains.items()} == {
        "hobbies": (0, 1),
        "work": (1 / 2, 4),
    }


def test_models_are_compared_by_which_questions_they_got_right() -> None:
    assert ranks(HAND_WORKED) == {"qids": ["1", "2", "3", "4", "5"], "best_positive": [1, 1, None, None, None]}
