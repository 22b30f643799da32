"""A model behind an address that speaks OpenAI's chat completions, as vLLM, llama.cpp and others serve them."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from io import BytesIO
from threading import Event
from typing import Any

import httpx

from elva.errors import ElvaError, InputError
from elva.items import Item
from elva.media import ImageSource, load_image
from elva.mrbench.asking import ANSWER_TOKENS, QUESTION

SIDE = 768
"""Longer side of the pictures that are sent, at most."""
TRIES = 5
"""How often a question is sent before the work is given up."""
LONGEST_WAIT = 60.0
"""Seconds between two tries, at most, whatever the server asks for."""
BUSY = 429


class EndpointError(ElvaError):
    """A model behind an address can't be asked."""


class Endpoint:
    """Asks a served model; it is an `Asker`.

    Args:
        url: what "/chat/completions" is put behind, such as http://localhost:8000/v1.
        model: its name there.
        key: sent as the bearer's token, where the server wants one.
        at_once: questions that are on their way at the same time.
        timeout: seconds to wait for an answer.
        wait: seconds before the second try; each further one waits twice as long.

    Raises:
        InputError: the address is none.
    """

    def __init__(
        self, url: str, model: str, *, key: str | None = None, at_once: int = 8, timeout: float = 120, wait: float = 1.0
    ) -> None:
        if not url.startswith(("http://", "https://")):
            raise InputError(f"{url!r} is no address: give one such as http://localhost:8000/v1")
        self._at_once = at_once
        self._url, self._model, self._wait, self._timeout = url.rstrip("/") + "/chat/completions", model, wait, timeout
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}

    @property
    def name(self) -> str:
        """The model's name."""
        return self._model

    @property
    def identity(self) -> str:
        """The model's name, wherever it is served."""
        return f"served {self._model}"

    def answers(self, items: Sequence[Item]) -> Iterator[tuple[int, str]]:
        """As `Asker.answers`.

        Raises:
            EndpointError: the server refuses, or gives no answer after `TRIES`; answers that came are given before.
            MediaError: a picture is missing, damaged or too large.
        """
        stop, failed = Event(), None
        client = httpx.Client(headers=self._headers, timeout=self._timeout)
        threads = ThreadPoolExecutor(self._at_once)
        try:
            asked = {threads.submit(self._ask, client, item, stop): place for place, item in enumerate(items)}
            for future in as_completed(asked):
                failed = failed or future.exception()
                if failed is not None:
                    stop.set()  # what is on its way is waited for and kept, nothing more is sent
                if future.exception() is None and (answer := future.result()) is not None:
                    yield asked[future], answer
        finally:
            stop.set()
            client.close()  # whoever still waits for an answer, because the command is stopped, does so no longer
            threads.shutdown()
        if failed is not None:
            raise failed

    def _ask(self, client: httpx.Client, item: Item, stop: Event) -> str | None:
        """The answer about an item, or None where the others are given up."""
        body = {
            "model": self._model,
            "messages": [{"role": "user", "content": _content(item)}],
            "temperature": 0,
            "seed": 0,
            "max_tokens": ANSWER_TOKENS,
        }
        told, pause = "", 0.0
        for number in range(TRIES):
            if stop.wait(min(LONGEST_WAIT, pause)):
                return None
            pause = self._wait * 2**number
            try:
                response = client.post(self._url, json=body)
            except httpx.HTTPError as error:
                told = f"{type(error).__name__}: {error}"
                continue
            if response.status_code == httpx.codes.OK:
                return self._text(response)
            told = f"status {response.status_code}: {response.text[:200]!r}"
            if response.status_code != BUSY and response.status_code < httpx.codes.INTERNAL_SERVER_ERROR:
                raise EndpointError(f"{self._url} refuses: {told}; check address, name of the model and key")
            pause = max(pause, _asked_wait(response))
        raise EndpointError(
            f"{self._url} gave no answer in {TRIES} tries ({told}); answers that came are kept: "
            "the same command goes on from them"
        )

    def _text(self, response: httpx.Response) -> str:
        try:
            text = response.json()["choices"][0]["message"]["content"]
        except (ValueError, KeyError, IndexError, TypeError):
            text = None
        if not isinstance(text, str):
            raise EndpointError(
                f"{self._url} answers {response.text[:200]!r}, which is no chat completion; "
                "give the address of an OpenAI-compatible server, mostly one that ends in /v1"
            )
        return text


def _asked_wait(response: httpx.Response) -> float:
    """Seconds that the server asks to wait; 0 where it names none, or a date."""
    try:
        return float(response.headers.get("Retry-After", "0"))
    except ValueError:
        return 0.0


def _content(item: Item) -> list[dict[str, Any]]:
    """The message: picture first, then the words, as in ELVA's own prompts."""
    shown: list[dict[str, Any]] = []
    if item.image is not None:
        shown.append({"type": "image_url", "image_url": {"url": _jpeg_uri(item.image)}})
    return [*shown, {"type": "text", "text": f"{item.text}\n{QUESTION}" if item.text else QUESTION}]


def _jpeg_uri(source: ImageSource) -> str:
    image = load_image(source)
    image.thumbnail((SIDE, SIDE))
    buffer = BytesIO()
    image.save(buffer, "JPEG", quality=92)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"
