"""An encoder that is several processes, each with a model of its own.

Items go out in pieces of what an `Embedder` prepares at a time, so vectors are those that one process would give,
however many there are. The process that asks loads no model.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.queues import SimpleQueue
from types import TracebackType
from typing import TypeVar

import numpy as np

from elva.encoding import Encoder, Encoding, Extraction, ModelIdentity, Progress
from elva.errors import ElvaError, WorkerDied
from elva.items import Item

PIECE = 512
"""Items that a process embeds at a time."""

Result = TypeVar("Result")
Load = Callable[[int], Encoder]
"""Number of a process, from 0 -> its model; found by name, since another process calls it."""


class Workers:
    """Processes that embed; use it in a `with` block.

    Args:
        load: gives each process its model.
        count: how many processes.
    """

    def __init__(self, load: Load, count: int) -> None:
        context = multiprocessing.get_context("spawn")
        numbers: SimpleQueue[int] = context.SimpleQueue()
        for number in range(count):
            numbers.put(number)
        self.count = count
        self._pool = ProcessPoolExecutor(count, context, _begin, (load, numbers))

    def __enter__(self) -> Workers:
        """Load the first model, to know whose vectors these are.

        Raises:
            ElvaError: what loading it raises.
            WorkerDied: it could not even say why.
        """
        try:
            self._model = self._result(self._pool.submit(_identity))
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the processes; what is not begun is dropped."""
        self._pool.shutdown(cancel_futures=True)

    @property
    def name(self) -> str:
        """As each process calls its model."""
        return self._model.name

    @property
    def fingerprint(self) -> str:
        """That of the model."""
        return self._model.fingerprint

    @property
    def extraction(self) -> Extraction:
        """That of the model."""
        return self._model.extraction

    @property
    def dimension(self) -> int:
        """That of the model."""
        return self._model.dimension

    def embed(
        self,
        items: Sequence[Item],
        *,
        extraction: Extraction | None = None,
        batch_size: int = 128,
        progress: Progress | None = None,
    ) -> Encoding:
        """Embed items; errors as of the model, and WorkerDied where a process is killed."""
        starts = range(0, len(items), PIECE)
        futures = {
            self._pool.submit(_embed, items[start : start + PIECE], extraction, batch_size): start for start in starts
        }
        parts: dict[int, Encoding] = {}
        try:
            for future in as_completed(futures):
                part = parts[futures[future]] = self._result(future)
                if progress:
                    progress(len(part.vectors))
        except BaseException:
            for future in futures:
                future.cancel()
            raise
        return self._joined(parts)

    def _joined(self, parts: dict[int, Encoding]) -> Encoding:
        ordered = sorted(parts.items())
        empty = np.zeros((0, self.dimension), np.float32)
        return Encoding(
            np.concatenate([empty, *(part.vectors for _, part in ordered)]),
            [summary for _, part in ordered for summary in part.summaries],
            sum(part.forced_ret for _, part in ordered),
            sum(part.truncated for _, part in ordered),
            tuple(start + item for start, part in ordered for item in part.forced_items),
            tuple(start + item for start, part in ordered for item in part.truncated_items),
        )

    @staticmethod
    def _result(future: Future[Result]) -> Result:
        try:
            return future.result()
        except BrokenProcessPool as error:
            raise WorkerDied(
                "a process that embeds was killed, perhaps for want of memory; give fewer --processes. "
                "With --cache the same command goes on from what is embedded"
            ) from error


def processes(encoder: Encoder) -> int:
    """How many processes an encoder is."""
    return encoder.count if isinstance(encoder, Workers) else 1


_OWN: list[Encoder | ElvaError] = []
"""What this process embeds with, or why it can't."""


def _begin(load: Load, numbers: SimpleQueue[int]) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        _OWN.append(load(numbers.get()))
    except ElvaError as error:  # raised here, it would only be told as a broken pool
        _OWN.append(error)


def _end_with_parent() -> None:
    """A process that is killed ends no other: without this its workers would wait for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _encoder() -> Encoder:
    own = _OWN[0]
    if isinstance(own, ElvaError):
        raise own
    return own


def _identity() -> ModelIdentity:
    return ModelIdentity.of(_encoder())


def _embed(items: Sequence[Item], extraction: Extraction | None, batch_size: int) -> Encoding:
    return _encoder().embed(items, extraction=extraction, batch_size=batch_size)
