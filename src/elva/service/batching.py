"""Requests gathered into one forward. One thread owns the model; everybody else waits in a queue of bounded length."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from elva.errors import ElvaError
from elva.service.errors import Refused
from elva.service.limits import Limits
from elva.service.metrics import Metrics

Work = Callable[[Sequence[Any]], Sequence[Any]]
"""Does several pieces of one kind of work at once, and gives the answers in their order."""


@dataclass(slots=True)
class _Job:
    kind: str
    payload: Any
    answer: asyncio.Future[Any]
    until: float


class Batcher:
    """Gathers requests for the model.

    async with Batcher({"search": searcher.search}, limits, metrics) as batcher:
        answer = await batcher.ask("search", query)
    """

    def __init__(self, works: Mapping[str, Work], limits: Limits, metrics: Metrics) -> None:
        """Take what the model can do; nothing runs before entry."""
        self._works, self._limits, self._metrics = works, limits, metrics
        self._queue: asyncio.Queue[_Job] = asyncio.Queue(limits.queue)
        self._model = ThreadPoolExecutor(1, "model")
        self._loop: asyncio.Task[None] | None = None
        self._stopping = False

    @property
    def waiting(self) -> int:
        """How many requests wait."""
        return self._queue.qsize()

    @property
    def ready(self) -> bool:
        """Whether requests are taken."""
        return self._loop is not None and not self._loop.done() and not self._stopping

    async def __aenter__(self) -> Batcher:
        """Begin to work."""
        self._loop = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *error: object) -> None:
        """Finish what was accepted, then stop."""
        self._stopping = True
        await self._queue.join()
        assert self._loop is not None
        self._loop.cancel()
        with suppress(asyncio.CancelledError):
            await self._loop
        self._model.shutdown()

    async def ask(self, kind: str, payload: Any) -> Any:
        """Have one piece of work done; if the caller is cancelled first, it is dropped.

        Raises:
            Refused: 429 where the queue is full, 503 where it took too long or the service is stopping.
            ElvaError: what the work refused.
        """
        if self._stopping:
            raise Refused(503, "stopping", "the service is stopping; ask another one", headers={"Retry-After": "5"})
        loop = asyncio.get_running_loop()
        job = _Job(kind, payload, loop.create_future(), loop.time() + self._limits.patience)
        try:
            self._queue.put_nowait(job)
        except asyncio.QueueFull:
            waiting = f"{self._limits.queue} requests wait for the model; ask again in a second"
            raise Refused(429, "busy", waiting, headers={"Retry-After": "1"}) from None
        try:
            return await asyncio.wait_for(job.answer, self._limits.patience)
        except TimeoutError:
            late = f"the model did not come to this within {self._limits.patience:g} seconds; ask again later"
            raise Refused(503, "too_late", late, headers={"Retry-After": "10"}) from None

    async def _run(self) -> None:
        while True:
            jobs = [await self._queue.get()]
            await self._gather(jobs)
            due = [each for each in jobs if self._is_due(each)]
            self._metrics.dropped += len(jobs) - len(due)
            for kind in dict.fromkeys(each.kind for each in due):
                same = [each for each in due if each.kind == kind]
                self._metrics.batches.see(len(same))
                answers = await asyncio.get_running_loop().run_in_executor(
                    self._model, self._do, kind, [each.payload for each in same]
                )
                for job, answer in zip(same, answers, strict=True):
                    _give(job.answer, answer)
            for _ in jobs:
                self._queue.task_done()

    async def _gather(self, jobs: list[_Job]) -> None:
        """Take who waits already, and wait a moment for others: those who ask together are answered together."""
        until = time.monotonic() + self._limits.gather
        while len(jobs) < self._limits.batch:
            if not self._queue.empty():  # each wait lets the loop send answers first, and the moment is over
                jobs.append(self._queue.get_nowait())
                continue
            try:
                jobs.append(await asyncio.wait_for(self._queue.get(), max(0.0, until - time.monotonic())))
            except TimeoutError:
                return

    def _is_due(self, job: _Job) -> bool:
        return not job.answer.done() and asyncio.get_running_loop().time() < job.until

    def _do(self, kind: str, payloads: Sequence[Any]) -> list[Any]:
        """The answers, or in their place the exceptions; where one of many is refused, each is tried alone."""
        try:
            return list(self._works[kind](payloads))
        except Exception as error:
            if len(payloads) == 1 or not isinstance(error, ElvaError):
                return [error] * len(payloads)
            return [answer for each in payloads for answer in self._do(kind, [each])]


def _give(future: asyncio.Future[Any], answer: Any) -> None:
    if future.done():  # the client has gone meanwhile
        return
    if isinstance(answer, Exception):
        future.set_exception(answer)
    else:
        future.set_result(answer)
