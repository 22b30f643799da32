"""A model behind an address that speaks OpenAI's chat completions, as vLLM, llama.cpp and others serve them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from functools import partial
from threading import Event
from typing import Any, Protocol, TypeVar

import httpx

from elva.errors import ElvaError, InputError

TRIES = 5
"""How often a request is sent before it is given up."""
LONGEST_WAIT = 60.0
"""Seconds between two tries, at most, whatever the server asks for."""
BUSY = 429
OF_THE_REQUEST = frozenset({400, 413, 422})
"""Refusals of what one request says, such as one that is too long; any other concerns them all."""

Messages = Sequence[Mapping[str, Any]]
"""A conversation, as the protocol has it: [{"role": "user", "content": "..."}]."""
Result = TypeVar("Result")


class EndpointError(ElvaError):
    """A model behind an address can't be asked."""


class NoAnswer(EndpointError):
    """It did not answer one request; others may fare better."""


class Ask(Protocol):
    """Asks a model."""

    def __call__(self, messages: Messages, *, max_tokens: int) -> str:
        """What it answers, greedily; at most so many tokens.

        Raises:
            NoAnswer: none came.
            EndpointError: any request would be refused.
        """


class _Stopped(Exception):
    """Other work failed, so that this is given up."""


class Endpoint:
    """A served model.

    Args:
        url: what "/chat/completions" is put behind, such as http://localhost:8000/v1.
        model: its name there.
        key: sent as the bearer's token, where the server wants one.
        at_once: requests that are on their way at the same time.
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

    def each(self, works: Sequence[Callable[[Ask], Result]]) -> Iterator[tuple[int, Result]]:
        """Do pieces of work that ask the model, some at a time; the place of each and what it gave, as they come.

        Raises:
            Exception: the first that one of them raised; what the others, then on their way, give comes before.
        """
        stop, failed = Event(), None
        client = httpx.Client(headers=self._headers, timeout=self._timeout)
        threads = ThreadPoolExecutor(self._at_once)
        ask = partial(self._ask, client, stop)
        try:
            begun = {threads.submit(work, ask): place for place, work in enumerate(works)}
            for future in as_completed(begun):
                error = future.exception()
                if error is None:
                    yield begun[future], future.result()
                elif not isinstance(error, _Stopped):
                    failed = failed or error
                    stop.set()  # what is on its way is waited for and kept, nothing more is sent
        finally:
            stop.set()
            client.close()  # whoever still waits for an answer, because the command is stopped, does so no longer
            threads.shutdown()
        if failed is not None:
            raise failed

    def _ask(self, client: httpx.Client, stop: Event, messages: Messages, *, max_tokens: int) -> str:
        """See `Ask`; _Stopped where the others are given up."""
        body = {
            "model": self._model,
            "messages": list(messages),
            "temperature": 0,
            "seed": 0,
            "max_tokens": max_tokens,
        }
        told, pause = "", 0.0
        for number in range(TRIES):
            if stop.wait(min(LONGEST_WAIT, pause)):
                raise _Stopped
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
                kind = NoAnswer if response.status_code in OF_THE_REQUEST else EndpointError
                raise kind(f"{self._url} refuses: {told}; check address, name of the model and key")
            pause = max(pause, _asked_wait(response))
        raise NoAnswer(
            f"{self._url} gave no answer in {TRIES} tries ({told}); answers that came are kept: "
            "the same command goes on from them"
        )

    def _text(self, response: httpx.Response) -> str:
        try:
            text = response.json()["choices"][0]["message"]["content"]
        except (ValueError, KeyError, IndexError, TypeError):
            text = None
        if not isinstance(text, str):
            raise NoAnswer(
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
