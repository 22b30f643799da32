"""A pool of a million ranked exactly from vectors on disk: what `elva evaluate mbeir --cache` does with a pool.

    python benchmarks/ranking_at_size.py             # 1,000,000 candidates, 1,000 queries, 256 dimensions

Random unit vectors lie in a file that is mapped. Measured are the best 100 of every query and the rank of one wanted
candidate, block by block; beside it the same with all vectors in memory (`Gallery`), and the product alone.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from measure import Meter, compared, options

if TYPE_CHECKING:
    import numpy as np

TOP = 100
FLOOR = "product alone"
WRITTEN_AT_ONCE = 50_000


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and show."""
    parser = options(__doc__, "ranking_at_size")
    parser.add_argument("--candidates", type=int, default=1_000_000)
    parser.add_argument("--queries", type=int, default=1_000)
    parser.add_argument("--dimension", type=int, default=256)
    asked = parser.parse_args(arguments)
    size = (2_000, 20, 16) if asked.quick else (asked.candidates, asked.queries, asked.dimension)
    candidates, queries, dimension = size
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "vectors.npy"
        _write(path, candidates, dimension)
        works = [(work, (path, queries)) for work in (from_disk, in_memory, multiplied)]
        compared(works, FLOOR, asked, size=size, flops=2 * candidates * queries * dimension, bytes=path.stat().st_size)


def from_disk(meter: Meter, path: Path, queries: int) -> None:
    """Block by block."""
    import numpy as np

    from elva.index.stacked import Stacked
    from elva.index.stored_gallery import StoredGallery

    vectors = np.load(path, mmap_mode="r")
    asking, wanted = _asking(queries, vectors.shape)
    ids = _ids(len(vectors))
    meter.begin()
    stacked = Stacked(vectors.shape[1])
    stacked.append(vectors)
    gallery = StoredGallery.of(ids, np.arange(len(ids)), stacked)
    meter.end("from disk: ids")
    gallery.rank(asking, TOP, wanted)
    meter.end("from disk: ranked")


def in_memory(meter: Meter, path: Path, queries: int) -> None:
    """All vectors at once."""
    import numpy as np

    from elva.index.gallery import Gallery

    vectors = np.load(path, mmap_mode="r")
    asking, wanted = _asking(queries, vectors.shape)
    ids = _ids(len(vectors))
    meter.begin()
    gallery = Gallery.of(ids, vectors)
    meter.end("in memory: ids and vectors")
    gallery.rank(asking, TOP, wanted)
    meter.end("in memory: ranked")


def multiplied(meter: Meter, path: Path, queries: int) -> None:
    """What a search in such blocks does not go below."""
    import numpy as np

    from elva.index.stored_gallery import BLOCK_ENTRIES

    vectors = np.load(path, mmap_mode="r")
    asking, _ = _asking(queries, vectors.shape)
    rows = max(1, BLOCK_ENTRIES // vectors.shape[1])
    at_once = max(1, BLOCK_ENTRIES // rows)
    meter.begin()
    for start in range(0, len(vectors), rows):
        block = np.ascontiguousarray(vectors[start : start + rows])
        for first in range(0, len(asking), at_once):
            asking[first : first + at_once] @ block.T
    meter.end(FLOOR)


def _write(path: Path, candidates: int, dimension: int) -> None:
    import numpy as np

    file = np.lib.format.open_memmap(path, "w+", np.float32, (candidates, dimension))
    for start in range(0, candidates, WRITTEN_AT_ONCE):
        stop = min(start + WRITTEN_AT_ONCE, candidates)
        file[start:stop] = _drawn(start, stop - start, dimension)
    file.flush()


def _asking(queries: int, shape: tuple[int, int]) -> tuple[np.ndarray, list[list[str]]]:
    """Queries, and for each a wanted candidate somewhere in the pool."""
    candidates, dimension = shape
    return _drawn(candidates, queries, dimension), [[f"0:{7919 * n % candidates}"] for n in range(queries)]


def _ids(candidates: int) -> list[str]:
    return [f"0:{n}" for n in range(candidates)]


def _drawn(seed: int, count: int, dimension: int) -> np.ndarray:
    """Unit vectors, float32 [count, dimension]."""
    import numpy as np

    vectors = np.random.default_rng(seed).standard_normal((count, dimension), np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


if __name__ == "__main__":
    main()
