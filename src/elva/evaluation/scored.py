"""`elva evaluate mbeir --scores`: judge any scorer by the file of its scores, as a model is judged by its vectors.

Each query ranks its task's pool by score. Candidates that the file doesn't score come behind those that it does, in the
order of a model where one is given: so the file reranks the model's shortlist.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from elva.data.mbeir import Choice, Query
from elva.data.opening import open_tasks
from elva.data.scores import Scores
from elva.encoding import Encoder, Watch
from elva.errors import InputError
from elva.evaluation.embed import embed_tasks, store_of
from elva.evaluation.grains import GrainTally, add_pairs
from elva.evaluation.judging import Asked, Judged, Results, circumstances, figures, require_depth, write
from elva.evaluation.retrieve import Retrieval
from elva.evaluation.sanity import doubts
from elva.evaluation.store import Counts, VectorStore
from elva.evaluation.trec import Run, strictly_falling
from elva.index.folder import EVALUATION, require_free
from elva.index.gallery import MICRO, Gallery, Ints


def evaluate_scores(
    root: Path | str,
    scores: Path | str,
    encoder: Encoder | None = None,
    *,
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
    """Rank by scores, measure and write `out`, at once or not at all.

    What needs an embedding is missing: distances of masked queries and of paraphrases are null.

    Args:
        root: data in the M-BEIR layout.
        scores: a file such as `elva likelihood` writes (`elva.data.scores`).
        encoder: ranks what has no score; needed where whole queries have none.
        out: the folder to write; an older evaluation there is replaced.
        split: train, val or test.
        datasets: names to keep; all when empty.
        tasks: task ids to keep; all when empty.
        instruction_choice: see `elva.evaluation.mbeir.evaluate`, as for all that follows.
        vectors: of the encoder.
        cache: of vectors.
        depth: length of the lists in the run files, 10 or more.
        skip_bad_rows: leave bad data rows out and count them instead of refusing the data.
        watch: told of each piece of work and its progress.

    Raises:
        InputError: no task fits the choice, `depth` is below 10, the file scores a candidate that the pool lacks, or
            it lacks queries and there is no encoder.
        DataErrors: every bad row, unless they are to be left out.
        DataError: a line of the file holds no scores.
        IndexMismatch: `vectors` were made by another model, instruction or data.
        FolderError: `out` holds anything but an evaluation.
    """
    require_depth(depth)
    root, out, scores = Path(root), Path(out), Path(scores)
    require_free(out, EVALUATION)
    known = Scores(scores)
    bench, names, skipped = open_tasks(
        root, split, datasets, tasks, by_task=True, skip_bad_rows=skip_bad_rows, watch=watch
    )
    missing = [query.qid for name in names for query in bench.queries(name) if query.qid not in known]
    if missing and encoder is None:
        raise InputError(
            f"{scores} scores no candidates of {len(missing):,} queries, {missing[0]} for one; "
            "give the model that is to rank theirs, or score this split and these tasks"
        )
    store = None
    if encoder is not None:
        store = store_of(bench, encoder, instruction_choice, vectors, None if cache is None else Path(cache))
        embed_tasks(bench, names, encoder, store, watch=watch)
        store.counts.skipped_rows = skipped
    tally, judged = GrainTally(), []
    for name in names:
        ranking = ByScores(Asked.of(bench, name), known, store)
        judged.append(Judged.of(ranking.asked, ranking.retrieve(depth), depth))
        add_pairs(tally, ranking.asked.queries, ranking.asked.qrels, ranking.holds, ranking.nearness)
    row = {
        **figures(judged),
        **tally.to_row(),
        **circumstances(bench, split, depth),
        "warnings": [each.to_row() for each in doubts(judged)],
        **_ranked_by(scores, store, Counts(skipped_rows=skipped)),
        "queries_without_scores": len(missing),
        "data": {"fingerprint": bench.fingerprint()},
    }
    write(out, row, judged, store.rows() if store else ())
    return Results(row, {str(each.asked.name): each.retrieval for each in judged})


def _ranked_by(scores: Path, store: VectorStore | None, counts: Counts) -> dict[str, Any]:
    """Who made the lists: the file, named as a model is, and the model behind it."""
    with scores.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()[:16]
    name = f"{scores.stem} over {store.model.name}" if store else scores.stem
    return {
        "model": {"name": name, "fingerprint": digest, "extraction": "scores", "dimension": 0},
        "behind": store.model.to_row() if store else None,
        "instruction_choice": store.instruction_choice if store else None,
        "missing_ret": store.counts.missing_ret if store else None,
        "counts": (store.counts if store else counts).to_row(),
        "masking": None,
        "masked_queries": {},
    }


class ByScores:
    """One task's pool, ranked by scores; ties by did ascending, as everywhere.

    Args:
        asked: the task.
        scores: qid -> did -> score.
        store: vectors by which candidates without a score are ranked behind the others; as if all equal when None.
    """

    def __init__(self, asked: Asked, scores: Mapping[str, Mapping[str, float]], store: VectorStore | None) -> None:
        self.asked, self._scores, self._store = asked, scores, store
        self._ids = sorted(self.asked.pool)
        self._column = {did: column for column, did in enumerate(self._ids)}
        self._gallery = Gallery.of(self._ids, store.vectors("candidate", self._ids)) if store else None

    def holds(self, did: str) -> bool:
        """Whether the pool has this candidate."""
        return did in self._column

    def nearness(self, query: Query, dids: Sequence[str]) -> Ints:
        """Scores of candidates of the pool, int64 [n], in millionths."""
        return self._micro(query.qid)[[self._column[did] for did in dids]]

    def retrieve(self, depth: int) -> Retrieval:
        """The ranked lists of all queries."""
        qids, positives = sorted(query.qid for query in self.asked.queries), self.asked.positives
        rows = [self._ranked(qid, positives[qid], depth) for qid in qids]
        run = Run(
            tuple(qids),
            tuple(tuple(self._ids[column] for column in columns.tolist()) for columns, _, _ in rows),
            tuple(tuple(strictly_falling(micro[None])[0].tolist()) for _, micro, _ in rows),
        )
        return Retrieval(run, tuple(rank for _, _, rank in rows))

    def _ranked(self, qid: str, positives: Sequence[str], depth: int) -> tuple[Ints, Ints, int | None]:
        """The best columns, their scores in millionths, and the rank of the best positive."""
        micro = self._micro(qid)
        order = np.argsort(-micro, kind="stable")  # columns ascend, and so do their ids
        found = np.flatnonzero(np.isin(order, [self._column[did] for did in positives if did in self._column]))
        return order[:depth], micro[order[:depth]], int(found[0]) + 1 if len(found) else None

    def _micro(self, qid: str) -> Ints:
        """What a query ranks its pool by, int64 [m], in millionths: all without a score lie below all with one."""
        scores = self._scores.get(qid, {})
        unknown = next((did for did in scores if did not in self._column), None)
        if unknown is not None:
            raise InputError(
                f"{unknown}, scored for query {qid}, is not in the pool of {self.asked.name}: "
                "the scores are of other data; score this data"
            )
        micro = np.zeros(len(self._ids), np.int64)
        if self._store is not None and self._gallery is not None:
            micro = self._gallery.micro(self._store.vectors("query", [qid])[0], np.arange(len(self._ids)))
        if scores:
            given = np.rint(np.array([*scores.values()]) * MICRO).astype(np.int64)
            micro += given.min() - 1 - micro.max()
            micro[[self._column[did] for did in scores]] = given
        return micro
