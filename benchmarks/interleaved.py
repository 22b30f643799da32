"""Things that do the same work, timed in turn in one process: a busy minute falls on all of them, so ratios hold.

Memory needs processes of their own: `measure.py`.
"""

from __future__ import annotations

import gc
import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from measure import machine

Runs = dict[str, list[float]]
"""Seconds of each round, by what was timed."""


def rounds(works: Mapping[str, Callable[[], object]], repeats: int) -> Runs:
    """Do all works once to warm up, then `repeats` times in turn, and tell the seconds of each."""
    runs: Runs = {name: [] for name in works}
    for number in range(repeats + 1):
        for name, work in works.items():
            gc.collect()
            started = time.perf_counter()
            work()
            seconds = time.perf_counter() - started
            if number:
                runs[name].append(seconds)
            print(f"  {'warm-up' if not number else f'round {number}'}: {name}: {seconds:.3f} s", flush=True)
    return runs


def ratio(runs: Runs, peer: str, ours: str, per: Mapping[str, float] | None = None) -> dict[str, float]:
    """How many times faster ours is than the peer, round by round: their median, least and largest.

    Args:
        runs: from `rounds`.
        peer: a name in it.
        ours: likewise.
        per: units of work that each does in a round, such as tokens, where they differ.
    """
    units = per or {}
    each = [
        (theirs / units.get(peer, 1.0)) / (own / units.get(ours, 1.0))
        for theirs, own in zip(runs[peer], runs[ours], strict=True)
    ]
    return spread(each)


def spread(figures: Sequence[float]) -> dict[str, float]:
    """Median, least and largest."""
    return {"median": median(figures), "min": min(figures), "max": max(figures)}


def save(out: Path, ratios: Mapping[str, Any], **rest: Any) -> None:
    """Write a file of results: {"ratios": ..., "machine": ..., and whatever else was measured}."""
    content = {"ratios": ratios, "machine": machine(), **rest}
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(content, indent=1) + "\n", "utf-8")
