"""A model behind an address, asked for grains."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from io import BytesIO
from typing import Any

from elva.items import Item
from elva.media import ImageSource, load_image
from elva.mrbench.asking import ANSWER_TOKENS, QUESTION
from elva.served.endpoint import Ask, Endpoint

SIDE = 768
"""Longer side of the pictures that are sent, at most."""


class Served:
    """Asks a served model; it is an `Asker`."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint

    @property
    def name(self) -> str:
        """The model's name."""
        return self._endpoint.name

    @property
    def identity(self) -> str:
        """The model's name, wherever it is served."""
        return self._endpoint.identity

    def answers(self, items: Sequence[Item]) -> Iterator[tuple[int, str]]:
        """As `Asker.answers`.

        Raises:
            EndpointError: the server refuses, or gives no answer after several tries; answers that came are given
                before.
            MediaError: a picture is missing, damaged or too large.
        """
        works: list[Callable[[Ask], str]] = [partial(_answer, item) for item in items]
        return self._endpoint.each(works)


def _answer(item: Item, ask: Ask) -> str:
    return ask([{"role": "user", "content": _content(item)}], max_tokens=ANSWER_TOKENS)


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
