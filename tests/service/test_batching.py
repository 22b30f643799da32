"""Requests gathered, bounded and dropped."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Sequence
from typing import Any

import pytest

from elva.errors import InputError
from elva.service.batching import Batcher
from elva.service.errors import Refused
from elva.service.limits import Limits
from elva.service.metrics import Metrics


class Model:
    """Doubles numbers, one batch at a time; waits where it is told to."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.free = threading.Event()
        self.free.set()
        self.begun = threading.Event()

    def __call__(self, payloads: Sequence[int]) -> list[int]:
        self.begun.set()
        assert self.free.wait(10)
        self.batches.append(list(payloads))
        if -1 in payloads:
            raise InputError("no number below zero")
        return [2 * each for each in payloads]


def run(test: Any, model: Model, **limits: Any) -> Metrics:
    metrics = Metrics()

    async def inside() -> None:
        async with Batcher({"double": model, "again": model}, Limits(**limits), metrics) as batcher:
            await test(batcher)

    asyncio.run(inside())
    return metrics


async def occupied(batcher: Batcher, model: Model) -> asyncio.Future[int]:
    """A first request that the model works on until it is freed."""
    model.free.clear()
    model.begun.clear()
    first = asyncio.ensure_future(batcher.ask("double", 0))
    while not model.begun.is_set():
        await asyncio.sleep(0.001)
    return first


def test_those_who_ask_together_are_answered_in_one_batch() -> None:
    model = Model()

    async def test(batcher: Batcher) -> None:
        assert await asyncio.gather(*(batcher.ask("double", n) for n in range(10))) == [2 * n for n in range(10)]

    run(test, model, gather=0.2, batch=4)
    assert [len(each) for each in model.batches] == [4, 4, 2]


def test_those_who_wait_already_are_answered_together_without_waiting_for_others() -> None:
    model = Model()

    async def test(batcher: Batcher) -> None:
        first = await occupied(batcher, model)
        waiting = [asyncio.ensure_future(batcher.ask("double", n)) for n in range(10)]
        await asyncio.sleep(0.01)
        model.free.set()
        assert await asyncio.gather(first, *waiting) == [0, *(2 * n for n in range(10))]

    run(test, model, gather=0, batch=8)
    assert [len(each) for each in model.batches] == [1, 8, 2]


def test_a_bad_request_spoils_no_other_of_its_batch() -> None:
    model = Model()

    async def test(batcher: Batcher) -> None:
        answers = await asyncio.gather(*(batcher.ask("double", n) for n in (1, -1, 3)), return_exceptions=True)
        assert (answers[0], answers[2]) == (2, 6)
        assert isinstance(answers[1], InputError)

    run(test, model, gather=0.1)


def test_kinds_of_work_are_not_mixed() -> None:
    model = Model()

    async def test(batcher: Batcher) -> None:
        await asyncio.gather(batcher.ask("double", 1), batcher.ask("again", 2), batcher.ask("double", 3))

    run(test, model, gather=0.1)
    assert model.batches == [[1, 3], [2]]


def test_a_full_queue_says_when_to_come_back() -> None:
    model = Model()

    async def test(batcher: Batcher) -> None:
        first = await occupied(batcher, model)
        waiting = [asyncio.ensure_future(batcher.ask("double", n)) for n in range(2)]
        await asyncio.sleep(0)
        assert batcher.waiting == 2
        with pytest.raises(Refused) as refused:
            await batcher.ask("double", 9)
        assert (refused.value.status_code, refused.value.headers) == (429, {"Retry-After": "1"})
        model.free.set()
        assert await asyncio.gather(first, *waiting) == [0, 0, 2]

    run(test, model, queue=2)


def test_whoever_has_gone_costs_no_forward() -> None:
    model = Model()

    async def test(batcher: Batcher) -> None:
        first = await occupied(batcher, model)
        gone, stays = (asyncio.ensure_future(batcher.ask("double", n)) for n in (1, 2))
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.sleep(0)
        model.free.set()
        assert await asyncio.gather(first, stays) == [0, 4]

    metrics = run(test, model)
    assert model.batches == [[0], [2]]
    assert metrics.dropped == 1


def test_whoever_waits_too_long_is_told_so() -> None:
    model = Model()

    async def test(batcher: Batcher) -> None:
        first = await occupied(batcher, model)
        with pytest.raises(Refused) as refused:
            await batcher.ask("double", 1)
        assert (refused.value.status_code, refused.value.code) == (503, "too_late")
        model.free.set()
        with pytest.raises(Refused):
            await first

    run(test, model, patience=0.05)
    assert model.batches == [[0]]


def test_what_was_accepted_is_finished_before_it_stops() -> None:
    model = Model()
    answers: list[asyncio.Future[int]] = []

    async def test(batcher: Batcher) -> None:
        answers.append(await occupied(batcher, model))
        answers.extend(asyncio.ensure_future(batcher.ask("double", n)) for n in (1, 2))
        await asyncio.sleep(0)
        threading.Timer(0.05, model.free.set).start()

        async def late() -> None:
            with pytest.raises(Refused) as refused:
                await asyncio.sleep(0.01)
                await batcher.ask("double", 3)
            assert refused.value.code == "stopping"

        answers.append(asyncio.ensure_future(late()))

    async def inside() -> None:
        async with Batcher({"double": model}, Limits(), Metrics()) as batcher:
            await test(batcher)
        assert [await each for each in answers] == [0, 2, 4, None]

    start = time.monotonic()
    asyncio.run(inside())
    assert time.monotonic() - start < 5
