"""Replies of judges are read as far as they can be, and never raise."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elva.reasoning.vcr_bench.verdicts import PRECISION, RECALL, Kind, Verdict, read_answer, read_score, read_steps

ONE = {"step": "s", "step_type": "Video Description Steps", "judgment": "Matched"}
LIST = json.dumps([ONE, {**ONE, "judgment": "Unmatched"}])


@pytest.mark.parametrize(
    "reply",
    [
        LIST,
        f"```json\n{LIST}\n```",
        f"Steps [1] and [2] follow, see [the list].\n{LIST}\nI hope this helps [or not].",
        f'{{"steps": {LIST}}}',
        LIST[:-1] + ",]",
        LIST.replace("Matched", "matched").replace("Description Steps", "description"),
    ],
)
def test_steps_are_read_whatever_stands_around_them(reply: str) -> None:
    read = read_steps(reply, RECALL)
    assert read is not None
    assert [(step.kind, step.verdict) for step in read] == [
        (Kind.PERCEPTION, Verdict.MATCHED),
        (Kind.PERCEPTION, Verdict.UNMATCHED),
    ]


@pytest.mark.parametrize(
    "reply",
    [
        "",
        "All steps are matched.",
        LIST[:-5],
        "[1, 2]",
        json.dumps([ONE, {**ONE, "judgment": "Perhaps"}]),
        json.dumps([ONE, {**ONE, "step_type": "Poetry"}]),
        json.dumps([ONE, {"step": "s"}]),
        json.dumps([ONE, "s"]),
        json.dumps([{**ONE, "judgment": "Wrong"}]),
        "[" * 100_000,
    ],
)
def test_what_is_no_list_of_judged_steps_is_none(reply: str) -> None:
    assert read_steps(reply, RECALL) is None


def test_a_response_may_have_no_steps() -> None:
    assert read_steps("```json\n[]\n```", PRECISION) == ()


def test_precision_knows_wrong_and_redundant() -> None:
    rows = [{**ONE, "judgment": verdict} for verdict in ("Match", "Wrong", "Redundant")]
    read = read_steps(json.dumps(rows), PRECISION)
    assert [step.verdict for step in read or ()] == [Verdict.MATCHED, Verdict.WRONG, Verdict.REDUNDANT]
    assert read_steps(LIST, PRECISION) is None, "unmatched is no verdict there"


@pytest.mark.parametrize(
    ("reply", "score"),
    [
        ("1", True), ("0", False), ("1.", True), (" 0 \n", False), ("**1**", True), ("```\n1\n```", True),
        ("Your output: 1", True), ("They differ, as the colour is another one.\nScore: 0", False),
        ("The two agree.\n1", True), ("1\nBecause both say B.", True),
        ("10", None), ("0.5", None), ("yes", None), ("", None), ("The answer 1 is not 0", None), ("2", None),
        ("The standard answer is 1", None),
    ],
)  # fmt: skip
def test_a_score_is_one_or_nought_however_it_is_dressed(reply: str, score: bool | None) -> None:
    assert read_score(reply) is score


@pytest.mark.parametrize(
    ("reply", "answer"),
    [
        ("B", "B"), (" [3, 10]\n", "[3, 10]"), ("```\nB\n```", "B"), ('"a red car"', "a red car"),
        ("Your output: Z", "Z"), ("", None), ("```\n```", None), ("' '", None),
    ],
)  # fmt: skip
def test_an_answer_is_read_bare(reply: str, answer: str | None) -> None:
    assert read_answer(reply) == answer


@given(reply=st.text() | st.recursive(st.none() | st.text(), st.lists, max_leaves=5).map(json.dumps))
def test_no_reply_raises(reply: str) -> None:
    for allowed in (RECALL, PRECISION):
        read = read_steps(reply, allowed)
        assert read is None or all(step.verdict in allowed for step in read)
    assert read_score(reply) in (None, True, False)
    assert read_answer(reply) != ""
