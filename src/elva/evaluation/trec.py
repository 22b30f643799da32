"""Ranked lists and judgements as TREC files, so that any tool can check the figures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from elva.errors import DataError
from elva.index.gallery import MICRO, Ints

Qrels = Mapping[str, Mapping[str, int]]
"""qid -> did -> relevance; above 0 counts."""


@dataclass(frozen=True, slots=True)
class Run:
    """Ranked lists of one task, queries in ascending order of qid.

    Attributes:
        qids: n query ids.
        dids: n lists of candidate ids, best first.
        micro: n rows of printed scores in millionths, strictly falling along a row.
    """

    qids: tuple[str, ...]
    dids: tuple[tuple[str, ...], ...]
    micro: tuple[tuple[int, ...], ...]

    def top(self, depth: int) -> Run:
        """The same with no more than so many candidates a list."""
        return Run(self.qids, tuple(row[:depth] for row in self.dids), tuple(row[:depth] for row in self.micro))

    def scores(self) -> dict[str, dict[str, float]]:
        """Query id -> candidate id -> score, as evaluation tools take it."""
        return {
            qid: {did: micro / MICRO for did, micro in zip(dids, row, strict=True)}
            for qid, dids, row in zip(self.qids, self.dids, self.micro, strict=True)
        }


def strictly_falling(micro: Ints) -> Ints:
    """Lower tied scores, int64 [n, k] in millionths, until each is below the one before it.

    trec_eval ignores the rank column and breaks ties by id descending, in single precision. With
    distinct scores it has no ties to break and ranks exactly as the file does.
    """
    steps = np.arange(micro.shape[1])
    return np.minimum.accumulate(micro + steps, axis=1) - steps


def write_run(path: Path, run: Run, tag: str) -> None:
    """Write `qid Q0 did rank score tag` lines; raises DataError for an id with white space."""
    tag = "-".join(tag.split()) or "run"
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for qid, dids, row in zip(run.qids, run.dids, run.micro, strict=True):
            _require_plain(path, (qid, *dids))
            for rank, (did, micro) in enumerate(zip(dids, row, strict=True), start=1):
                file.write(f"{qid} Q0 {did} {rank} {micro / MICRO:.6f} {tag}\n")


def read_run(path: Path, queries: int | None = None) -> Run:
    """Read a run file in the order of its lines, or its first queries alone; raises DataError naming file and line.

    A candidate that a list holds twice is refused: tools differ in which place of it counts.
    """
    lists: dict[str, list[tuple[str, int]]] = {}
    seen = set[tuple[str, str]]()
    for number, fields in _fields(path, 6):
        if len(lists) == queries and fields[0] not in lists:
            break
        if (fields[0], fields[2]) in seen:
            raise DataError(path, number, "did", f"{fields[2]} stands in the list of {fields[0]} twice", "keep one")
        seen.add((fields[0], fields[2]))
        try:
            lists.setdefault(fields[0], []).append((fields[2], round(float(fields[4]) * MICRO)))
        except ValueError:
            raise DataError(path, number, "score", repr(fields[4]), "must be a number") from None
    return Run(
        tuple(lists),
        tuple(tuple(did for did, _ in each) for each in lists.values()),
        tuple(tuple(micro for _, micro in each) for each in lists.values()),
    )


def write_qrels(path: Path, qrels: Qrels) -> None:
    """Write `qid 0 did relevance` lines, in ascending order of qid and did."""
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for qid in sorted(qrels):
            _require_plain(path, (qid, *qrels[qid]))
            file.writelines(f"{qid} 0 {did} {qrels[qid][did]}\n" for did in sorted(qrels[qid]))


def read_qrels(path: Path) -> dict[str, dict[str, int]]:
    """Read a four-field qrels file; raises DataError naming file and line."""
    qrels: dict[str, dict[str, int]] = {}
    for number, (qid, _, did, relevance) in _fields(path, 4):
        try:
            qrels.setdefault(qid, {})[did] = int(relevance)
        except ValueError:
            raise DataError(path, number, "relevance", repr(relevance), "must be a whole number") from None
    return qrels


def _fields(path: Path, width: int) -> Iterator[tuple[int, list[str]]]:
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            fields = line.split()
            if len(fields) != width:
                raise DataError(path, number, None, f"{len(fields)} fields", f"a line has {width}")
            yield number, fields


def _require_plain(path: Path, ids: Iterable[str]) -> None:
    for each in ids:
        if each.split() != [each]:
            raise DataError(
                path,
                None,
                "id",
                f"{each!r} is empty or holds white space",
                "rename it, TREC files can't hold it",
            )
