"""Encoders for workers of a cluster, which import them by name: one that is slow, some that die."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from elva.encoding import Encoding
from elva.errors import CheckpointError
from elva.items import Item
from judging import FakeEncoder


class Telling(FakeEncoder):
    """Tells which summaries were forced and which texts cut, by words of the items; notes whom it serves."""

    def __init__(self, before: Callable[[list[str]], None] = lambda said: None) -> None:
        super().__init__(noise=1.6)
        self._before = before

    def embed(self, items: Sequence[Item], **options: Any) -> Encoding:
        self._before([" ".join(self.words(item)) for item in items])
        found = super().embed(items, **options)
        forced, cut = ([n for n, item in enumerate(items) if word in (item.text or "")] for word in ("small", "large"))
        return replace(
            found, forced_ret=len(forced), truncated=len(cut), forced_items=tuple(forced), truncated_items=tuple(cut)
        )


def telling() -> Telling:
    return Telling()


def slow(notes: Path) -> Telling:
    """Takes its time for each shard, and notes the process."""
    return Telling(partial(_wait, notes))


def dies_once(notes: Path, word: str) -> Telling:
    """Kills its process at the first item that says so; the next one lives."""
    return Telling(partial(_die, notes, word, 1))


def deadly(notes: Path, word: str) -> Telling:
    """Kills its process whenever an item says so."""
    return Telling(partial(_die, notes, word, 1000))


def hungry() -> Telling:
    return Telling(_want)


def none() -> Telling:
    raise CheckpointError("no model is there")


def _wait(notes: Path, said: list[str]) -> None:
    (notes / str(os.getpid())).touch()
    time.sleep(0.5)


def _die(notes: Path, word: str, times: int, said: list[str]) -> None:
    if any(word in each for each in said) and len([*notes.iterdir()]) < times:
        (notes / str(os.getpid())).touch()
        os.kill(os.getpid(), signal.SIGKILL)


def _want(said: list[str]) -> None:
    raise MemoryError
