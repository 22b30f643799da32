"""`elva embed` alone and on a Ray cluster of this machine: what the cluster costs before it begins, and what it gains.

    python benchmarks/embed_ray.py --root demo/world --model demo/seed-0/stage2/model

Each run is the whole command in a process of its own, from the start of Python to the finished folder: once for a
corpus of few items, once for the one asked for. Two points make a line: seconds that do not depend on the corpus, and
items a second beyond them. Actors have a core each. Vectors of all runs are compared. Needs Ray
(pip install "elva-retrieval[ray]").
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from elva.data.world import write_world
from elva.evaluation.store import VectorStore
from interleaved import Runs, ratio, rounds, save
from measure import options

ALONE = "one process"
EQUAL = 1e-6
"""Of unit vectors: batches of float32 that are cut elsewhere are summed in another order."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Write a world unless one is given, embed it by all, show."""
    parser = options(__doc__, "embed_ray")
    parser.add_argument("--root", type=Path, help="data in the M-BEIR layout; the built-in world by default")
    parser.add_argument("--model", default="tiny-base", help="checkpoint folder, or a packaged model")
    parser.add_argument("--actors", type=int, nargs="+", default=[1, 2], help="numbers of actors to try")
    asked = parser.parse_args(arguments)
    if asked.quick:
        asked.actors, asked.repeats = [1], 1
    with tempfile.TemporaryDirectory() as folder:
        place, root = Path(folder), asked.root
        if root is None:
            root = place / "world"
            write_world(root, size="tiny" if asked.quick else "demo")
        few = place / "few"
        write_world(few, size="tiny")
        ways = {ALONE: [], **{f"Ray, {n} actors": ["--ray", "local", "--ray-actors", str(n)] for n in asked.actors}}
        runs: dict[Path, Runs] = {}
        for data in (root, few):
            works = {name: embedding(data, asked.model, place / "out", way) for name, way in ways.items()}
            runs[data] = rounds(works, asked.repeats)
        items, least = (_same(data, asked.model, place, ways) for data in (root, few))
    rows = {name: line(runs[root][name], runs[few][name], items, least) for name in ways}
    ratios = {name: ratio(runs[root], ALONE, name) for name in ways}
    print(f"\n{items:,} items; {least:,} items tell the start\n\n{table(rows, ratios)}")
    save(
        asked.out,
        ratios,
        rows=rows,
        items=items,
        few=least,
        model=str(asked.model),
        seconds=runs[root],
        starts=runs[few],
    )


def embedding(root: Path, model: str, out: Path, way: Sequence[str]) -> Callable[[], None]:
    """The command, into a folder of its own."""

    def work() -> None:
        shutil.rmtree(out, ignore_errors=True)
        command = [sys.executable, "-m", "elva", "embed", str(root), "--model", model, "--out", str(out), *way]
        subprocess.run(command, check=True, capture_output=True, env={**os.environ, "HF_HUB_OFFLINE": "1"})

    return work


def _same(root: Path, model: str, place: Path, ways: Mapping[str, Sequence[str]]) -> int:
    """How many items there are; raises unless all ways give the same vectors."""
    stores = []
    for number, way in enumerate(ways.values()):
        out = place / f"{root.name}-{number}"
        embedding(root, model, out, way)()
        stores.append(VectorStore.load(out))
    rows = np.arange(len(stores[0]))
    for other in stores[1:]:
        assert np.allclose(stores[0].stacked.take(rows), other.stacked.take(rows), rtol=0, atol=EQUAL)
    return len(rows)


def line(whole: Sequence[float], start: Sequence[float], items: int, least: int) -> dict[str, Any]:
    """Seconds of the corpus and of the start, and items a second between the two; medians."""
    slope = (median(whole) - median(start)) / max(1, items - least)
    return {
        "seconds": median(whole),
        "start": max(0.0, median(start) - slope * least),
        "items_per_second": 1 / slope if slope > 0 else None,
    }


def table(rows: Mapping[str, Mapping[str, Any]], ratios: Mapping[str, Mapping[str, float]]) -> str:
    """In Markdown."""
    lines = [["", "seconds", "of these before the first item", "items/s beyond", "times as fast, all in all"]]
    lines.append(["---", *["---:"] * (len(lines[0]) - 1)])
    for name, row in rows.items():
        speed, rate = ratios[name], row["items_per_second"]
        spread = f"{speed['median']:.2f} ({speed['min']:.2f} to {speed['max']:.2f})"
        cells = [f"{row['seconds']:.1f}", f"{row['start']:.1f}", "" if rate is None else f"{rate:,.0f}", spread]
        lines.append([name, *cells])
    return "\n".join(f"| {' | '.join(each)} |" for each in lines)


if __name__ == "__main__":
    main()
