"""Negatives for stage 3 (paper, section 5): mined hard ones, filtered, balanced with random ones.

Only hard negatives make the rewards inside a group alike and the advantage vanish; only random ones teach nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from elva.data.mbeir import Candidate, Query, TaskName
from elva.data.validation import open_tasks
from elva.encoding import Encoder, Vectors
from elva.errors import DataError
from elva.index.gallery import to_micro
from elva.training.prepared import some
from elva.training.rowfile import require_rowfile, write_rowfile

KEYS = ("qid", "candidates")


@dataclass(frozen=True, slots=True)
class Filter:
    """Which of the nearest candidates are too near, and so perhaps right answers.

    Attributes:
        absolute: drop candidates above this cosine; the paper filters so and leaves the value open.
        relative: drop candidates above the positive's cosine times this.
    """

    absolute: float | None = None
    relative: float | None = None

    def keeps(self, similarity: Vectors, positive: float) -> np.ndarray:
        """(C,) bool of the candidates that stay."""
        keep = np.ones(len(similarity), bool)
        if self.absolute is not None:
            keep &= similarity <= self.absolute
        if self.relative is not None:
            keep &= similarity <= positive * self.relative
        return keep


@dataclass(frozen=True, slots=True)
class MiningReport:
    """Queries mined, candidates dropped by the filter, queries with fewer negatives than asked for."""

    queries: int
    filtered: int
    short: int


def mine(
    root: Path,
    encoder: Encoder,
    out: Path,
    *,
    top: int = 50,
    split: str = "train",
    datasets: Sequence[str] = (),
    task_ids: Sequence[int] = (),
    queries: int | None = None,
    seed: int = 0,
    filter: Filter | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> MiningReport:
    """Rank each task's pool for its queries and write the nearest wrong candidates with their cosines.

    Positives, and candidates identical to one (same text and picture), are never written.

    Args:
        root: data in M-BEIR layout.
        encoder: the stage-2 model.
        out: JSONL of {"qid", "candidates": [[did, cosine], ...]}, nearest first.
        top: negatives per query.
        split: which queries.
        datasets: only these; all when empty.
        task_ids: only these tasks; all when empty.
        queries: how many queries to draw for stage 3, over all tasks; all when None.
        seed: draws them.
        filter: drops what is too near.
        progress: called with (done now, total).

    Raises:
        InputError: `out` holds anything but negatives.
        DataErrors: every bad row of the split.
    """
    require_rowfile(out, KEYS)
    data, names, _ = open_tasks(root, split, datasets, task_ids)
    everyone = [(name, query) for name in names for query in data.queries(name)]
    asking: dict[TaskName, list[Query]] = {name: [] for name in names}
    for name, query in some(everyone, queries, seed):
        asking[name].append(query)
    tasks = [(asking[name], data.pool(name)) for name in names]
    pool = {c.did: c for _, candidates in tasks for c in candidates}
    total = len(pool) + sum(len(drawn) for drawn, _ in tasks)
    tick = (lambda n: progress(n, total)) if progress else None
    vectors = encoder.embed([data.candidate_item(c) for c in pool.values()], progress=tick).vectors
    row = {did: i for i, did in enumerate(pool)}
    lines, filtered, short = [], 0, 0
    for drawn, candidates in tasks:
        if not drawn:
            continue
        dids = sorted(c.did for c in candidates)
        asked = encoder.embed([data.query_item(q) for q in drawn], progress=tick).vectors
        there = vectors[[row[did] for did in dids]]
        for query, similarity in zip(drawn, asked @ there.T, strict=True):
            mined, dropped = _nearest(query, similarity, dids, pool, top, filter or Filter())
            filtered, short = filtered + dropped, short + (len(mined) < top)
            lines.append({"qid": query.qid, "candidates": mined})
    write_rowfile(out, lines)
    return MiningReport(len(lines), filtered, short)


def _nearest(
    query: Query, similarity: Vectors, dids: Sequence[str], pool: Mapping[str, Candidate], top: int, filter: Filter
) -> tuple[list[tuple[str, float]], int]:
    positives = frozenset(query.positives)
    right = {(pool[did].text, pool[did].image) for did in positives if did in pool}
    own = max((float(similarity[i]) for i, did in enumerate(dids) if did in positives), default=1.0)
    keep = filter.keeps(similarity, own)
    mined: list[tuple[str, float]] = []
    dropped = 0
    for i in np.argsort(-to_micro(similarity), kind="stable"):  # dids are sorted, so equal scores rank by did
        candidate = pool[dids[i]]
        if candidate.did in positives or (candidate.text, candidate.image) in right:
            continue
        if not keep[i]:
            dropped += 1
            continue
        mined.append((candidate.did, round(float(similarity[i]), 6)))
        if len(mined) == top:
            break
    return mined, dropped


def read_negatives(path: Path) -> dict[str, tuple[str, ...]]:
    """Qid to dids, nearest first, of a file that `mine` wrote.

    Raises:
        DataError: a line is not such a row.
    """
    negatives = {}
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        try:
            row = json.loads(line)
            negatives[row["qid"]] = tuple(did for did, _ in row["candidates"])
        except (ValueError, KeyError, TypeError) as error:
            fix = "write the file again with `elva mine`"
            raise DataError(path, number, "qid, candidates", line[:80], fix) from error
    return negatives


@dataclass(frozen=True, slots=True)
class Balanced:
    """Draws each query's negatives: `hard` of its mined ones and `random` of its task's pool.

    Attributes:
        mined: qid to dids, nearest first.
        pools: task id to the dids of its pool, each once.
        hard: mined negatives per query.
        random: random negatives per query; they also fill up where too few were mined.
    """

    mined: Mapping[str, Sequence[str]]
    pools: Mapping[int, Sequence[str]]
    hard: int
    random: int

    def draw(self, query: Query, positives: frozenset[str], rng: np.random.Generator) -> list[str]:
        """`hard + random` distinct dids, none of them among `positives` (the query's own, and what equals them).

        Fewer only where the pool holds no more; the cost grows with what is drawn, not with the pool.
        """
        mined = [did for did in self.mined.get(query.qid, ()) if did not in positives]
        taken = [mined[i] for i in sorted(rng.permutation(len(mined))[: self.hard].tolist())]
        pool = self.pools[query.task]
        wanted = self.hard + self.random
        # Among so many distinct ones enough are neither right nor taken, if the pool holds enough at all.
        drawn = rng.choice(len(pool), min(len(pool), wanted + len(positives)), replace=False)
        taken += [did for did in (pool[i] for i in drawn.tolist()) if did not in positives and did not in taken]
        return taken[:wanted]
