"""A newer version of the index takes the place of the one that is served, as soon as it is published."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path

from anyio.to_thread import run_sync

from elva.encoding import ModelIdentity
from elva.index.opening import open_index
from elva.index.pointer import Pointer
from elva.index.protocol import Index
from elva.service.state import Parts

log = logging.getLogger("elva.service")

EVERY = 2.0
"""Seconds between two looks; each reads one small file."""


class Newer:
    """An index folder, opened anew whenever something was published."""

    def __init__(self, folder: Path, model: ModelIdentity, parts: Callable[[Index], Parts]) -> None:
        """Open nothing yet.

        Args:
            folder: of the index.
            model: what makes the queries; an index of another one is refused.
            parts: what answers over an opened index.
        """
        self._folder, self._model, self._parts = folder, model, parts
        self._pointer: Pointer | None = None

    def open(self) -> Parts:
        """What was published last; raises as `open_index`."""
        pointer = Pointer.read(self._folder)
        parts = self._parts(open_index(self._folder, self._model))
        self._pointer = pointer  # what is published meanwhile is newer once more
        return parts

    def newer(self) -> Parts | None:
        """The same if it is not what was opened last; raises as `open_index`."""
        return None if Pointer.read(self._folder) == self._pointer else self.open()


async def keep_newest(newer: Newer, take: Callable[[Parts], None]) -> None:
    """Look for newer versions until cancelled.

    What can't be opened, such as the index of another model, is told once; what was opened before stays in use.

    Args:
        newer: where they come from.
        take: exchanges the version that is served, in a thread of its own; requests go on meanwhile.
    """
    told = ""
    while True:
        await asyncio.sleep(EVERY)
        try:
            parts = await run_sync(newer.newer)
            if parts is not None:
                await run_sync(take, parts)
                log.info("version %d is served now", parts[0].index.stats().version)
            told = ""
        except Exception as error:  # whatever it is, the service has an index that works
            if str(error) != told:
                log.warning("the version that was opened before goes on being served: %s", error)
            told = str(error)
