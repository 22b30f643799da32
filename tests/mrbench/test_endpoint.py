"""A served model is asked over the loopback: what is sent, what is tried again, what is given up."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from data.building import picture
from elva.errors import InputError
from elva.items import Item
from elva.mrbench.asking import QUESTION
from elva.mrbench.endpoint import TRIES, Endpoint, EndpointError
from mrbench.served import Answer, Server, echo


@pytest.fixture
def serving() -> Iterator[Callable[[Answer], Server]]:
    with ExitStack() as stack:
        yield lambda answer: stack.enter_context(Server(answer))


def test_every_item_gets_its_own_answer(serving: Callable[[Answer], Server]) -> None:
    server = serving(echo)
    items = [Item(f"query {n}") for n in range(20)]
    answers = dict(Endpoint(server.url, "m").answers(items))
    assert answers == {n: f"query {n}" for n in range(20)}
    assert len(server.asked) == 20


def test_what_is_sent_is_the_model_the_picture_and_the_question(
    serving: Callable[[Answer], Server], tmp_path: Path
) -> None:
    server = serving(echo)
    Image.new("RGB", (2000, 1000)).save(tmp_path / "a.png")
    item = Item("make it red", tmp_path / "a.png")
    [*Endpoint(f"{server.url}/", "qwen", key="secret").answers([item])]
    ((path, headers, body),) = server.asked
    assert path == "/v1/chat/completions"
    assert headers["Authorization"] == "Bearer secret"
    assert (body["model"], body["temperature"]) == ("qwen", 0)
    shown, text = body["messages"][0]["content"]
    kind, _, data = shown["image_url"]["url"].partition(";base64,")
    assert kind == "data:image/jpeg"
    assert Image.open(BytesIO(base64.b64decode(data))).size == (768, 384)
    assert text["text"] == f"make it red\n{QUESTION}"


def test_without_a_key_none_is_sent(serving: Callable[[Answer], Server]) -> None:
    server = serving(echo)
    [*Endpoint(server.url, "m").answers([Item("x")])]
    assert "Authorization" not in server.asked[0][1]


def test_a_busy_server_is_asked_again(serving: Callable[[Answer], Server]) -> None:
    server = serving(lambda body, before: echo(body, before) if before > 2 else ((429, 503, 500)[before], {}))
    assert dict(Endpoint(server.url, "m", wait=0.01).answers([Item("x")])) == {0: "x"}
    assert len(server.asked) == 4


def test_a_server_that_stays_silent_is_given_up_after_bounded_tries(serving: Callable[[Answer], Server]) -> None:
    server = serving(lambda body, before: (503, {"error": "loading"}))
    with pytest.raises(EndpointError, match=rf"no answer in {TRIES} tries \(status 503: .*loading.*goes on from them"):
        [*Endpoint(server.url, "m", wait=0.001).answers([Item("x")])]
    assert len(server.asked) == TRIES


def test_nobody_at_the_address_is_told() -> None:
    with pytest.raises(EndpointError, match="ConnectError"):
        [*Endpoint("http://127.0.0.1:9", "m", wait=0.001).answers([Item("x")])]


def test_a_refusal_is_not_tried_again(serving: Callable[[Answer], Server]) -> None:
    server = serving(lambda body, before: (404, {"error": "no model m"}))
    with pytest.raises(EndpointError, match=r"refuses: status 404: .*no model m.*check address, name of the model"):
        [*Endpoint(server.url, "m").answers([Item("x")])]
    assert len(server.asked) == 1


@pytest.mark.parametrize("told", [{}, {"choices": []}, [], {"choices": [{"message": {"content": None}}]}])
def test_another_kind_of_server_is_told(serving: Callable[[Answer], Server], told: Any) -> None:
    server = serving(lambda body, before: (200, told))
    with pytest.raises(EndpointError, match="no chat completion"):
        [*Endpoint(server.url, "m").answers([Item("x")])]


def test_answers_that_came_before_a_failure_are_given(serving: Callable[[Answer], Server]) -> None:
    server = serving(lambda body, before: echo(body, before) if before < 5 else (400, {}))
    got = []
    with pytest.raises(EndpointError):
        for place, _ in Endpoint(server.url, "m", at_once=2).answers([Item(f"{n}") for n in range(50)]):
            got.append(place)
    assert len(got) == 5
    assert len(server.asked) < 10, "nothing more is sent"


def test_a_bad_picture_ends_the_work(serving: Callable[[Answer], Server], tmp_path: Path) -> None:
    server = serving(echo)
    picture(tmp_path / "a.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match=r"a\.png is not an image"):
        [*Endpoint(server.url, "m").answers([Item(None, tmp_path / "a.png")])]


def test_an_address_has_a_scheme() -> None:
    with pytest.raises(InputError, match="no address"):
        Endpoint("localhost:8000", "m")


def test_the_same_model_elsewhere_is_the_same() -> None:
    one, other = Endpoint("http://a/v1", "m"), Endpoint("http://b/v1", "m")
    assert (one.name, one.identity) == (other.name, other.identity)
