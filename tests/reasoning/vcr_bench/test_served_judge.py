"""A served judge over the loopback: slow, chatty, busy, away; its replies are read, kept, and counted."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from elva.errors import ElvaError
from elva.reasoning.vcr_bench import read_questions
from elva.reasoning.vcr_bench.judging import Answered, Failure, Judgement
from elva.reasoning.vcr_bench.served_judge import SILENT, TRIES, EndpointJudge
from elva.reasoning.vcr_bench.verdicts import Verdict
from elva.served.answers import Answers
from elva.served.endpoint import Endpoint, EndpointError
from judged_videos import RIGHT, STEPS, row, save
from loopback import Answer, Server, said, slow


def kind(body: dict[str, Any]) -> str:
    """Which of the four calls a request is."""
    prompt = body["messages"][0]["content"]
    marks = {"Find the final answer": "extract", "Do the two agree": "score", "Judge every reference": "recall"}
    return next((name for mark, name in marks.items() if mark in prompt), "precision")


def listed(count: int, verdict: str = "Matched") -> str:
    step = {"step": "s", "step_type": "Video Description Steps", "judgment": verdict}
    return f"Here is the list:\n```json\n{json.dumps([step] * count)}\n```\nAsk me more!"


GOOD = {"extract": "right", "score": "1.", "recall": listed(3), "precision": listed(2, "Wrong")}


def saying(**replies: str | Callable[[int], str]) -> Answer:
    """A judge that says these instead; a function is given how often it was asked about this before."""

    def answer(body: dict[str, Any], _: int) -> tuple[int, Any]:
        reply = {**GOOD, **replies}[kind(body)]
        return said(reply if isinstance(reply, str) else reply(len(body["messages"]) // 2))

    return answer


@pytest.fixture
def items(tmp_path: Path) -> list[Answered]:
    rows = [row(n, question=f"Where does square {n} move?") for n in range(3)]
    return [Answered(each, RIGHT) for each in read_questions(save(tmp_path / "data", rows))]


def judged(server: Server, items: list[Answered], path: Path, **options: Any) -> Iterator[tuple[int, Judgement]]:
    with Answers(path) as answers:
        yield from EndpointJudge(Endpoint(server.url, "m", wait=0.001, **options), answers).judgements(items)


def test_four_calls_judge_an_item(items: list[Answered], tmp_path: Path) -> None:
    with Server(saying()) as server:
        found = dict(judged(server, items, tmp_path / "kept.jsonl"))
    assert sorted(found) == [0, 1, 2]
    assert len(server.asked) == 12
    one = found[0]
    assert (one.extract.value, one.right, one.failed) == ("right", True, False)
    assert one.score is not None
    assert one.score.reply == "1.", "as it was said"
    assert [step.verdict for step in one.recall.value or ()] == [Verdict.MATCHED] * 3
    assert [step.verdict for step in one.precision.value or ()] == [Verdict.WRONG] * 2
    prompts = {kind(body): body["messages"][0]["content"] for _, _, body in server.asked}
    assert all(step in prompts["recall"] and step in prompts["precision"] for step in STEPS)
    assert "image" not in json.dumps([body for _, _, body in server.asked]), "it sees words alone"


def test_a_place_is_not_asked_about(tmp_path: Path) -> None:
    (question,) = read_questions(save(tmp_path / "data", [row(0, answer="[1, 9]")]))
    with Server(saying(extract="[1, 8]")) as server:
        ((_, one),) = judged(server, [Answered(question, "x")], tmp_path / "kept.jsonl")
    assert (one.right, one.score) == (True, None)
    assert len(server.asked) == 3


def test_prose_is_told_what_is_wrong_and_asked_again(items: list[Answered], tmp_path: Path) -> None:
    says = saying(recall=lambda before: listed(3) if before else "All three are matched!")
    with Server(says) as server:
        ((_, one),) = judged(server, items[:1], tmp_path / "kept.jsonl")
    assert (one.recall.retries, one.recall.failure, one.failed) == (1, None, False)
    again = next(body["messages"] for _, _, body in server.asked if len(body["messages"]) > 1)
    assert [each["role"] for each in again] == ["user", "assistant", "user"]
    assert again[1]["content"] == "All three are matched!"
    assert "one entry for each of the 3 reference steps" in again[2]["content"]


@pytest.mark.parametrize(
    ("call", "reply"),
    [("recall", listed(2)), ("recall", "no"), ("precision", "{}"), ("score", "maybe"), ("extract", " ")],
)
def test_what_stays_unreadable_is_given_up_and_counted(
    items: list[Answered], tmp_path: Path, call: str, reply: str
) -> None:
    with Server(saying(**{call: reply})) as server:
        ((_, one),) = judged(server, items[:1], tmp_path / "kept.jsonl")
    failed = one.calls[call]
    assert (failed.value, failed.retries, failed.failure) == (None, TRIES - 1, Failure.UNREADABLE)
    assert one.failed
    assert sum(kind(body) == call for _, _, body in server.asked) == TRIES
    assert [name for name, each in one.calls.items() if each.failure] == [call], "the others are judged"


def test_a_judge_that_times_out_costs_the_item_and_not_the_run(items: list[Answered], tmp_path: Path) -> None:
    quick, late = saying(), slow(0.4, saying())

    def answer(body: dict[str, Any], before: int) -> tuple[int, Any]:
        return (late if kind(body) == "score" else quick)(body, before)

    with Server(answer) as server:
        ((_, one),) = judged(server, items[:1], tmp_path / "kept.jsonl", timeout=0.1)
    assert one.score is not None
    assert (one.score.failure, one.recall.failure, one.right) == (Failure.UNANSWERED, None, False)


def test_a_refusal_of_one_request_costs_that_item(items: list[Answered], tmp_path: Path) -> None:
    def answer(body: dict[str, Any], before: int) -> tuple[int, Any]:
        return (400, {"error": "too long"}) if kind(body) == "precision" else saying()(body, before)

    with Server(answer) as server:
        found = dict(judged(server, items, tmp_path / "kept.jsonl"))
    assert all(each.precision.failure is Failure.UNANSWERED for each in found.values())


def test_a_busy_judge_is_waited_for(items: list[Answered], tmp_path: Path) -> None:
    with Server(lambda body, before: saying()(body, before) if before > 2 else (429, {})) as server:
        found = dict(judged(server, items, tmp_path / "kept.jsonl"))
    assert not any(each.failed for each in found.values())


def test_a_judge_that_is_gone_ends_the_run(tmp_path: Path) -> None:
    items = [Answered(each, RIGHT) for each in read_questions(save(tmp_path / "data", [row(n) for n in range(30)]))]
    with Server(lambda body, before: (503, {})) as server:
        with pytest.raises(EndpointError, match=f"{SILENT} requests in a row got no answer"):
            [*judged(server, items, tmp_path / "kept.jsonl")]
        assert len(server.asked) < 30 * 4 * 5


def test_a_wrong_key_ends_the_run_at_once(items: list[Answered], tmp_path: Path) -> None:
    with Server(lambda body, before: (401, {})) as server, pytest.raises(ElvaError, match="refuses: status 401"):
        [*judged(server, items, tmp_path / "kept.jsonl", at_once=1)]
    assert len(server.asked) < 4


def test_no_reply_is_asked_for_twice(items: list[Answered], tmp_path: Path) -> None:
    def breaks(body: dict[str, Any], before: int) -> tuple[int, Any]:
        return saying()(body, before) if before < 7 else (401, {})

    with Server(breaks) as server, pytest.raises(EndpointError):
        [*judged(server, items, tmp_path / "kept.jsonl", at_once=1)]
    with Server(saying()) as server:
        found = dict(judged(server, items, tmp_path / "kept.jsonl"))
    assert len(server.asked) == 12 - 7
    with Server(saying()) as server:
        assert dict(judged(server, items, tmp_path / "kept.jsonl")) == found
    assert server.asked == []
