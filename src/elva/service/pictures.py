"""Pictures that clients send: decoded once before they wait for the model, so that a bad one is told at once."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence

from anyio import CapacityLimiter
from anyio.to_thread import run_sync

from elva.media import MediaLimits, load_image
from elva.service.errors import Refused
from elva.service.fetching import Fetcher

AT_ONCE = 4
"""Pictures that are decoded at the same time: each takes three bytes a pixel."""

ADDRESS = re.compile(r"\s*(?:https?|ftp|file):", re.IGNORECASE)
DATA = re.compile(r"data:image/[\w.+-]+;base64,", re.IGNORECASE)


class Pictures:
    """Takes pictures within limits."""

    def __init__(self, limits: MediaLimits, fetcher: Fetcher) -> None:
        """Nothing is decoded yet."""
        self._limits, self._fetcher, self._room = limits, fetcher, CapacityLimiter(AT_ONCE)

    async def said(self, images: Sequence[str | None]) -> list[bytes | None]:
        """The encoded bytes of the pictures that one request names, None where it names none.

        Raises:
            Refused: no base64, or an address that is not fetched.
            MediaError: no usable picture.
        """
        fetched = iter(await self._fetcher.fetch([each for each in images if each and ADDRESS.match(each)]))
        found: list[bytes | None] = []
        for each in images:
            data = (next(fetched) if ADDRESS.match(each) else _decoded(each)) if each else None
            found.append(data and await self.sent(data))
        return found

    async def sent(self, data: bytes) -> bytes:
        """The same bytes, if they are a usable picture; raises MediaError."""
        await run_sync(load_image, data, self._limits, limiter=self._room)
        return data


def _decoded(image: str) -> bytes:
    try:
        return base64.b64decode(DATA.sub("", image, count=1), validate=True)
    except (binascii.Error, ValueError):
        wanted = "the image is neither a data URL (data:image/png;base64,...) nor base64"
        raise Refused(422, "no_image", wanted, "image") from None
