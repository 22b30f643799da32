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

import numpy as np

from measure import machine

Runs = dict[str, list[float]]
"""Seconds of each round, by what was timed."""
Latencies = dict[str, list[list[float]]]
"""Seconds of each input of each round, by what was timed."""


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


def latencies(works: Mapping[str, Callable[[Any], object]], inputs: Sequence[Any], repeats: int) -> Latencies:
    """Have each input done by all works in turn, each time beginning with another, `repeats` times over.

    The first eighth of the inputs comes once more before all, to warm up.
    """
    taken: Latencies = {name: [] for name in works}
    names = [*works]
    for number in range(repeats + 1):
        some = inputs if number else inputs[: -(-len(inputs) // 8)]
        round_: Runs = {name: [] for name in works}
        gc.collect()
        for place, each in enumerate(some):
            first = place % len(names)
            for name in names[first:] + names[:first]:
                started = time.perf_counter()
                works[name](each)
                round_[name].append(time.perf_counter() - started)
        for name in names if number else ():
            taken[name].append(round_[name])
    return taken


def percentile_ratio(taken: Latencies, ours: str, peer: str, percent: float) -> dict[str, float]:
    """How many times as long ours takes as the peer at a percentile, round by round: median, least and largest."""
    pairs = zip(taken[ours], taken[peer], strict=True)
    return spread([float(np.percentile(own, percent) / np.percentile(theirs, percent)) for own, theirs in pairs])


def percentiles(taken: Sequence[Sequence[float]]) -> dict[str, float]:
    """Milliseconds at the median and at 95 and 99 of 100, of all rounds together."""
    every = np.concatenate(taken) * 1000
    return {f"p{percent}": float(np.percentile(every, percent)) for percent in (50, 95, 99)}


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
