"""Whether the embedding feels each kind of grain (paper Definition 2 and section 7).

Three measures, to be read together. Pair accuracy: is the positive nearer to the query than a
candidate that differs in one grain of this kind? Masked distance: how far does the query move when
the grain is removed? Paraphrase distance, the false-alarm side: how far does it move when nothing
but the words change? A model that moves for everything has a large masked distance and feels
nothing.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any

from elva.data.mbeir import MBeir, Query
from elva.encoding import Encoder, Watch
from elva.evaluation.store import VectorStore
from elva.index.gallery import MICRO, Ints, cosines_micro, require_finite

MASKED_QUERIES = 100
"""Queries per task whose grains are masked (paper section 7)."""


@dataclass(slots=True)
class GrainTally:
    """Single outcomes by kind of grain, over all tasks added so far.

    Attributes:
        pairs: kind -> per near miss the share of the query's positives that are nearer to it,
            strictly.
        masked: kind -> cosine distances of a query to itself without one grain.
        paraphrase: cosine distances of a query to its paraphrase.
        sampled: task -> the queries chosen for masking.
        absent: near misses that no embedded pool holds; they are left out.
    """

    pairs: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    masked: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    paraphrase: list[float] = field(default_factory=list)
    sampled: dict[str, list[str]] = field(default_factory=dict)
    absent: int = 0

    def to_row(self) -> dict[str, Any]:
        """The `grains` and `paraphrase_distance` parts of results.json."""
        paraphrase = fmean(self.paraphrase) if self.paraphrase else None
        kinds = sorted({*self.pairs, *self.masked})
        return {
            "grains": {kind: self._kind(kind, paraphrase) for kind in kinds},
            "paraphrase_distance": paraphrase,
            "paraphrases": len(self.paraphrase),
            "near_misses_absent": self.absent,
        }

    def _kind(self, kind: str, paraphrase: float | None) -> dict[str, float | int | None]:
        pairs, masked = self.pairs.get(kind, []), self.masked.get(kind, [])
        distance = fmean(masked) if masked else None
        return {
            "pair_accuracy": fmean(pairs) if pairs else None,
            "pairs": len(pairs),
            "grain_distance": distance,
            "masked": len(masked),
            "ratio": distance / paraphrase if distance is not None and paraphrase else None,
        }


Nearness = Callable[[Query, Sequence[str]], Ints]
"""How near candidates are to a query, in whole millionths: int64 [n] for n dids that are held."""


def add_pairs(
    tally: GrainTally,
    queries: Iterable[Query],
    qrels: Mapping[str, Mapping[str, int]],
    held: Callable[[str], bool],
    nearness: Nearness,
) -> None:
    """Compare every near miss of each query with the query's positives.

    A near miss counts once, however many positives there are: by the share of them that beat it.

    Args:
        tally: where outcomes are added.
        queries: who has near misses.
        qrels: qid -> did -> relevance.
        held: whether a candidate can be compared at all.
        nearness: compares.
    """
    for query in queries:
        positives = [did for did, relevance in qrels.get(query.qid, {}).items() if relevance > 0 and held(did)]
        near = [each for each in query.near_misses if held(each.did)]
        tally.absent += len(query.near_misses) - len(near)
        if not positives or not near:
            continue
        good = nearness(query, positives)
        bad = nearness(query, [each.did for each in near])
        for miss, each in zip(near, bad, strict=True):
            tally.pairs[miss.kind].append(float((good > each).mean()))


def by_cosine(store: VectorStore) -> Nearness:
    """The cosine of the vectors in a store."""
    return lambda query, dids: cosines_micro(store.vectors("query", [query.qid]), store.vectors("candidate", dids))


def add_masked(
    tally: GrainTally,
    task: str,
    queries: Sequence[Query],
    bench: MBeir,
    encoder: Encoder,
    store: VectorStore,
    *,
    seed: int = 0,
    watch: Watch | None = None,
) -> None:
    """Embed up to `MASKED_QUERIES` queries without each of their grains, and paraphrased.

    The choice is drawn with `seed` and the task's name from all queries that can be masked or
    paraphrased; both distances come from the same queries.
    """
    chosen = _sample([each for each in queries if _variants(each)], f"{seed}/{task}")
    tally.sampled[task] = [each.qid for each in chosen]
    rows = [(query, kind, text) for query in chosen for kind, text in _variants(query)]
    if not rows:
        return
    items = [bench.query_item(query, text, choice=store.instruction_choice) for query, _, text in rows]
    progress = watch(f"{task}: masked queries", len(items)) if watch else None
    masked = store.encode(encoder, items, progress)
    require_finite([query.qid for query, _, _ in rows], masked)
    full = store.vectors("query", [query.qid for query, _, _ in rows])
    for (_, kind, _), cosine in zip(rows, cosines_micro(full, masked).tolist(), strict=True):
        distances = tally.paraphrase if kind is None else tally.masked[kind]
        distances.append(1 - cosine / MICRO)


def _variants(query: Query) -> list[tuple[str | None, str]]:
    """Other texts for a query: (kind of the grain that is gone, or None for a paraphrase; text)."""
    masked: list[tuple[str | None, str]] = [
        (grain.kind, grain.masked_txt) for grain in query.grains if grain.masked_txt
    ]
    return masked + ([(None, query.paraphrase)] if query.paraphrase else [])


def _sample(queries: Sequence[Query], seed: str) -> list[Query]:
    ordered = sorted(queries, key=lambda each: each.qid)
    chosen = random.Random(seed).sample(ordered, min(MASKED_QUERIES, len(ordered)))
    return sorted(chosen, key=lambda each: each.qid)
