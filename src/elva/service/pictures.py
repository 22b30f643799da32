"""Pictures that clients send: decoded once before they wait for the model, so that a bad one is told at once."""

from __future__ import annotations

import base64
import binascii
import re

from anyio import CapacityLimiter
from anyio.to_thread import run_sync

from elva.media import MediaLimits, load_image
from elva.service.errors import Refused

AT_ONCE = 4
"""Pictures that are decoded at the same time: each takes three bytes a pixel."""

ADDRESS = re.compile(r"\s*(?:https?|ftp|file):", re.IGNORECASE)
DATA = re.compile(r"data:image/[\w.+-]+;base64,", re.IGNORECASE)


class Pictures:
    """Takes pictures within limits."""

    def __init__(self, limits: MediaLimits) -> None:
        """Nothing is decoded yet."""
        self._limits, self._room = limits, CapacityLimiter(AT_ONCE)

    async def said(self, image: str) -> bytes:
        """The encoded bytes of a picture in a JSON body.

        Raises:
            Refused: it is an address, or no base64.
            MediaError: it is no usable picture.
        """
        if ADDRESS.match(image):
            raise Refused(
                422, "not_fetched", "addresses are not fetched; send the image itself, as a data URL or a file", "image"
            )
        try:
            data = base64.b64decode(DATA.sub("", image, count=1), validate=True)
        except (binascii.Error, ValueError):
            wanted = "the image is neither a data URL (data:image/png;base64,...) nor base64"
            raise Refused(422, "no_image", wanted, "image") from None
        return await self.sent(data)

    async def sent(self, data: bytes) -> bytes:
        """The same bytes, if they are a usable picture; raises MediaError."""
        await run_sync(load_image, data, self._limits, limiter=self._room)
        return data
