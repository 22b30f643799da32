"""Recall, precision, F1, accuracy against items worked by hand, and the published aggregate."""

from __future__ import annotations

import pytest

from elva.reasoning.vcr_bench.judging import Call, Failure, Judgement
from elva.reasoning.vcr_bench.scores import f1, score, summary
from elva.reasoning.vcr_bench.verdicts import Kind, Step, Verdict

KINDS = {"p": Kind.PERCEPTION, "r": Kind.REASONING, "b": Kind.BACKGROUND}
VERDICTS = {"+": Verdict.MATCHED, "-": Verdict.UNMATCHED, "x": Verdict.WRONG, "o": Verdict.REDUNDANT}


def steps(code: str) -> tuple[Step, ...]:
    """Steps as two letters each: p+ is a matched step of perception."""
    return tuple(Step(KINDS[each[0]], VERDICTS[each[1]]) for each in code.split())


def judgement(recall: str | None, precision: str | None, said: str = "1", placed: bool | None = None) -> Judgement:
    """None for a call whose reply could not be read."""
    unread = Call(None, "?", 2, Failure.UNREADABLE)
    return Judgement(
        Call("x"),
        Call(said.startswith("1"), said) if placed is None else None,
        placed,
        unread if recall is None else Call(steps(recall)),
        unread if precision is None else Call(steps(precision)),
    )


def test_the_published_aggregate_of_o1() -> None:
    assert 100 * f1(precision=0.701, recall=0.569) == pytest.approx(62.8, abs=0.05)
    assert f1(0.0, 0.0) == 0.0


def test_an_item_by_hand() -> None:
    # reference: 2 of 3 perceptions and 1 of 1 reasoning; background does not count
    # response: perception 1 right, 1 wrong, 1 redundant; reasoning 2 right
    one = score(judgement("p+ p+ p- r+ b-", "p+ px po r+ r+ bo"))
    assert one.recall == {"overall": 3 / 4, "perception": pytest.approx(2 / 3), "reasoning": 1.0}
    assert one.precision == {"overall": 3 / 4, "perception": 1 / 2, "reasoning": 1.0}
    assert one.efficiency == pytest.approx(4 / 6)
    assert (one.right, one.failed, one.published) == (True, False, True)


def test_means_are_over_items_first_and_f1_is_of_the_means() -> None:
    held = [score(judgement("p+ p+", "p+", "1")), score(judgement("p- r+", "px r+ rx", "0"))]
    row = summary(held)
    # recall 1 and 1/2, precision 1 and 1/3
    assert row["overall"]["recall"] == pytest.approx(3 / 4)
    assert row["overall"]["precision"] == pytest.approx(2 / 3)
    assert row["cot_score"] == row["overall"]["f1"] == pytest.approx(2 * (3 / 4) * (2 / 3) / (3 / 4 + 2 / 3))
    # the first item has no steps of reasoning: left out there
    assert row["reasoning"] == {
        "recall": 1.0, "precision": 0.5, "f1": pytest.approx(2 / 3), "recall_items": 1, "precision_items": 1,
    }  # fmt: skip
    assert row["perception"]["recall"] == pytest.approx(1 / 2)
    assert row["accuracy"] == 0.5
    low, high = row["cot_score_interval"]
    assert low <= row["cot_score"] <= high
    assert row["as_published"] == {
        "queries": 2, "accuracy": 0.5, "cot_score": pytest.approx(row["cot_score"])
    }  # fmt: skip


def test_what_fails_stays_in_the_denominator_and_the_published_figure_stands_beside() -> None:
    held = [
        score(judgement("p+", "p+")),
        score(judgement(None, "p+")),  # recall could not be judged
        score(judgement("p+", None)),
        score(None),  # no response
    ]
    row = summary(held)
    assert (row["queries"], row["failed"]) == (4, 3)
    assert row["overall"]["recall"] == row["overall"]["precision"] == row["cot_score"] == 0.5
    assert row["accuracy"] == 0.75
    assert row["as_published"] == {"queries": 1, "accuracy": 1.0, "cot_score": 1.0}


def test_a_response_without_steps_divides_nothing_by_zero() -> None:
    held = [score(judgement("p+", "p+")), score(judgement("p-", ""))]
    row = summary(held)
    assert held[1].precision == dict.fromkeys(("overall", "perception", "reasoning"))
    assert held[1].efficiency is None
    assert (row["overall"]["recall"], row["overall"]["precision"]) == (0.5, 1.0)
    assert row["as_published"]["queries"] == 1, "their scripts divide by the number of steps, and lose the item"
    assert row["failed"] == 0


def test_one_with_a_stop_is_right_and_the_published_scripts_miss_it() -> None:
    row = summary([score(judgement("p+", "p+", said)) for said in ("1", "1.", "0", "1\n")])
    assert row["accuracy"] == 0.75
    assert row["as_published"]["accuracy"] == 0.25


def test_a_place_needs_no_judge() -> None:
    row = summary([score(judgement("p+", "p+", placed=placed)) for placed in (True, False)])
    assert row["accuracy"] == row["as_published"]["accuracy"] == 0.5


def test_nothing_but_background_has_no_figures() -> None:
    row = summary([score(judgement("b+", "bo"))])
    assert row["overall"]["f1"] is None
    assert row["cot_score"] is None
