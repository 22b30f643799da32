"""Negatives for stage 3 (paper, section 5): mined hard ones, filtered, balanced with random ones.

Only hard negatives make the rewards inside a group alike and the advantage vanish; only random ones teach nothing.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from elva.data.mbeir import Candidate, MBeir, Query, TaskName
from elva.data.opening import open_tasks
from elva.data.rows import parse_object
from elva.data.stored import Joined, Scan, Stored, distinct
from elva.encoding import Encoder, ModelIdentity, Vectors
from elva.errors import DataError
from elva.index.gallery import MICRO, Gallery, require_finite
from elva.training.prepared import drawn
from elva.training.rowfile import Entries, Entry, read_rowfile, require_rowfile
from elva.training.unfinished import BLOCK, Unfinished

KEYS = ("qid", "candidates")


@dataclass(frozen=True, slots=True)
class Filter:
    """Which of the nearest candidates are too near, and so perhaps right answers.

    Attributes:
        absolute: drop candidates above this cosine; the paper filters so and leaves the value open.
        margin: drop candidates above the positive's cosine plus this.
        relative: drop candidates above the positive's cosine times this.
    """

    absolute: float | None = None
    margin: float | None = None
    relative: float | None = None

    def keeps(self, similarity: Vectors, positive: float) -> np.ndarray:
        """(C,) bool of the candidates that stay."""
        keep = np.ones(len(similarity), bool)
        if self.absolute is not None:
            keep &= similarity <= self.absolute
        if self.margin is not None:
            keep &= similarity <= positive + self.margin
        if self.relative is not None:
            keep &= similarity <= positive * self.relative
        return keep


class RightAnswers:
    """What is no negative of a query: its positives, and every candidate identical to one (same text and picture).

    Args:
        candidates: among whom to look for identical ones. Of those in files only the few that are identical to another
            one are read.
    """

    def __init__(self, candidates: Sequence[Candidate]) -> None:
        contents = (
            candidates.column("contents")
            if isinstance(candidates, Stored | Joined)
            else np.fromiter((each.content for each in candidates), np.int64, len(candidates))
        )
        ordered = np.sort(contents)
        twice = ordered[1:][ordered[1:] == ordered[:-1]]
        groups: dict[tuple[str | None, ...], list[str]] = defaultdict(list)
        for place in np.flatnonzero(np.isin(contents, twice)).tolist() if len(twice) else ():
            candidate = candidates[place]
            groups[candidate.text, candidate.image, candidate.video].append(candidate.did)
        self._alike = {did: group for group in groups.values() if len(group) > 1 for did in group}

    def of(self, query: Query) -> frozenset[str]:
        """Their dids; a positive that is no known candidate stands for itself."""
        return frozenset(same for did in query.positives for same in self._alike.get(did, (did,)))


def where(named: Sequence[Collection[str]], columns: Sequence[str]) -> np.ndarray:
    """Which of C columns each of Q collections names: bool [Q, C]; the cost grows with what they name."""
    places: dict[str, list[int]] = defaultdict(list)
    for place, each in enumerate(columns):
        places[each].append(place)
    found = np.zeros((len(named), len(columns)), bool)
    for row, names in zip(found, named, strict=True):
        row[[place for each in names for place in places.get(each, ())]] = True
    return found


@dataclass(frozen=True, slots=True)
class MiningReport:
    """Queries mined, candidates the filter dropped, queries with fewer negatives than asked for, bad rows left out."""

    queries: int
    filtered: int
    short: int
    skipped: int


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
    skip_bad_rows: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> MiningReport:
    """Rank each task's pool for its queries and write the nearest wrong candidates with their cosines.

    Positives, and candidates identical to one (same text and picture), are never written. What a killed process did
    lies in `OUT.unfinished`; the same call goes on from it.

    Args:
        root: data in M-BEIR layout.
        encoder: the stage-2 model.
        out: JSONL of {"qid", "candidates": [[did, cosine], ...], "filtered"}, nearest first.
        top: negatives per query.
        split: which queries.
        datasets: only these; all when empty.
        task_ids: only these tasks; all when empty.
        queries: how many queries to draw for stage 3, over all tasks; all when None.
        seed: draws them.
        filter: drops what is too near.
        skip_bad_rows: leave bad data rows out and count them instead of refusing the data.
        progress: called with (done now, total).

    Raises:
        InputError: no task fits the choice, `out` holds anything but negatives, or unfinished work of another command
            lies beside it.
        DataErrors: every bad row, unless they are to be left out.
        VectorError: the encoder gives NaN.
    """
    require_rowfile(out, KEYS)
    data, names, skipped = open_tasks(root, split, datasets, task_ids, by_task=True, skip_bad_rows=skip_bad_rows)
    filter = filter or Filter()
    everyone = Joined([data.queries(name) for name in names])
    chosen = everyone.only(drawn(len(everyone), queries, seed))
    asking = {name: part for name, part in zip(names, chosen.parts, strict=True) if len(part)}
    pools = {name: data.pool(name) for name in asking}
    candidates, numbers = distinct([*pools.values()])
    total = len(candidates) + sum(map(len, asking.values()))
    tick = (lambda n: progress(n, total)) if progress else None
    right = RightAnswers(candidates)
    command = {
        "model": ModelIdentity.of(encoder).to_row(),
        "data": data.fingerprint(),
        "tasks": [str(name) for name in asking],
        "queries": [queries, seed],
        "top": top,
        "filter": asdict(filter),
        "skip_bad_rows": skip_bad_rows,
    }
    mined = filtered = short = 0
    with Unfinished(out, command) as work:
        vectors = work.vectors(
            "candidates",
            len(candidates),
            lambda start, stop: {c.did: data.candidate_item(c) for c in candidates[start:stop]},
            encoder,
            tick,
        )
        for (name, asked), rows in zip(asking.items(), numbers, strict=True):
            gallery = Gallery.of([c.did for c in pools[name]], vectors, rows)
            for start in range(0, len(asked), BLOCK):
                block = asked[start : start + BLOCK]
                mining = partial(_mined, data, encoder, block, gallery, right, top, filter)
                for row in map(json.loads, work.part(f"{name}-{start:07d}", mining)):
                    mined, filtered = mined + 1, filtered + row["filtered"]
                    short += len(row["candidates"]) < top
                if tick:
                    tick(len(block))
        work.finish(work.lines())
    return MiningReport(mined, filtered, short, skipped)


def _mined(
    data: MBeir,
    encoder: Encoder,
    queries: Sequence[Query],
    gallery: Gallery,
    answers: RightAnswers,
    top: int,
    filter: Filter,
) -> Iterator[str]:
    """The line of each query: its nearest wrong candidates with their cosines, and how many the filter dropped."""
    vectors = encoder.embed([data.query_item(query) for query in queries]).vectors
    require_finite([query.qid for query in queries], vectors)
    column = {did: number for number, did in enumerate(gallery.ids)}
    for start, block in gallery.cosines(vectors):
        for number, cosines in enumerate(block, start):
            right = [column[did] for did in answers.of(queries[number]) if did in column]
            keep = filter.keeps(cosines, float(cosines[right].max()) if right else 1.0)
            keep[right] = True
            filtered = len(keep) - int(np.count_nonzero(keep))
            keep[right] = False
            cosines[~keep] = -np.inf
            columns, micro = gallery.nearest(vectors[number], cosines, min(top, int(np.count_nonzero(keep))))
            nearest = [(gallery.ids[at], each / MICRO) for at, each in zip(columns, micro.tolist(), strict=True)]
            yield json.dumps({"qid": queries[number].qid, "candidates": nearest, "filtered": filtered})


def read_negatives(path: Path) -> Entries[tuple[str, ...]]:
    """Qid to dids, nearest first, of a file that `mine` wrote; read when they are asked for.

    Raises:
        DataError: a line is not such a row.
    """
    scan = Scan()
    for number, start, row in read_rowfile(path, KEYS, "elva mine"):
        try:
            scan.add(number, start, row["qid"])
            _entry(row)
        except (ValueError, TypeError) as error:
            fix = "write the file again with `elva mine`"
            raise DataError(path, number, "candidates", repr(row["candidates"])[:80], fix) from error
    return Entries(Stored(path, scan.index(), lambda line: _entry(parse_object(line))))


def _entry(row: Mapping[str, Any]) -> Entry[tuple[str, ...]]:
    return Entry(row["qid"], tuple(did for did, _ in row["candidates"]))


@dataclass(frozen=True, slots=True)
class Balanced:
    """Draws each query's negatives: `hard` of its mined ones and `random` of its task's pool.

    Attributes:
        mined: qid to dids, nearest first.
        pools: task (of a data set, as in mining) to the candidates of its pool, each once.
        hard: mined negatives per query.
        random: random negatives per query; they also fill up where too few were mined.
    """

    mined: Mapping[str, Sequence[str]]
    pools: Mapping[TaskName, Sequence[Candidate]]
    hard: int
    random: int

    def draw(self, name: TaskName, query: Query, right: frozenset[str], rng: np.random.Generator) -> list[str]:
        """`hard + random` distinct dids for a query of the task `name`, none of them among its `right` answers.

        Fewer only where the pool holds no more; the cost grows with what is drawn, not with the pool.
        """
        mined = [did for did in self.mined.get(query.qid, ()) if did not in right]
        taken = [mined[i] for i in sorted(rng.permutation(len(mined))[: self.hard].tolist())]
        pool = self.pools[name]
        wanted = self.hard + self.random
        # Among so many distinct ones enough are neither right nor taken, if the pool holds enough at all.
        drawn = rng.choice(len(pool), min(len(pool), wanted + len(right)), replace=False)
        taken += [did for did in (pool[i].did for i in drawn.tolist()) if did not in right and did not in taken]
        return taken[:wanted]
