"""Query and pool files; an id that comes twice is an error of its second row.

Files that mix tasks may repeat a query as it is: the published union file draws the small data sets several times.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from pathlib import Path

from elva.data.records import Candidate, Query, candidate_from_row, query_from_row
from elva.data.rows import Rows, parse_object
from elva.data.stored import Stored


def query_parser(task: int | None) -> Callable[[str], Query]:
    """A parser of the lines of one query file; `task` as in `query_from_row`, None for files that mix tasks."""
    return lambda line: query_from_row(parse_object(line), task)


def parse_candidate(line: str) -> Candidate:
    """The candidate of a line of a pool file; RowProblem as in `candidate_from_row`."""
    return candidate_from_row(parse_object(line))


def read_queries(path: Path, task: int | None, rows: Rows) -> Stored[Query]:
    """The queries in file order; DataErrors with every bad row unless skipped."""
    return rows.stored(path, query_parser(task), "qid", repeats=task is None)


def read_pool(path: Path, rows: Rows) -> Stored[Candidate]:
    """The candidates in file order; DataErrors with every bad row unless skipped."""
    return rows.stored(path, parse_candidate, "did", attrgetter("content"))
