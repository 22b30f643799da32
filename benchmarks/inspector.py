"""Whether the inspector's verdicts can be believed: pair accuracy of grains that it calls ignored, and of those heard.

    python benchmarks/inspector.py demo/world --model demo/seed-0/elva/model

Queries of the built-in world are explained as `elva explain` does it. Each has candidates that differ from it in one
grain; the share of its positives that are nearer than such a candidate counts for the verdict on that grain. A near
miss tells only the grain's kind: where the query has several of it, all must have got the same verdict.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean

from elva.data.mbeir import MBeir, TaskName
from elva.encoding import Encoder, ModelIdentity, Vectors
from elva.evaluation.grains import GrainTally, add_pairs
from elva.index.exact import ExactIndex
from elva.index.gallery import Ints, cosines_micro
from elva.index.protocol import Entry
from elva.search.inspector import Heard, Inspector

VERDICTS = ("ignored", "in doubt", "heard")
QUERIES = 250


def judge(
    root: Path, encoder: Encoder, split: str = "val", task: int = 0, queries: int = QUERIES
) -> dict[str, list[float]]:
    """Verdict -> for each near miss of such a grain the share of the query's positives that are nearer than it.

    Args:
        root: of the built-in world.
        encoder: whose queries are explained.
        split: of the benchmark.
        task: M-BEIR's number of a task whose queries have words: 0, 6 or 7.
        queries: so many are drawn of those that have near misses.
    """
    bench = MBeir.open(root)
    name = TaskName("mrbench", task, split)
    index, pool = ExactIndex(ModelIdentity.of(encoder)), list(bench.pool(name))
    index.add([Entry(each.did) for each in pool], encoder.embed([bench.candidate_item(each) for each in pool]).vectors)
    held, qrels, tallies = set(index.contents()), bench.qrels(name), {each: GrainTally() for each in VERDICTS}
    asked = [each for each in bench.queries(name) if each.text and each.near_misses]
    asked = random.Random(0).sample(asked, min(queries, len(asked)))
    vectors = encoder.embed([bench.query_item(each) for each in asked]).vectors
    inspector = Inspector(encoder, index, lexicon=bench.lexicon())
    for query, vector in zip(asked, vectors, strict=True):
        said = verdicts(inspector.explain(bench.query_item(query), 1).grains)
        for verdict, tally in tallies.items():
            misses = tuple(each for each in query.near_misses if said.get(each.kind) == verdict)

            def nearness(_: object, dids: Sequence[str], vector: Vectors = vector) -> Ints:
                return cosines_micro(index.vectors(dids), vector)

            add_pairs(tally, [replace(query, near_misses=misses)], qrels, held.__contains__, nearness)
    return {verdict: [each for pairs in tally.pairs.values() for each in pairs] for verdict, tally in tallies.items()}


def verdicts(grains: Sequence[Heard]) -> dict[str, str]:
    """Kind -> verdict, of the kinds all of whose grains were judged alike."""
    said: dict[str, set[str]] = {}
    for each in grains:
        if each.ignored is not None:
            word = "ignored" if each.ignored else "heard" if each.heard else "in doubt"
            said.setdefault(each.grain.kind, set()).add(word)
    return {kind: words.pop() for kind, words in said.items() if len(words) == 1}


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", type=Path, help="the built-in world, as `elva demo` or `elva world` writes it")
    parser.add_argument("--model", required=True)
    parser.add_argument("--split", default="val")
    parser.add_argument("--task", type=int, default=0)
    parser.add_argument("--queries", type=int, default=QUERIES)
    asked = parser.parse_args(arguments)
    from elva.model.embedder import Embedder

    found = judge(asked.root, Embedder.load(asked.model), asked.split, asked.task, asked.queries)
    print("| verdict | pairs | pair accuracy |\n| --- | ---: | ---: |")
    for verdict, pairs in found.items():
        print(f"| {verdict} | {len(pairs):,} | {f'{100 * fmean(pairs):.1f}' if pairs else '-'} |")


if __name__ == "__main__":
    main()
