"""Machines and money for so many items: from floors, what was measured, and prices that you put in. No measurement.

    python benchmarks/sizing.py
    python benchmarks/sizing.py --items 5e7 --gpu-hour 2.2 --memory-month 4

Embedding: what products of matrices and traffic take at least (`floor.py`), for a picture of 150 visual tokens and 20
of text, over the share of that floor which is reached. Reading is one forward (extraction "prefill" or "one_word");
writing is a summary behind it, a token at a time for a batch at once. Index: bytes an item takes where a search goes
through it. HNSW of Milvus holds whole vectors and its links in memory; LanceDB holds what it looks through on disk, and
all that comes back beside it.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from elva.index.milvus_server import LINKS
from floor import Counts, Sizes, floor

MODELS = {
    "Qwen2-VL-2B": Sizes(),
    "Qwen2-VL-7B": Sizes(3584, 28, 18_944, 28, 4, 128, 152_064),
}
BATCH = 256
"""Items that are written about at once."""
WIDTHS = (1536, 256)
"""Whole vectors of a 2B, and what a nested training would keep of them."""
HOUR, GB = 3600, 1e9


@dataclass(frozen=True, slots=True)
class Given:
    """What is put in.

    Attributes:
        flops: of a GPU per second.
        moved: bytes that it moves per second.
        reached: share of the floor that a program reaches.
        gpu_hour: price of a GPU for an hour.
        memory_month: price of a GB of a machine's memory for a month.
        disk_month: price of a GB of fast disk for a month.
        filled: share of a machine's memory that an index may fill.
        machine_gb: memory of a machine.
        rest: bytes of an item's row beside its vectors: words, summary, metadata, thumbnail.
    """

    flops: float
    moved: float
    reached: float
    gpu_hour: float
    memory_month: float
    disk_month: float
    filled: float
    machine_gb: float
    rest: float


def main(arguments: Sequence[str] | None = None) -> None:
    """Show both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=float, nargs="+", default=[1e6, 1e8, 1e9])
    parser.add_argument("--summary", type=float, default=24, help="tokens of a summary")
    parser.add_argument("--flops", type=float, default=989e12, help="of a GPU; an H100 in bfloat16")
    parser.add_argument("--moved", type=float, default=3.35e12, help="bytes a second of a GPU's memory")
    parser.add_argument("--reached", type=float, default=0.3, help="share of that floor, as in encode.py")
    parser.add_argument("--gpu-hour", type=float, default=3.0)
    parser.add_argument("--memory-month", type=float, default=5.0)
    parser.add_argument("--disk-month", type=float, default=0.1)
    parser.add_argument("--filled", type=float, default=0.7)
    parser.add_argument("--machine-gb", type=float, default=256)
    parser.add_argument("--rest", type=float, default=5500, help="bytes of an item's row beside its vectors")
    asked = vars(parser.parse_args(arguments))
    items, summary = asked.pop("items"), asked.pop("summary")
    given = Given(**asked)
    print(markdown([*embedding(items, summary, given)]), markdown([*keeping(items, given)]), sep="\n\n")


def milliseconds(sizes: Sizes, summary: float, given: Given) -> dict[str, float]:
    """Of an item at least, by extraction."""
    parts = floor(sizes, Counts(items=BATCH, pictures=BATCH, group=1, written=summary))
    took = {name: 1000 * part.seconds(given.flops, given.moved) / BATCH for name, part in parts.items()}
    read = took["vision"] + took["prefill"]
    return {"reading": read, "writing": read + took["decode"]}


def embedding(items: Sequence[float], summary: float, given: Given) -> Iterator[Sequence[str]]:
    """Rows of a table: a model and how its vector is made, and the GPU hours and money of so many."""
    yield ["model", "vector", "ms at least", "items/s of a GPU", *(f"{count:,.0f} items" for count in items)]
    for name, sizes in MODELS.items():
        for kind, least in milliseconds(sizes, summary, given).items():
            rate = 1000 * given.reached / least
            hours = [count / rate / HOUR for count in items]
            costs = (f"{each:,.0f} GPU hours, ${each * given.gpu_hour:,.0f}" for each in hours)
            yield [name, kind, f"{least:.2f}", f"{rate:,.0f}", *costs]


def item_bytes(width: int) -> Mapping[str, float]:
    """Bytes of an item in what a search goes through."""
    return {
        "Milvus, HNSW in memory": 4 * width + 4 * 2 * LINKS,
        "LanceDB, vectors on disk": 4 * width,
        "LanceDB, --codes int8": width,
        "LanceDB, --codes binary": width / 8,
    }


def keeping(items: Sequence[float], given: Given) -> Iterator[Sequence[str]]:
    """Rows of a table: a store and a width, and what so many take."""
    yield ["store", "numbers", "bytes searched", *(f"{count:,.0f} items" for count in items)]
    for width in WIDTHS:
        for store, each in item_bytes(width).items():
            costs = [kept(count, each, 4 * width + given.rest, "memory" in store, given) for count in items]
            yield [store, f"{width:,}", f"{each:,.0f}", *costs]


def kept(count: float, searched: float, row: float, in_memory: bool, given: Given) -> str:
    """What so many items take of machines and money.

    Args:
        count: of items.
        searched: bytes of each that a search goes through.
        row: bytes of each that come back with it.
        in_memory: whether the former lie in memory, and not on disk too.
        given: sizes and prices.
    """
    size, rows = count * searched / GB, count * row / GB
    if not in_memory:
        return f"{size + rows:,.0f} GB of disk, ${(size + rows) * given.disk_month:,.0f} a month"
    machines = math.ceil(size / (given.machine_gb * given.filled))
    price = size / given.filled * given.memory_month + rows * given.disk_month
    return f"{size:,.0f} GB in {machines:,} machine{'s' * (machines > 1)}, ${price:,.0f} a month"


def markdown(rows: Sequence[Sequence[str]]) -> str:
    """A table, its first column to the left."""
    head, *rest = rows
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rest]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


if __name__ == "__main__":
    main()
