"""Queries to look at, chosen by rule and not by taste, with what two models found for them."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import Any

from elva.analysis.sheet import TINY
from elva.clips import Clip, Visual, frames_of
from elva.data.mbeir import Candidate, MBeir, Query, TaskName
from elva.errors import MediaError
from elva.evaluation.trec import Run, read_run
from elva.index.folder import FolderError, read_jsonl
from elva.media import load_image

THUMBNAIL = 192
SPACED, CHANGED = 6, 3
"""How many queries are shown by even spacing, and how many of the largest gains and losses each."""


@dataclass(frozen=True)
class Evaluated:
    """An evaluation folder, read when asked."""

    folder: Path

    @cached_property
    def results(self) -> dict[str, Any]:
        """Its results.json; raises FolderError when there is none."""
        path = self.folder / "results.json"
        if not path.is_file():
            raise FolderError(f"{self.folder} is no evaluation: it holds no results.json")
        results: dict[str, Any] = json.loads(path.read_text("utf-8"))
        return results

    @property
    def data(self) -> str | None:
        """Fingerprint of what it was judged on; None where the benchmark has none."""
        fingerprint: str | None = (self.results.get("data") or {}).get("fingerprint")
        return fingerprint

    @cached_property
    def summaries(self) -> dict[tuple[str, str], str]:
        """(kind, id) -> what the model wrote."""
        rows = read_jsonl(self.folder / "summaries.jsonl")
        return {(row["kind"], row["id"]): row["summary"] for row in rows}

    @cached_property
    def ranks(self) -> dict[tuple[str, str], int | None]:
        """(task, qid) -> rank of the best positive, tasks by name and queries by qid."""
        return {
            (task, qid): rank
            for task, each in self.results["ranks"].items()
            for qid, rank in zip(each["qids"], each["best_positive"], strict=True)
        }

    def top(self, task: str, count: int) -> dict[str, tuple[str, ...]]:
        """Query id -> ids of its best candidates."""
        run: Run = read_run(self.folder / "runs" / f"{task}.trec")
        return {qid: dids[:count] for qid, dids in zip(run.qids, run.dids, strict=True)}


@dataclass(frozen=True, slots=True)
class Found:
    """One retrieved candidate: a data URI of its picture, its text, and whether it is relevant."""

    image: str | None
    text: str | None
    correct: bool


@dataclass(frozen=True, slots=True)
class Answers:
    """What one model found for one query."""

    name: str
    rank: int | None
    found: tuple[Found, ...]


@dataclass(frozen=True, slots=True)
class Example:
    """A query and the answers of the models compared."""

    task: str
    qid: str
    image: str | None
    text: str | None
    answers: tuple[Answers, ...]


Key = tuple[str, str]


def evenly_spaced(keys: Sequence[Key], count: int) -> list[Key]:
    """`count` of the keys, at equal distances from each other and half of that from the ends."""
    count = min(count, len(keys))
    return [keys[(2 * i + 1) * len(keys) // (2 * count)] for i in range(count)]


def largest_changes(
    before: Mapping[Key, int | None], after: Mapping[Key, int | None], count: int
) -> tuple[list[Key], list[Key]]:
    """The `count` largest gains and losses in reciprocal rank; equal ones by task and qid."""

    def change(key: Key) -> float:
        return _reciprocal(after[key]) - _reciprocal(before[key])

    moved = [key for key in before if key in after and change(key)]
    gains = sorted((key for key in moved if change(key) > 0), key=lambda k: (-change(k), k))
    losses = sorted((key for key in moved if change(key) < 0), key=lambda k: (change(k), k))
    return gains[:count], losses[:count]


def _reciprocal(rank: int | None) -> float:
    return 1 / rank if rank else 0.0


class ExampleBook:
    """Shows chosen queries of a data root with the answers of several evaluations."""

    def __init__(self, bench: MBeir, evaluated: Mapping[str, Evaluated], shown: int = 5) -> None:
        """Compare the evaluations, by name, on their first `shown` hits."""
        self._bench = bench
        self._evaluated = evaluated
        self._shown = shown
        self._tasks: dict[str, _Task] = {}

    def show(self, keys: Sequence[Key]) -> list[Example]:
        """The examples for (task, qid) keys."""
        return [self._example(task, qid) for task, qid in keys]

    def picture(self, row: Query | Candidate) -> str | None:
        """A data URI of its image, or of the middle of its video; a grey square when it can't be opened."""
        if row.video is not None:
            return data_uri(Clip(self._bench.root / row.video, frames=1))
        return None if row.image is None else data_uri(self._bench.root / row.image)

    def _example(self, task: str, qid: str) -> Example:
        known = self._task(task)
        query = known.queries[qid]
        relevant = {did for did, value in known.qrels.get(qid, {}).items() if value > 0}
        answers = tuple(
            Answers(
                name,
                evaluated.ranks[task, qid],
                tuple(self._found(known.pool[did], did in relevant) for did in known.top[name][qid]),
            )
            for name, evaluated in self._evaluated.items()
        )
        return Example(task, qid, self.picture(query), query.text, answers)

    def _found(self, candidate: Candidate, correct: bool) -> Found:
        return Found(self.picture(candidate), candidate.text, correct)

    def _task(self, task: str) -> _Task:
        if task not in self._tasks:
            tops = {name: each.top(task, self._shown) for name, each in self._evaluated.items()}
            self._tasks[task] = _read_task(self._bench, TaskName.parse(task), tops)
        return self._tasks[task]


@dataclass(frozen=True, slots=True)
class Changes:
    """Queries as two models answered them: some by even spacing, and the largest gains and losses."""

    spaced: Sequence[Example]
    gains: Sequence[Example]
    losses: Sequence[Example]

    @classmethod
    def of(cls, bench: MBeir, before: tuple[str, Evaluated], after: tuple[str, Evaluated]) -> Changes:
        """Choose and show them, in tasks' own pools; the models come with their names."""
        book = ExampleBook(bench, dict([before, after]))
        old, new = (_in_own_pools(each.ranks) for _, each in (before, after))
        gains, losses = largest_changes(old, new, CHANGED)
        spaced = evenly_spaced(sorted(old.keys() & new), SPACED)
        return cls(book.show(spaced), book.show(gains), book.show(losses))


def _in_own_pools(ranks: Mapping[Key, int | None]) -> dict[Key, int | None]:
    """Without what was asked of a pool of all data sets, whose tasks are named `TASK@global`."""
    return {key: rank for key, rank in ranks.items() if "@" not in key[0]}


@dataclass(frozen=True, slots=True)
class _Task:
    queries: Mapping[str, Query]
    pool: Mapping[str, Candidate]
    qrels: Mapping[str, Mapping[str, int]]
    top: Mapping[str, Mapping[str, tuple[str, ...]]]


def _read_task(bench: MBeir, name: TaskName, top: Mapping[str, Mapping[str, tuple[str, ...]]]) -> _Task:
    queries = {each.qid: each for each in bench.queries(name)}
    pool = {each.did: each for each in bench.pool(name)}
    return _Task(queries, pool, bench.qrels(name), top)


def data_uri(visual: Visual, side: int = THUMBNAIL) -> str:
    """A picture, or a clip's first frame: tiny ones whole as PNG, others as a JPEG of at most `side` pixels a side."""
    try:
        image = load_image(frames_of(visual)[0])
    except MediaError:
        return _GREY
    tiny = max(image.size) <= TINY
    if not tiny:
        image.thumbnail((side, side))
    buffer = BytesIO()
    image.save(buffer, "PNG" if tiny else "JPEG", optimize=True, quality=82)
    kind = "png" if tiny else "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode()}"


_GREY = (
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 1 1'%3E"
    "%3Crect width='1' height='1' fill='%23999'/%3E%3C/svg%3E"
)
