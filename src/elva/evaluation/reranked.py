"""`elva evaluate mbeir --rerank`: a model judged with a reranker behind it.

The model ranks each task's pool; the first of every list are scored and ordered anew, what lies below stays as it was.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from elva.data.mbeir import Choice, MBeir
from elva.data.opening import Selection
from elva.data.stored import Lookup
from elva.encoding import Encoder, Watch
from elva.errors import InputError
from elva.evaluation.embed import embedded
from elva.evaluation.grains import GrainTally, add_pairs
from elva.evaluation.judging import Asked, Judged, Results, circumstances, figures, require_depth, write
from elva.evaluation.mbeir import by_vectors
from elva.evaluation.retrieve import Retrieval
from elva.evaluation.sanity import doubts
from elva.evaluation.scored import ByScores
from elva.evaluation.store import VectorStore
from elva.evaluation.trec import Run
from elva.index.folder import EVALUATION, require_free
from elva.index.gallery import MICRO
from elva.items import Item
from elva.search.scoring import COSINE, Listed, Scorer, with_cosines


def evaluate_reranked(
    root: Path | str,
    encoder: Encoder,
    scorer: Scorer,
    *,
    top: int,
    cosine: float = COSINE,
    out: Path | str,
    split: str = "test",
    datasets: Sequence[str] = (),
    tasks: Sequence[int] = (),
    instruction_choice: Choice = 0,
    vectors: Path | str | None = None,
    cache: Path | str | None = None,
    depth: int = 100,
    skip_bad_rows: bool = False,
    watch: Watch | None = None,
) -> Results:
    """Embed, rank, rerank, measure and write `out`, at once or not at all.

    What needs an embedding is missing, as with a file of scores. How the model did alone stands beside, under "rerank".

    Args:
        root: data in the M-BEIR layout.
        encoder: the model that ranks the pools.
        scorer: who scores the first of each list. Where it is the same model, by the summary that was written for the
            vector; else its own model writes one.
        top: how many of each list are scored.
        cosine: what a cosine of 1 is worth beside the score, in nats.
        out: the folder to write; an older evaluation there is replaced.
        split: see `elva.evaluation.mbeir.evaluate`, as for all that follows.
        datasets: names to keep; all when empty.
        tasks: task ids to keep; all when empty.
        instruction_choice: which of a task's prompts every query gets.
        vectors: of the encoder.
        cache: of vectors.
        depth: length of the lists in the run files, 10 or more.
        skip_bad_rows: leave bad data rows out and count them instead of refusing the data.
        watch: told of each piece of work and its progress.

    Raises:
        InputError: no task fits the choice, `depth` is below 10 or `top` below 1.
        DataErrors: every bad row, unless they are to be left out.
        IndexMismatch: `vectors` were made by another model, instruction or data.
        FolderError: `out` holds anything but an evaluation.
    """
    require_depth(depth)
    if top < 1:
        raise InputError(f"{top} candidates of each list are to be reranked: give 1 or more")
    root, out = Path(root), Path(out)
    require_free(out, EVALUATION)
    bench, names, store = embedded(
        root,
        encoder,
        Selection(split, datasets, tasks, instruction_choice, skip_bad_rows),
        vectors=Path(vectors) if vectors is not None else None,
        cache=Path(cache) if cache is not None else None,
        watch=watch,
    )
    reranking = Reranking(bench, store, scorer, top, cosine, watch)
    tally, judged, before = GrainTally(), list[Judged](), list[Judged]()
    for name in names:
        asked = Asked.of(bench, name)
        first = by_vectors(asked, store, max(top, depth))
        before.append(Judged.of(asked, Retrieval(first.run.top(depth), first.ranks), depth))
        ranking = ByScores(asked, reranking.scores(asked, first.run.top(top)), store)
        judged.append(Judged.of(asked, ranking.retrieve(depth), depth))
        add_pairs(tally, asked.queries, asked.qrels, ranking.holds, ranking.nearness)
    row = {
        **figures(judged),
        **tally.to_row(),
        "warnings": [each.to_row() for each in doubts(judged, store)],
        "missing_ret": store.counts.missing_ret,
        "counts": store.counts.to_row(),
        **circumstances(bench, split, depth),
        "model": {
            **scorer.model.to_row(),
            "name": f"{store.model.name} reranked by {scorer.model.name}",
            "extraction": "reranked",
        },
        "behind": store.model.to_row(),
        "data": {"fingerprint": store.data},
        "instruction_choice": store.instruction_choice,
        "masking": None,
        "masked_queries": {},
        "rerank": {**reranking.to_row(), "before": {key: figures(before)[key] for key in ("mean", "tasks", "ranks")}},
    }
    write(out, row, judged, store.rows())
    return Results(row, {str(each.asked.name): each.retrieval for each in judged}, reranking.seconds)


@dataclass(slots=True)
class Reranking:
    """The scoring of tasks, and what it came to.

    Attributes:
        bench: the data.
        store: vectors and summaries of the model that ranked.
        scorer: who scores.
        top: how many of each list.
        cosine: what a cosine of 1 is worth, in nats.
        watch: told of each task.
        pairs: of query and candidate, scored so far.
        left: queries that had no word to score by, and were left as they were.
        seconds: taken so far.
    """

    bench: MBeir
    store: VectorStore
    scorer: Scorer
    top: int
    cosine: float = COSINE
    watch: Watch | None = None
    pairs: int = 0
    left: int = 0
    seconds: float = 0.0

    def scores(self, asked: Asked, run: Run) -> dict[str, dict[str, float]]:
        """By qid and did, what the candidates in the lists of a run are ordered by."""
        queries = {query.qid: query for query in asked.queries}
        pool, items = Lookup([self.bench.pool(asked.name)]), dict[str, Item]()
        same = self.scorer.model.produces(self.store.model)

        def candidate(did: str) -> Item:
            if did not in items:
                items[did] = self.bench.candidate_item(pool[did])
            return items[did]

        lists = (
            Listed(
                self.bench.query_item(queries[qid], choice=self.store.instruction_choice),
                self.store.summary("query", qid) if same else "",
                [candidate(did) for did in dids],
            )
            for qid, dids in zip(run.qids, run.dids, strict=True)
        )
        progress = self.watch(f"{asked.name}: reranking", sum(map(len, run.dids))) if self.watch else None
        start = time.perf_counter()
        found = zip(run.qids, run.dids, run.micro, self.scorer.all_scores(lists, progress), strict=True)
        scored = {
            qid: dict(zip(dids, with_cosines(scores, [each / MICRO for each in micro], self.cosine), strict=True))
            for qid, dids, micro, scores in found
            if scores
        }
        self.seconds += time.perf_counter() - start
        self.pairs += sum(map(len, scored.values()))
        self.left += len(run.qids) - len(scored)
        return scored

    def to_row(self) -> dict[str, Any]:
        """A JSON object."""
        return {
            "model": self.scorer.model.to_row(),
            "mode": self.scorer.mode,
            "top": self.top,
            "cosine": self.cosine,
            "pairs": self.pairs,
            "queries_left": self.left,
        }
