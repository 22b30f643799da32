"""Relevance judgements: lines of `qid 0 did relevance task_id`."""

from __future__ import annotations

from pathlib import Path

from elva.data.records import RowProblem, check_identifier
from elva.data.rows import Rows

Qrels = dict[str, dict[str, int]]
"""qid -> did -> relevance, always above 0."""

Judgement = tuple[str, str, int]


def read_qrels(path: Path, rows: Rows) -> Qrels:
    """Read judgements; lines of relevance 0 don't count.

    Raises:
        DataErrors: every malformed line, unless bad rows are skipped.
    """
    qrels: Qrels = {}
    for qid, did, relevance in rows.read(path, parse_judgement):
        if relevance > 0:
            qrels.setdefault(qid, {})[did] = relevance
    return qrels


def parse_judgement(line: str) -> Judgement:
    """(qid, did, relevance) of a line; RowProblem when it isn't five fields."""
    fields = line.split()
    if len(fields) != 5:
        fix = "write: qid 0 did relevance task_id"
        raise RowProblem(None, f"{len(fields)} fields instead of 5", fix)
    qid, _, did, relevance, _ = fields
    try:
        count = int(relevance)
    except ValueError as error:
        fix = "write a whole number"
        raise RowProblem("relevance", f"{relevance!r} is no number", fix) from error
    return check_identifier(qid, "qid"), check_identifier(did, "did"), count
