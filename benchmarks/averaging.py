"""What a vector costs that is the mean over several summaries, beside that of one greedy summary.

    python benchmarks/averaging.py

The model is `tiny-base`, the items are the mixture of `encode.py`: from texts and picture files to vectors. An item is
read once, however many summaries it has; behind the bottlenecks "words" and "pictures" each summary is read once more,
behind "pictures" those of pictures alone.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

from elva.data.mbeir import MBeir
from elva.data.world import write_world
from elva.encoding import Vectors
from elva.items import Item
from elva.model.embedder import Embedder
from elva.model.settings import Bottleneck
from encode import items_by_kind
from interleaved import ratio, rounds, save
from measure import options

COUNT = 256
SUMMARIES = (1, 4, 8)
BOTTLENECKS: tuple[Bottleneck, ...] = ("none", "words", "pictures")


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the world, measure, show."""
    parser = options(__doc__, "averaging")
    parser.set_defaults(repeats=5)
    asked = parser.parse_args(arguments)
    embedder = Embedder.load("tiny-base")
    results: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as folder:
        write_world(Path(folder) / "world", size="tiny" if asked.quick else "demo")
        items = items_by_kind(MBeir.open(Path(folder) / "world"), COUNT)["mixture"][: 4 if asked.quick else COUNT]
        for bottleneck in BOTTLENECKS:
            works = {str(count): encoding(embedder, items, count, bottleneck) for count in SUMMARIES}
            runs = rounds(works, 1 if asked.quick else asked.repeats)
            more = {name: ratio(runs, name, "1") for name in runs}
            results[bottleneck] = {"items": len(items), "seconds": runs, "times_as_long": more}
    print(table(results))
    save(asked.out, {name: row["times_as_long"] for name, row in results.items()}, workloads=results)


def encoding(embedder: Embedder, items: Sequence[Item], count: int, bottleneck: Bottleneck) -> Callable[[], Vectors]:
    """Embeds the items, the vector of each the mean over so many summaries."""

    def work() -> Vectors:
        settings = embedder.processor.settings
        embedder.processor.settings = replace(settings, summaries=count, bottleneck=bottleneck)
        return embedder.encode(items)

    return work


def table(workloads: Mapping[str, Mapping[str, Any]]) -> str:
    """Medians in Markdown."""
    lines = [["bottleneck", "summaries", "seconds", "items/s", "times as long", "least to most"]]
    lines.append(["---", *["---:"] * (len(lines[0]) - 1)])
    for bottleneck, row in workloads.items():
        for count, more in row["times_as_long"].items():
            seconds = median(row["seconds"][count])
            line = [bottleneck, count, f"{seconds:.2f}", f"{row['items'] / seconds:,.0f}", f"{more['median']:.2f}"]
            lines.append([*line, f"{more['min']:.2f} to {more['max']:.2f}"])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


if __name__ == "__main__":
    main()
