"""Embedding the questions and candidates of a published set, and ranking them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np

from elva.data.unseen.sets import EVENLY, Question, Sampling, Task
from elva.encoding import Encoder, Watch
from elva.evaluation.retrieve import Retrieval, retrieve
from elva.evaluation.store import Kind, VectorStore
from elva.evaluation.trec import Run, strictly_falling
from elva.evaluation.workers import PIECE, processes
from elva.index.gallery import Gallery, Ints
from elva.items import Item

Instructed = Callable[[str], str | None]
"""qid -> its instruction."""


def embed_task(
    task: Task,
    encoder: Encoder,
    store: VectorStore,
    instruction: Instructed,
    sampling: Sampling = EVENLY,
    watch: Watch | None = None,
) -> None:
    """Bring what a task asks and ranks into `store`; what it holds already only once."""
    asked = {each.qid: partial(each.content.item, instruction(each.qid), sampling) for each in task.questions}
    found = {did: partial(each.item, None, sampling) for did, each in task.candidates.items()}
    _embed(encoder, store, "query", asked, f"{task.name}: queries", watch)
    _embed(encoder, store, "candidate", found, f"{task.name}: candidates", watch)


def _embed(
    encoder: Encoder,
    store: VectorStore,
    kind: Kind,
    makers: Mapping[str, Callable[[], Item]],
    label: str,
    watch: Watch | None,
) -> None:
    wanted = [each for each in makers if (kind, each) not in store]
    progress = watch(label, len(wanted)) if watch and wanted else None
    at_once = PIECE * processes(encoder)  # no more than each has to do: parts of pictures are cut out in memory
    for start in range(0, len(wanted), at_once):
        items = {each: makers[each]() for each in wanted[start : start + at_once]}
        store.embed(encoder, kind, items, label, (lambda *_: progress) if progress else None)


def rank(task: Task, store: VectorStore, depth: int) -> Retrieval:
    """The ranked lists of a task's questions: of all candidates, or of each question's own."""
    dids = list(task.candidates)
    gallery = Gallery.of(dids, store.vectors("candidate", dids))
    if any(each.among is not None or each.without for each in task.questions):
        return _rank_own(task.questions, gallery, store, depth)
    qids = [each.qid for each in task.questions]
    answers = {each.qid: each.answers for each in task.questions}
    return retrieve(qids, store.vectors("query", qids), gallery, answers, depth)


def _rank_own(questions: Sequence[Question], gallery: Gallery, store: VectorStore, depth: int) -> Retrieval:
    column = {did: i for i, did in enumerate(gallery.ids)}
    ordered = sorted(questions, key=lambda each: each.qid)
    vectors = store.vectors("query", [each.qid for each in ordered])
    dids, micro, ranks = [], [], []
    for question, vector in zip(ordered, vectors, strict=True):
        columns = _own_columns(question, column)
        cosines = gallery.micro(vector, columns)
        order = np.argsort(-cosines, kind="stable")  # columns ascend, and so do their ids
        right = np.flatnonzero(np.isin(columns[order], [column[did] for did in question.answers]))
        ranks.append(int(right[0]) + 1 if len(right) else None)
        dids.append(tuple(gallery.ids[each] for each in columns[order][:depth].tolist()))
        micro.append(tuple(strictly_falling(cosines[order][None, :depth])[0].tolist()))
    return Retrieval(Run(tuple(each.qid for each in ordered), tuple(dids), tuple(micro)), tuple(ranks))


def _own_columns(question: Question, column: Mapping[str, int]) -> Ints:
    """Which of the gallery's columns a question ranks, ascending."""
    left_out = set(question.without)
    among = column if question.among is None else question.among
    return np.array(sorted(column[did] for did in among if did not in left_out), np.int64)
