"""The nearest of a million candidates: what `elva mine` does once the vectors are there.

    python benchmarks/mining_at_size.py             # 1,000,000 candidates, 2,000 queries, 256 dimensions

An encoder that draws unit vectors stands for the model. Measured are writing the candidates' vectors to disk, taking
them into a gallery, and the nearest 50 of every query, ties and right answers looked after, as lines of JSON. Beside
them, over the same vectors and in blocks of as many queries: numpy's product and argpartition, and the product alone.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from measure import Meter, compared, options

if TYPE_CHECKING:
    import numpy as np

TOP = 50
FLOOR = "product alone"


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and show."""
    parser = options(__doc__, "mining_at_size")
    parser.add_argument("--candidates", type=int, default=1_000_000)
    parser.add_argument("--queries", type=int, default=2_000)
    parser.add_argument("--dimension", type=int, default=256)
    asked = parser.parse_args(arguments)
    size = (2_000, 20, 16) if asked.quick else (asked.candidates, asked.queries, asked.dimension)
    candidates, queries, dimension = size
    flops, bytes_read = 2 * candidates * queries * dimension, 4 * candidates * dimension
    print(f"the product: {flops:.3g} floating-point operations; the candidates: {bytes_read:.3g} bytes")
    with tempfile.TemporaryDirectory() as folder:
        works = [(work, (Path(folder), *size)) for work in (mined, searched_by_numpy, multiplied)]
        compared(works, FLOOR, asked, size=size, flops=flops, bytes=bytes_read)


def mined(meter: Meter, folder: Path, candidates: int, queries: int, dimension: int) -> None:
    """Through the code of `elva mine`."""
    from elva.data.mbeir import MBeir, Query
    from elva.index.gallery import Gallery
    from elva.items import Item
    from elva.training.negatives import Filter, RightAnswers, _mined
    from elva.training.unfinished import BLOCK, Unfinished

    encoder, data, right = Drawn(dimension), MBeir(folder), RightAnswers([])
    asking = [Query(f"0:{n}", f"{n}", None, "text", (f"0:{n}",), (), 1) for n in range(queries)]

    def block(start: int, stop: int) -> dict[str, Item]:
        return {f"0:{n}": Item(f"{candidates + n}") for n in range(start, stop)}

    with Unfinished(folder / "negatives.jsonl", {}) as work:
        meter.begin()
        vectors = work.vectors("candidates", candidates, block, encoder)
        meter.end("elva: vectors drawn and written")
        gallery = Gallery.of([f"0:{n}" for n in range(candidates)], vectors)
        meter.end("elva: gallery")
        lines = [
            line
            for start in range(0, queries, BLOCK)
            for line in _mined(data, encoder, asking[start : start + BLOCK], gallery, right, TOP, Filter())
        ]
        meter.end(f"elva: nearest {TOP}")
        work.finish(lines)


def searched_by_numpy(meter: Meter, folder: Path, candidates: int, queries: int, dimension: int) -> None:
    """As a script would."""
    import numpy as np

    vectors, asking = _drawn(candidates, dimension, candidates), _drawn(0, dimension, queries)
    meter.begin()
    for block in _blocks(asking, candidates):
        cosines = block @ vectors.T
        columns = np.argpartition(cosines, -TOP, axis=1)[:, -TOP:]
        best = np.take_along_axis(cosines, columns, 1)
        np.take_along_axis(columns, np.argsort(-best, axis=1), 1)
    meter.end(f"numpy: nearest {TOP}")


def multiplied(meter: Meter, folder: Path, candidates: int, queries: int, dimension: int) -> None:
    """What a search in such blocks does not go below."""
    vectors, asking = _drawn(candidates, dimension, candidates), _drawn(0, dimension, queries)
    meter.begin()
    for block in _blocks(asking, candidates):
        block @ vectors.T
    meter.end(FLOOR)


class Drawn:
    """An encoder whose vector of the item "n" is drawn by n; items come in blocks of consecutive numbers."""

    name = fingerprint = "drawn"
    extraction = "generative"

    def __init__(self, dimension: int) -> None:
        self.dimension = dimension

    def embed(self, items, **_):
        """The vectors."""
        from elva.encoding import Encoding

        return Encoding(_drawn(int(items[0].text), self.dimension, len(items)), [""] * len(items))


def _drawn(first: int, dimension: int, count: int) -> np.ndarray:
    """Unit vectors, float32 [count, dimension]."""
    import numpy as np

    vectors = np.random.default_rng(first).standard_normal((count, dimension), np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


def _blocks(queries: np.ndarray, candidates: int) -> Iterator[np.ndarray]:
    """As many queries at a time as a gallery takes."""
    from elva.index.gallery import _BLOCK_ENTRIES

    rows = max(1, _BLOCK_ENTRIES // candidates)
    return (queries[start : start + rows] for start in range(0, len(queries), rows))


if __name__ == "__main__":
    main()
