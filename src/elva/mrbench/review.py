"""`elva mrbench review`: a page, one file with nothing beside it, on which people accept or reject samples.

Decisions stay in the reader's browser while they are made, and leave it as a file (`decisions`).
"""

from __future__ import annotations

import hashlib
import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest
from pathlib import Path
from typing import Any

from elva.analysis.examples import data_uri
from elva.analysis.page import render
from elva.clips import Clip
from elva.data.layout import TASKS, TaskName
from elva.data.mbeir import Candidate, MBeir, Query
from elva.data.stored import Lookup
from elva.encoding import Watch
from elva.errors import InputError
from elva.index.folder import read_meta
from elva.mrbench.build import BENCHMARK
from elva.mrbench.decisions import SCHEMA, Review, sample_of, votes
from elva.whole import whole_file

SAMPLE = 100
"""Queries on a page: at 20 seconds each, half an hour."""
SIDE = 360
"""Longer side of the pictures on it."""
ANSWERS = 3
"""Positives of a query that are shown."""


@dataclass(frozen=True, slots=True)
class ReviewPage:
    """What a page shows: how many samples, of how many that nobody decided yet, and how many pictures are missing."""

    samples: int
    undecided: int
    missing: int


def write_review(
    root: Path,
    out: Path,
    *,
    sample: int = SAMPLE,
    seed: int = 0,
    reviews: Sequence[Review] = (),
    watch: Watch | None = None,
) -> ReviewPage:
    """Write the page.

    Args:
        root: a benchmark.
        out: the file.
        sample: how many queries, of each task the same number as far as there are so many.
        seed: draws them.
        reviews: what these decided already is left out.
        watch: told of the work.

    Raises:
        FolderError: `root` is no benchmark.
        InputError: everything is decided.
    """
    split = read_meta(root, BENCHMARK)["split"]
    data = MBeir.open(root)
    decided = votes(reviews).keys()
    left = {name: [each for each in data.queries(name) if sample_of(each) not in decided] for name in data.tasks(split)}
    chosen = _drawn(left, sample, seed)
    if not chosen:
        raise InputError(f"{root}: every query is decided in these files; give fewer of them, or none")
    progress = watch("samples", len(chosen)) if watch else None
    showing = {name: _Showing(data, name) for name in left}
    shown = []
    for name, query in chosen:
        shown.append(showing[name].row(query))
        if progress:
            progress(1)
    page = {"schema": SCHEMA, "kinds": _kinds(shown), "samples": shown, "key": _digest(shown)}
    with whole_file(out) as file:
        file.write(render("review.html.j2", page=page, samples=len(shown)))
    pictures = {path for name, query in chosen for path in showing[name].paths(query)}
    missing = sum(not (root / path).exists() for path in pictures)
    return ReviewPage(len(shown), sum(map(len, left.values())), missing)


def _drawn(left: Mapping[TaskName, Sequence[Query]], sample: int, seed: int) -> list[tuple[TaskName, Query]]:
    """Queries of all tasks in turn, so that whoever stops early has seen some of each."""
    orders = [
        [(name, query) for query in random.Random(f"{seed}/{name}").sample(queries, len(queries))]
        for name, queries in left.items()
    ]
    in_turn = (each for each in chain.from_iterable(zip_longest(*orders)) if each is not None)
    return [each for each, _ in zip(in_turn, range(sample), strict=False)]


class _Showing:
    """Queries of a task as the page shows them."""

    def __init__(self, data: MBeir, name: TaskName) -> None:
        self._data, self._name, self._pool = data, name, Lookup([data.pool(name)])

    def row(self, query: Query) -> dict[str, Any]:
        """What the page needs of a sample."""
        answers = [*self._answers(query)]
        asked, wanted = TASKS[self._name.task]
        qid, digest = sample_of(query)
        return {
            "qid": qid,
            "shown": digest,
            "task": f"{self._name.dataset}: {asked.replace(',', ' and ')} to {wanted.replace(',', ' and ')}",
            "instruction": self._data.instruction(query),
            "text": query.text,
            "image": self._picture(query),
            "grains": [{"kind": each.kind, "text": each.text, "span": each.span} for each in query.grains],
            "answers": [{"text": each.text, "image": self._picture(each)} for each in answers[:ANSWERS]],
            "more": max(0, len(answers) - ANSWERS),
        }

    def paths(self, query: Query) -> Iterator[str]:
        """The pictures and videos among that."""
        shown: list[Query | Candidate] = [query, *[*self._answers(query)][:ANSWERS]]
        return (path for each in shown for path in (each.image, each.video) if path is not None)

    def _answers(self, query: Query) -> Iterator[Candidate]:
        return (self._pool[did] for did in query.positives if did in self._pool)

    def _picture(self, row: Query | Candidate) -> str | None:
        """Its image, or the middle of its video."""
        if row.video is not None:
            return data_uri(Clip(self._data.root / row.video, frames=1), SIDE)
        return None if row.image is None else data_uri(self._data.root / row.image, SIDE)


def _kinds(shown: Sequence[Mapping[str, Any]]) -> list[str]:
    """Kinds of grain, the most frequent first: there are more of them than colours."""
    counts = Counter(grain["kind"] for each in shown for grain in each["grains"])
    return sorted(counts, key=lambda kind: (-counts[kind], kind))


def _digest(shown: Sequence[Mapping[str, Any]]) -> str:
    """What tells the decisions of this page from those of others that a browser keeps."""
    return hashlib.sha256("\n".join(f"{each['qid']} {each['shown']}" for each in shown).encode()).hexdigest()[:16]
