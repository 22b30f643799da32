"""Smaller vectors: how many of the nearest are still found, bytes of a vector, and searches a second.

    python benchmarks/codes.py                                          # 20,000 vectors of benchmarks/clustered.py
    python benchmarks/codes.py --vectors runs/stage2/vectors --vectors runs/stage2_nested/vectors   # of `elva embed`
    python benchmarks/codes.py --vectors runs/stage2/vectors --size 1000000      # so many, drawn around these

Codes are those of faiss, which compares all of them: float32, a byte a number, a bit a number, each also of the first
half and quarter of the numbers, made unit again. Each ranks alone, and as a shortlist whose vectors are then compared
whole. Beside them stands what `elva index --codes` makes: an IVF index of LanceDB, which looks at a part and compares a
shortlist whole too. All answer the same queries in turn, one at a time; recall is the share of the 10 nearest of whole
vectors. Whole vectors are in memory here but for LanceDB's, which are read from disk.

`--size` draws each vector as a real one plus half of what two others differ by, over the square root of 2: so the
spread over directions stays that of the real ones. Needs faiss (pip install faiss-cpu).
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import faiss
import numpy as np

from clustered import vectors_and_queries
from elva.encoding import ModelIdentity, Vectors
from elva.evaluation.store import VectorStore
from elva.index import lance
from elva.index.gallery import Gallery, Ints, cosines_micro
from elva.index.opening import create_index
from elva.index.protocol import Codes, Entry, Index
from interleaved import latencies, percentile_ratio, percentiles, save
from measure import MB, options

RESULTS = 10
SHARES = (1, 2, 4)
"""Of so many numbers one is kept."""
BLOCK = 1 << 16
TIMED = 10_000_000
"""Items that the timed queries of a round meet, all together."""
LEAST_TIMED = 20
WHOLE = "float32"
Rows = Callable[[Vectors, int], Ints]
"""A query [d] and a number k -> rows of the k nearest by the codes, best first."""


@dataclass(frozen=True, slots=True)
class Coded:
    """Codes of n vectors.

    Attributes:
        name: for the table.
        size: bytes of a vector's code.
        nearest: ranks by the codes alone.
    """

    name: str
    size: int
    nearest: Rows


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, show, save."""
    parser = options(__doc__, "codes")
    parser.add_argument("--vectors", type=Path, action="append", default=[], help="folder of `elva embed`; may repeat")
    parser.add_argument("--size", type=int, help="so many vectors, drawn around those given, or made up")
    parser.add_argument("--queries", type=int, default=200, help="of which recall is the mean")
    parser.add_argument("--shortlist", type=int, default=10, help="so many times as many are compared whole")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()), help="where to write stores")
    asked = parser.parse_args(arguments)
    if asked.quick:
        asked.size, asked.queries, asked.repeats = 600, 8, 1
    faiss.omp_set_num_threads(1)
    found: dict[str, dict[str, Any]] = {}
    for name, vectors, queries in _sources(asked.vectors, asked.size, asked.queries):
        with tempfile.TemporaryDirectory(dir=asked.folder) as folder:
            found[name] = measured(vectors, queries, asked.shortlist, asked.repeats, Path(folder))
        print(f"\n{name}: {len(vectors):,} vectors of {vectors.shape[1]} numbers\n\n{table(found[name])}", flush=True)
    ratios = {name: {row: each["times_as_long"] for row, each in rows.items()} for name, rows in found.items()}
    save(asked.out, ratios, rows=found, shortlist=asked.shortlist)


def _sources(folders: Sequence[Path], size: int | None, queries: int) -> Iterator[tuple[str, Vectors, Vectors]]:
    if not folders:
        yield "clustered", *vectors_and_queries(size or 20_000, queries)
    for folder in folders:
        store, rng = VectorStore.load(folder), np.random.default_rng(0)
        ids = {kind: [row["id"] for row in store.rows() if row["kind"] == kind] for kind in ("query", "candidate")}
        asked = store.vectors("query", rng.permutation(ids["query"])[:queries].tolist())
        vectors = store.vectors("candidate", ids["candidate"])
        yield str(folder), vectors if size is None else around(vectors, size, rng), asked


def around(vectors: Vectors, size: int, rng: np.random.Generator) -> Vectors:
    """`size` unit vectors drawn around real ones."""
    drawn = np.empty((size, vectors.shape[1]), np.float32)
    for start in range(0, size, BLOCK):
        own, one, other = (vectors[rng.integers(len(vectors), size=min(BLOCK, size - start))] for _ in range(3))
        drawn[start : start + BLOCK] = unit(own + 0.5 * (one - other) / np.sqrt(2.0))
    return drawn


def unit(vectors: Vectors) -> Vectors:
    """The same directions, float32."""
    scaled: Vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return scaled


def coded(vectors: Vectors) -> Iterator[Coded]:
    """Every code of whole and shortened vectors."""
    for share in SHARES:
        width = vectors.shape[1] // share
        short, told = unit(vectors[:, :width]), "" if share == 1 else f", 1/{share}"
        flat = faiss.IndexFlatIP(width)
        bytes_ = faiss.IndexScalarQuantizer(width, faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_INNER_PRODUCT)
        bytes_.train(short)
        for name, size, index in ((WHOLE, 4 * width, flat), ("int8", width, bytes_)):
            index.add(short)
            yield Coded(name + told, size, _numbers(index, width))
        bits = faiss.IndexBinaryFlat(8 * -(-width // 8))
        bits.add(_bits(short))
        yield Coded("binary" + told, -(-width // 8), _signs(bits, width))


def _numbers(index: Any, width: int) -> Rows:
    return lambda query, k: index.search(unit(query[None, :width]), k)[1][0]


def _signs(index: Any, width: int) -> Rows:
    return lambda query, k: index.search(_bits(query[None, :width]), k)[1][0]


def _bits(vectors: Vectors) -> np.ndarray:
    return np.packbits(vectors > 0, axis=1)


def measured(vectors: Vectors, queries: Vectors, shortlist: int, repeats: int, folder: Path) -> dict[str, Any]:
    """Row of the table -> recall, bytes and latencies, alone and rescored."""
    names = [f"{row:09d}" for row in range(len(vectors))]
    truth = Gallery(tuple(names), vectors).rank(queries, RESULTS).columns
    works: dict[str, Callable[[Vectors], Ints]] = {}
    sizes: dict[str, int] = {}
    for each in coded(vectors):
        works[each.name] = lambda query, each=each: each.nearest(query, RESULTS)
        if each.name != WHOLE:
            works[f"{each.name}, rescored"] = lambda query, each=each: rescored(
                query, each.nearest(query, min(len(vectors), shortlist * RESULTS)), vectors
            )
        sizes |= dict.fromkeys((each.name, f"{each.name}, rescored"), each.size)
    for codes in get_args(Codes):
        name = f"elva index --codes {codes}"
        index, size = _filled(folder / codes, codes, names, vectors)
        works[name] = lambda query, index=index: np.array(
            [int(hit.entry.id) for hit in index.search(query[None], RESULTS)[0]]
        )
        sizes[name] = size // len(vectors)
    recall = {
        name: float(np.mean([len({*work(q)} & {*own}) / RESULTS for q, own in zip(queries, truth, strict=True)]))
        for name, work in works.items()
    }
    timed = queries[: max(LEAST_TIMED, TIMED // len(vectors))]
    taken = latencies(works, timed, repeats)
    return {
        name: {
            "bytes": sizes[name],
            "recall": recall[name],
            "milliseconds": percentiles(taken[name]),
            "times_as_long": percentile_ratio(taken, name, WHOLE, 50),
        }
        for name in works
    }


def rescored(query: Vectors, rows: Ints, vectors: Vectors) -> Ints:
    """The best of a shortlist by whole vectors, as everywhere: millionths, ties by id."""
    rows = np.sort(rows)
    order = np.argsort(-cosines_micro(vectors[rows], query), kind="stable")[:RESULTS]
    return rows[order]


def _filled(folder: Path, codes: Codes, names: Sequence[str], vectors: Vectors) -> tuple[Index, int]:
    """A store of LanceDB with an index of codes, and bytes of that index alone."""
    lance.INDEXED_FROM = min(lance.INDEXED_FROM, len(vectors) // 2)  # at a try's size, too
    model = ModelIdentity("none", "none", "generative", vectors.shape[1])
    index = create_index(folder, model, store="lance", codes=codes)
    for start in range(0, len(vectors), BLOCK):
        some = vectors[start : start + BLOCK]
        index.add([Entry(name) for name in names[start : start + len(some)]], some)
    index.publish()
    (size,) = (each.size_bytes for each in index._table.list_indices() if each.name == lance.VECTORS)  # type: ignore[attr-defined]
    print(f"  {codes}: {size / MB:,.1f} MB of index", flush=True)
    return index, size


def table(rows: Mapping[str, Mapping[str, Any]]) -> str:
    """In Markdown."""
    head = ["", "bytes a vector", f"recall of {RESULTS}", "p50: ms", "p95: ms", "searches/s", "times as long as whole"]
    lines = [head, ["---", *["---:"] * (len(head) - 1)]]
    for name, row in rows.items():
        took, ratio = row["milliseconds"], row["times_as_long"]
        cells = [f"{row['bytes']:,}", f"{row['recall']:.3f}", f"{took['p50']:.2f}", f"{took['p95']:.2f}"]
        cells += [f"{1000 / took['p50']:,.0f}", f"{ratio['median']:.2f} ({ratio['min']:.2f} to {ratio['max']:.2f})"]
        lines.append([name, *cells])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


if __name__ == "__main__":
    main()
