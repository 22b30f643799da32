"""Two speeds: what the vector before the summary finds, what the one behind it does, and what each takes.

    elva train tiny/stage2_prefill data.root=demo/world model.path=runs/stage1/model data.captions=demo/captions.jsonl --out runs/stage2_prefill
    python benchmarks/two_speed.py --model runs/stage2_prefill/model

The data are the queries and the pool of a task of the built-in benchmark. Fast is extraction "prefill"; generative the
model's own; refined ranks by the former and orders the first of each list by the latter, both from one forward of the
query. Candidates have their vectors before anything is timed, so what a search saves is the writing of the query's
summary; refined it saves nothing, and what it saves is in the index, whose second vectors only the first of lists need:
the table tells how many of the pool those were. What making an index takes stands below. `tiny-base`, the default, was
not taught the fast vector, nor to rank at all: it shows that the benchmark runs.
"""  # noqa: E501

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from elva.data.mbeir import MBeir, TaskName
from elva.data.world import write_world
from elva.index.gallery import Gallery, Ints, cosines_micro
from elva.items import Item
from elva.model.embedder import Embedder
from interleaved import ratio, rounds, save
from measure import options

TASK = TaskName("mrbench", 0, "test")
GENERATIVE, FAST = "generative", "fast"


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the world, measure, show."""
    parser = options(__doc__, "two_speed")
    parser.add_argument("--model", default="tiny-base", help="checkpoint folder, or a packaged model")
    parser.add_argument("--shortlist", type=int, nargs="+", default=[10, 50], help="of how many the first are refined")
    parser.add_argument("--queries", type=int, default=200, help="how many")
    asked = parser.parse_args(arguments)
    if asked.quick:
        asked.queries, asked.repeats, asked.shortlist = 6, 1, [3]
    embedder = Embedder.load(asked.model)
    with tempfile.TemporaryDirectory() as folder:
        write_world(Path(folder), size="tiny" if asked.quick else "demo")
        search = Searching.of(MBeir.open(Path(folder)), embedder, asked.queries)
        together: dict[str, Callable[[], Ints]] = {
            FAST: search.fast,
            GENERATIVE: search.generative,
            **{f"fast, first {top} refined": partial(search.refined, top) for top in asked.shortlist},
        }
        hits = {name: search.hits(work()) for name, work in together.items()}
        needed = {f"fast, first {top} refined": search.needed(top) for top in asked.shortlist}
        runs = rounds({**together, **search.indexing()}, asked.repeats)
    ratios = {name: ratio(runs, "index, generative" if "index" in name else GENERATIVE, name) for name in runs}
    counts = {name: len(search.pool) if "index" in name else len(search.queries) for name in runs}
    rows = {
        name: {
            "hit@1": hits.get(name),
            "refined_share": needed.get(name),
            "per_second": counts[name] / median(runs[name]),
            "times_as_fast": ratios[name],
        }
        for name in runs
    }
    print(f"\n{asked.model}: {len(search.queries)} queries, a pool of {len(search.pool):,}\n\n{table(rows)}")
    save(asked.out, ratios, rows=rows, model=embedder.name, seconds=runs)


@dataclass(frozen=True)
class Searching:
    """Queries, a pool, and both vectors of its candidates.

    Attributes:
        embedder: the model.
        queries: with their instructions.
        right: the ids of each query's right answers.
        pool: the candidates.
        quick: by fast vectors.
        slow: by generative ones; of the same ids in the same order.
    """

    embedder: Embedder
    queries: list[Item]
    right: list[set[str]]
    pool: list[Item]
    quick: Gallery
    slow: Gallery

    @classmethod
    def of(cls, bench: MBeir, embedder: Embedder, count: int) -> Searching:
        """The first queries of the task, and its pool, embedded."""
        asked, pool = [*bench.queries(TASK)][:count], [*bench.pool(TASK)]
        items, dids = [bench.candidate_item(each) for each in pool], [each.did for each in pool]
        both = embedder.embed(items, extraction="generative", fast=True)
        assert both.fast is not None
        return cls(
            embedder,
            [bench.query_item(each) for each in asked],
            [set(each.positives) for each in asked],
            items,
            Gallery.of(dids, both.fast),
            Gallery.of(dids, both.vectors),
        )

    def fast(self) -> Ints:
        """(n, k) columns of the nearest by the fast vector, best first."""
        return self.quick.rank(self.embedder.embed(self.queries, extraction="prefill").vectors, 1).columns

    def generative(self) -> Ints:
        """The same by the generative one."""
        return self.slow.rank(self.embedder.embed(self.queries, extraction="generative").vectors, 1).columns

    def refined(self, top: int) -> Ints:
        """The same by the generative one, among the first by the fast one."""
        both = self.embedder.embed(self.queries, extraction="generative", fast=True)
        assert both.fast is not None
        lists = np.sort(self.quick.rank(both.fast, top).columns, axis=1)  # ties by id, as everywhere
        best = [
            columns[np.argmax(cosines_micro(self.slow.vectors[columns], vector))]
            for columns, vector in zip(lists, both.vectors, strict=True)
        ]
        return np.array(best)[:, None]

    def needed(self, top: int) -> float:
        """Share of the pool that is among the first of any list: what second vectors are needed of."""
        vectors = self.embedder.embed(self.queries, extraction="prefill").vectors
        return len(np.unique(self.quick.rank(vectors, top).columns)) / len(self.pool)

    def hits(self, columns: Ints) -> float:
        """hit@1."""
        found = (self.slow.ids[first] in right for first, right in zip(columns[:, 0].tolist(), self.right, strict=True))
        return sum(found) / len(self.right)

    def indexing(self) -> Mapping[str, Callable[[], object]]:
        """Making the vectors of the pool."""
        return {
            "index, fast": lambda: self.embedder.embed(self.pool, extraction="prefill"),
            "index, generative": lambda: self.embedder.embed(self.pool, extraction="generative"),
        }


def table(rows: Mapping[str, Mapping[str, Any]]) -> str:
    """In Markdown."""
    lines = [["", "hit@1", "of the pool refined", "queries or items a second", "times as fast as generative"]]
    lines.append(["---", *["---:"] * (len(lines[0]) - 1)])
    for name, row in rows.items():
        speed = row["times_as_fast"]
        hit = "" if row["hit@1"] is None else f"{row['hit@1']:.3f}"
        share = "" if row["refined_share"] is None else f"{row['refined_share']:.0%}"
        spread = f"{speed['median']:.2f} ({speed['min']:.2f} to {speed['max']:.2f})"
        lines.append([name, hit, share, f"{row['per_second']:.1f}", spread])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


if __name__ == "__main__":
    main()
