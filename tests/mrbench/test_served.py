"""A served model is asked for grains: what of an item is sent."""

from __future__ import annotations

import base64
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from data.building import picture
from elva.errors import InputError
from elva.items import Item
from elva.mrbench.asking import ANSWER_TOKENS, QUESTION
from elva.mrbench.served import Served
from elva.served.endpoint import Endpoint
from loopback import Server, said


def echo(body: dict[str, Any], _: int) -> tuple[int, Any]:
    return said(body["messages"][0]["content"][-1]["text"].splitlines()[0])


def test_every_item_gets_its_own_answer() -> None:
    with Server(echo) as server:
        asker = Served(Endpoint(server.url, "m"))
        assert dict(asker.answers([Item(f"query {n}") for n in range(20)])) == {n: f"query {n}" for n in range(20)}
    assert (asker.name, asker.identity) == ("m", "served m")


def test_what_is_sent_is_the_picture_and_the_question(tmp_path: Path) -> None:
    Image.new("RGB", (2000, 1000)).save(tmp_path / "a.png")
    with Server(echo) as server:
        [*Served(Endpoint(server.url, "m")).answers([Item("make it red", tmp_path / "a.png")])]
    body = server.asked[0][2]
    shown, text = body["messages"][0]["content"]
    kind, _, data = shown["image_url"]["url"].partition(";base64,")
    assert kind == "data:image/jpeg"
    assert Image.open(BytesIO(base64.b64decode(data))).size == (768, 384)
    assert text["text"] == f"make it red\n{QUESTION}"
    assert body["max_tokens"] == ANSWER_TOKENS


def test_a_bad_picture_ends_the_work(tmp_path: Path) -> None:
    picture(tmp_path / "a.png").write_bytes(b"no picture")
    with Server(echo) as server, pytest.raises(InputError, match=r"a\.png is not an image"):
        [*Served(Endpoint(server.url, "m")).answers([Item(None, tmp_path / "a.png")])]
