"""A served model is asked over the loopback: what is sent, what is tried again, what is given up."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from typing import Any

import pytest

from elva.errors import InputError
from elva.served.endpoint import TRIES, Ask, Endpoint, EndpointError, NoAnswer
from loopback import Answer, Server, said, slow


@pytest.fixture
def serving() -> Iterator[Callable[[Answer], Server]]:
    with ExitStack() as stack:
        yield lambda answer: stack.enter_context(Server(answer))


def echo(body: dict[str, Any], _: int) -> tuple[int, Any]:
    return said(body["messages"][-1]["content"])


def say(text: str, ask: Ask) -> str:
    return ask([{"role": "user", "content": text}], max_tokens=7)


def answers(endpoint: Endpoint, *texts: str) -> Iterator[tuple[int, str]]:
    return endpoint.each([partial(say, text) for text in texts])


def test_every_request_gets_its_own_answer(serving: Callable[[Answer], Server]) -> None:
    server = serving(echo)
    assert dict(answers(Endpoint(server.url, "m"), *map(str, range(20)))) == {n: str(n) for n in range(20)}
    assert len(server.asked) == 20


def test_what_is_sent_is_the_model_and_the_conversation(serving: Callable[[Answer], Server]) -> None:
    server = serving(echo)
    [*answers(Endpoint(f"{server.url}/", "qwen", key="secret"), "why?")]
    ((path, headers, body),) = server.asked
    assert path == "/v1/chat/completions"
    assert headers["Authorization"] == "Bearer secret"
    assert body == {
        "model": "qwen",
        "messages": [{"role": "user", "content": "why?"}],
        "temperature": 0,
        "seed": 0,
        "max_tokens": 7,
    }


def test_a_piece_of_work_may_ask_several_times(serving: Callable[[Answer], Server]) -> None:
    server = serving(echo)
    works: list[Callable[[Ask], str]] = [lambda ask: say(say("a", ask) + "b", ask)]
    assert [*Endpoint(server.url, "m").each(works)] == [(0, "ab")]


def test_without_a_key_none_is_sent(serving: Callable[[Answer], Server]) -> None:
    server = serving(echo)
    [*answers(Endpoint(server.url, "m"), "x")]
    assert "Authorization" not in server.asked[0][1]


def test_a_busy_server_is_asked_again(serving: Callable[[Answer], Server]) -> None:
    server = serving(lambda body, before: echo(body, before) if before > 2 else ((429, 503, 500)[before], {}))
    assert dict(answers(Endpoint(server.url, "m", wait=0.01), "x")) == {0: "x"}
    assert len(server.asked) == 4


def test_a_server_that_stays_silent_is_given_up_after_bounded_tries(serving: Callable[[Answer], Server]) -> None:
    server = serving(lambda body, before: (503, {"error": "loading"}))
    with pytest.raises(NoAnswer, match=rf"no answer in {TRIES} tries \(status 503: .*loading.*goes on from them"):
        [*answers(Endpoint(server.url, "m", wait=0.001), "x")]
    assert len(server.asked) == TRIES


def test_a_server_that_takes_too_long_is_given_up(serving: Callable[[Answer], Server]) -> None:
    server = serving(slow(0.5, echo))
    with pytest.raises(NoAnswer, match=rf"no answer in {TRIES} tries \(ReadTimeout"):
        [*answers(Endpoint(server.url, "m", wait=0.001, timeout=0.05), "x")]


def test_nobody_at_the_address_is_told() -> None:
    with pytest.raises(NoAnswer, match="ConnectError"):
        [*answers(Endpoint("http://127.0.0.1:9", "m", wait=0.001), "x")]


@pytest.mark.parametrize(("status", "of_one"), [(400, True), (413, True), (401, False), (404, False)])
def test_a_refusal_is_not_tried_again(serving: Callable[[Answer], Server], status: int, of_one: bool) -> None:
    server = serving(lambda body, before: (status, {"error": "no model m"}))
    with pytest.raises(EndpointError, match=rf"refuses: status {status}: .*no model m.*check address") as refused:
        [*answers(Endpoint(server.url, "m"), "x")]
    assert isinstance(refused.value, NoAnswer) == of_one, "whether another request may fare better"
    assert len(server.asked) == 1


@pytest.mark.parametrize("told", [{}, {"choices": []}, [], {"choices": [{"message": {"content": None}}]}])
def test_another_kind_of_server_is_told(serving: Callable[[Answer], Server], told: Any) -> None:
    server = serving(lambda body, before: (200, told))
    with pytest.raises(NoAnswer, match="no chat completion"):
        [*answers(Endpoint(server.url, "m"), "x")]


def test_answers_that_came_before_a_failure_are_given(serving: Callable[[Answer], Server]) -> None:
    server = serving(lambda body, before: echo(body, before) if before < 5 else (400, {}))
    got = []
    with pytest.raises(EndpointError):
        for place, _ in answers(Endpoint(server.url, "m", at_once=2), *map(str, range(50))):
            got.append(place)
    assert len(got) == 5
    assert len(server.asked) < 10, "nothing more is sent"


def test_work_that_fails_for_another_reason_ends_the_rest(serving: Callable[[Answer], Server]) -> None:
    def fails(ask: Ask) -> str:
        raise ValueError("a bug")

    server = serving(echo)
    with pytest.raises(ValueError, match="a bug"):
        [*Endpoint(server.url, "m", at_once=1).each([fails, *[partial(say, "x")] * 20])]
    assert len(server.asked) < 10


def test_an_address_has_a_scheme() -> None:
    with pytest.raises(InputError, match="no address"):
        Endpoint("localhost:8000", "m")


def test_the_same_model_elsewhere_is_the_same() -> None:
    one, other = Endpoint("http://a/v1", "m"), Endpoint("http://b/v1", "m")
    assert (one.name, one.identity) == (other.name, other.identity)
