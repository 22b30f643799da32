"""What reranking costs beside the search that it follows: queries per second without, with 50 and with 200 candidates.

    python benchmarks/rerank.py

The model is `tiny-base`, which finds and scores; the data are texts and pictures of the built-in benchmark. One by one
is a search as a person makes it: each query is embedded, ranked and reranked by itself, and reads all its candidates.
Together is an evaluation: a candidate is read once for all queries that list it. No score is remembered.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from elva.data.mbeir import MBeir, TaskName
from elva.data.world import write_world
from elva.index.gallery import Gallery
from elva.items import Item
from elva.model.embedder import Embedder
from elva.search.rerank import Reranker
from elva.search.scoring import Listed
from interleaved import ratio, rounds, save
from measure import options

COUNT = 16
TOPS = (50, 200)
TASK = TaskName("mrbench", 0, "test")
PLAIN = "search"


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the world, measure, show."""
    parser = options(__doc__, "rerank")
    asked = parser.parse_args(arguments)
    embedder = Embedder.load("tiny-base")
    with tempfile.TemporaryDirectory() as folder:
        write_world(Path(folder) / "world", size="tiny" if asked.quick else "demo")
        data = MBeir.open(Path(folder) / "world")
        candidates = {each.did: data.candidate_item(each) for each in data.pool(TASK)}
        queries = [data.query_item(each) for each in data.queries(TASK)][: 2 if asked.quick else COUNT]
        search = Search(embedder, candidates)
        works: dict[str, Callable[[], object]] = {}
        for way, batches in (("one by one", [[query] for query in queries]), ("together", [queries])):
            for top in (0, *TOPS):
                works[name_of(way, top)] = lambda batches=batches, top=top: search.all(batches, top)
        runs = rounds(works, 1 if asked.quick else asked.repeats)
    slower = {name: ratio(runs, name, name_of(name.rpartition(", ")[2], 0)) for name in runs}
    result = {"queries": len(queries), "pool": len(candidates), "seconds": runs, "times_as_long": slower}
    print(table(result))
    save(asked.out, slower, workload=result)


class Search:
    """Finds and reranks candidates, remembering nothing from one call to the next."""

    def __init__(self, embedder: Embedder, candidates: Mapping[str, Item]) -> None:
        self._embedder, self._candidates = embedder, candidates
        self._gallery = Gallery.of([*candidates], embedder.encode_document([*candidates.values()]))

    def all(self, batches: Sequence[Sequence[Item]], top: int) -> None:
        """Search for the queries of each batch together, and rerank so many."""
        scorer = Reranker(self._embedder)
        for queries in batches:
            found = self._embedder.embed(queries)
            ranked = self._gallery.rank(found.vectors, top or 10)
            if top:
                ids = [[self._gallery.ids[column] for column in row] for row in ranked.columns.tolist()]
                shown = [[self._candidates[each] for each in row] for row in ids]
                lists = zip(queries, found.summaries, shown, strict=True)
                list(scorer.all_scores(Listed(*each) for each in lists))
                scorer = Reranker(self._embedder)


def name_of(way: str, top: int) -> str:
    """What a workload is called."""
    return f"{PLAIN}{f' and rerank {top}' if top else ''}, {way}"


def table(result: Mapping[str, Any]) -> str:
    """Medians in Markdown."""
    lines = [["", "queries/s", "milliseconds a query", "times as long", "least to most"]]
    lines.append(["---", *["---:"] * (len(lines[0]) - 1)])
    for name, more in result["times_as_long"].items():
        seconds = median(result["seconds"][name]) / result["queries"]
        line = [name, f"{1 / seconds:,.1f}", f"{1000 * seconds:,.1f}", f"{more['median']:.1f}"]
        lines.append([*line, f"{more['min']:.1f} to {more['max']:.1f}"])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


if __name__ == "__main__":
    main()
