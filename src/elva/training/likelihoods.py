"""`elva likelihood`: how probable a model finds each query's words when it is shown a candidate.

The base knows grains that a trained embedding is blind to (`elva.model.likelihood`). Its scores rank candidates without
any training, and order them for stage 3 without labels.

A query's words are the caption that a model wrote about it. Its own words can be taken where it is text alone, but a
small captioner knows one way to say a thing, and finds every other way improbable. A base that was taught to ask
(`asked`) knows how queries are worded: it is shown the candidates with the instruction that it was taught behind.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np

from elva.data.mbeir import Candidate, MBeir, Query, TaskName
from elva.data.opening import open_tasks
from elva.data.scores import KEYS
from elva.data.stored import Joined, Lookup, Stored
from elva.encoding import ModelIdentity, Progress
from elva.errors import InputError
from elva.evaluation.trec import read_run
from elva.items import Item
from elva.model.embedder import Embedder
from elva.model.likelihood import Likelihood, Words
from elva.training.negatives import read_negatives
from elva.training.prepared import drawn, query_key, read_captions
from elva.training.rowfile import require_rowfile
from elva.training.unfinished import Unfinished

PAIRS = 1 << 17
"""Of query and candidate, between two writes; a candidate is read anew for each such block."""


@dataclass(frozen=True, slots=True)
class Shortlist:
    """Which candidates a query is scored with: those of a file, or else its whole pool.

    Attributes:
        negatives: what `elva mine` wrote; a query's positives are added.
        evaluation: a folder of `elva evaluate`, whose ranked lists are taken as they are.
        top: so many of a list at most; all when None.
    """

    negatives: Path | None = None
    evaluation: Path | None = None
    top: int | None = None

    def lists(self, name: TaskName, pool: Stored[Candidate]) -> Callable[[Query], Sequence[str] | None]:
        """Gives the dids for a query of a task, or None where the file lacks the query.

        Raises:
            InputError: the evaluation is not of this task.
        """
        if self.negatives is not None:
            mined, held = read_negatives(self.negatives), Lookup([pool])
            return lambda query: _with_positives(query, held, mined.get(query.qid), self.top)
        if self.evaluation is not None:
            path = self.evaluation / "runs" / f"{name}.trec"
            if not path.is_file():
                raise InputError(f"{path} is missing: evaluate this split and task with `elva evaluate mbeir` first")
            run = read_run(path)
            ranked = {qid: dids[: self.top] for qid, dids in zip(run.qids, run.dids, strict=True)}
            return lambda query: ranked.get(query.qid)
        everyone = [candidate.did for candidate in pool]
        return lambda query: everyone

    def command(self, tasks: Sequence[TaskName]) -> dict[str, str | int | None]:
        """What the lists depend on."""
        runs = [self.evaluation / "runs" / f"{name}.trec" for name in tasks] if self.evaluation else []
        files = [path for path in (self.negatives, *runs) if path is not None and path.is_file()]
        return {"shortlist": " ".join(map(_digest, files)), "top": self.top}


def _with_positives(
    query: Query, pool: Mapping[str, Candidate], mined: Sequence[str] | None, top: int | None
) -> Sequence[str] | None:
    if mined is None:
        return None
    return [did for did in dict.fromkeys([*query.positives, *mined[:top]]) if did in pool or did in mined]


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class LikelihoodReport:
    """What was written.

    Attributes:
        queries: how many were scored.
        pairs: of a query and a candidate.
        unlisted: queries that the shortlist lacks; they are left out.
        cut: how many distinct texts were cut to what the model reads.
        skipped: how many bad rows were left out.
    """

    queries: int
    pairs: int
    unlisted: int
    cut: int
    skipped: int


def write_likelihoods(
    root: Path,
    embedder: Embedder,
    captions: Path | None,
    out: Path,
    *,
    shortlist: Shortlist | None = None,
    own_words: bool = False,
    asked: bool = False,
    split: str = "train",
    datasets: Sequence[str] = (),
    task_ids: Sequence[int] = (),
    queries: int | None = None,
    seed: int = 0,
    skip_bad_rows: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> LikelihoodReport:
    """Score the candidates of each query into a JSONL file of {"qid", "candidates": [[did, nats], ...]}, best first.

    What a killed process did lies in `OUT.unfinished`; the same call goes on from it.

    Args:
        root: data in M-BEIR layout.
        embedder: who is shown the candidates, usually the base model.
        captions: what `elva caption` wrote about the queries; None where all speak for themselves.
        out: the file.
        shortlist: which candidates; the whole pool of a query's task when None.
        own_words: score queries that are text alone by their own words.
        asked: how probable it is that one asks with these words for a candidate, where the model was taught to say
            that (`caption.asked_share`), instead of how probable they are as its caption.
        split: which queries.
        datasets: only these; all when empty.
        task_ids: only these tasks; all when empty.
        queries: how many queries to draw, over all tasks, as `elva mine` does; all when None.
        seed: draws them.
        skip_bad_rows: leave bad data rows out and count them instead of refusing the data.
        progress: called with (pairs done now, total).

    Raises:
        InputError: the model was not taught to ask, no task fits the choice, queries have no caption, a shortlist holds
            unknown candidates, `out` holds anything but scores, or unfinished work of another command lies beside it.
        DataErrors: every bad row, unless they are to be left out.
        DataError: `captions` or the shortlist hold other rows.
    """
    require_rowfile(out, KEYS)
    instruction = _asked_instruction(embedder) if asked else None
    data, names, skipped = open_tasks(root, split, datasets, task_ids, by_task=True, skip_bad_rows=skip_bad_rows)
    shortlist = shortlist or Shortlist()
    everyone = Joined([data.queries(name) for name in names])
    chosen = everyone.only(drawn(len(everyone), queries, seed))
    texts = _Texts(read_captions(captions) if captions else {}, own_words)
    named = zip(names, chosen.parts, strict=True)
    tasks = [_Task(data, name, part, shortlist, instruction) for name, part in named if len(part)]
    texts.require(query for task in tasks for query in task.queries)
    cut = Words.of(embedder.processor, [*{texts.of(query) for task in tasks for query in task.queries}]).cut
    total = sum(int(task.lengths.sum()) for task in tasks)
    tick = (lambda n: progress(n, total)) if progress else None
    command = {
        "model": ModelIdentity.of(embedder).to_row(),
        "data": data.fingerprint(),
        "captions": _digest(captions) if captions else None,
        "own_words": own_words,
        "asked": instruction,
        **shortlist.command(names),
        "tasks": [str(task.name) for task in tasks],
        "queries": [queries, seed],
        "skip_bad_rows": skip_bad_rows,
    }
    with Unfinished(out, command) as work:
        likelihood = Likelihood(embedder)
        for task in tasks:
            for number, block in enumerate(task.blocks()):
                part = f"{task.name}-{number:05d}"
                if tick and work.holds(part):
                    tick(sum(len(task.dids(query)) for query in block))
                work.part(part, partial(task.score, likelihood, texts, block, tick))
        work.finish(work.lines())
    scored, unlisted = sum(len(task.lengths) for task in tasks), sum(task.unlisted for task in tasks)
    return LikelihoodReport(scored, total, unlisted, cut, skipped)


def _asked_instruction(embedder: Embedder) -> str:
    instruction = embedder.processor.settings.asked_instruction
    if instruction is None:
        raise InputError(
            f"{embedder.name} was not taught to say what one would ask for: train a base with caption.asked_share, or "
            "score the words as captions, without --asked"
        )
    return instruction


class _Texts:
    """The words of queries."""

    def __init__(self, captions: Mapping[str, str], own_words: bool) -> None:
        self._captions, self._own_words = captions, own_words

    def of(self, query: Query) -> str:
        if self._own(query):
            assert query.text is not None
            return query.text
        return self._captions[query_key(query.qid)]

    def require(self, queries: Iterable[Query]) -> None:
        missing = [
            query.qid for query in queries if not self._own(query) and query_key(query.qid) not in self._captions
        ]
        if missing:
            raise InputError(
                f"{len(missing):,} queries have no caption, {missing[0]} for one; "
                "caption this data and split with `elva caption`"
            )

    def _own(self, query: Query) -> bool:
        return self._own_words and query.modality == "text"


class _Task:
    """The queries of one task, each with the candidates that it is scored with; these are shown with the instruction.

    Attributes:
        queries: those that the shortlist has.
        lengths: candidates of each of them, int64 [n].
        unlisted: how many queries the shortlist lacks.
    """

    def __init__(
        self, data: MBeir, name: TaskName, queries: Stored[Query], shortlist: Shortlist, instruction: str | None
    ) -> None:
        pool = data.pool(name)
        self.name, self._data, self._pool = name, data, Lookup([pool])
        self._instruction = instruction
        self._lists = shortlist.lists(name, pool)
        found = [self._lists(query) for query in queries]
        self.queries = queries.only([place for place, dids in enumerate(found) if dids is not None])
        self.lengths = np.array([len(dids) for dids in found if dids is not None], np.int64)
        self.unlisted = len(queries) - len(self.queries)
        unknown = next((did for dids in found for did in dids or () if did not in self._pool), None)
        if unknown is not None:
            raise InputError(
                f"the pool of {name} lacks {unknown}, which the shortlist names; make the list of this data"
            )

    def dids(self, query: Query) -> Sequence[str]:
        return self._lists(query) or ()

    def _item(self, did: str) -> Item:
        return replace(self._data.candidate_item(self._pool[did]), instruction=self._instruction)

    def blocks(self) -> Iterator[list[Query]]:
        """Runs of queries of about `PAIRS` pairs."""
        numbers = (np.cumsum(self.lengths) - 1) // PAIRS
        starts = [0, *(np.flatnonzero(np.diff(numbers)) + 1).tolist(), len(numbers)]
        return (self.queries[start:stop] for start, stop in pairwise(starts) if start < stop)

    def score(
        self, likelihood: Likelihood, texts: _Texts, queries: Sequence[Query], progress: Progress | None
    ) -> Iterator[str]:
        """The lines of a block."""
        rows = [(query, texts.of(query), self.dids(query)) for query in queries]
        items = {did: self._item(did) for did in dict.fromkeys(did for _, _, dids in rows for did in dids)}
        pairs = {(items[did], text): None for _, text, dids in rows for did in dids}
        scores = likelihood.of_pairs(pairs, {item: item for item in items.values()}, progress)
        if progress:  # what is asked several times is scored once
            progress(sum(len(dids) for _, _, dids in rows) - len(pairs))
        for query, text, dids in rows:
            found = sorted((-round(scores[items[did], text], 6), did) for did in dids)
            yield json.dumps({"qid": query.qid, "candidates": [(did, 0.0 - score) for score, did in found]})
