"""Query and pool files, read whole; an id that comes twice is an error of its second row.

Files that mix tasks may repeat a query as it is: the published union file draws the small data sets several times.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from elva.data.records import Candidate, Query, RowProblem, candidate_from_row, query_from_row
from elva.data.rows import Rows, parse_object

Record = TypeVar("Record")


def query_parser(task: int | None) -> Callable[[str], Query]:
    """A parser of the lines of one query file; `task` as in `query_from_row`, None for files that mix tasks."""
    return _unique(lambda line: query_from_row(parse_object(line), task), lambda q: q.qid, "qid", repeats=task is None)


def candidate_parser() -> Callable[[str], Candidate]:
    """A parser of the lines of one pool file."""
    return _unique(lambda line: candidate_from_row(parse_object(line)), lambda c: c.did, "did")


def read_queries(path: Path, task: int | None, rows: Rows) -> list[tuple[int, Query]]:
    """(1-based line, query) in file order; DataErrors with every bad row unless skipped."""
    return rows.read_numbered(path, query_parser(task))


def read_pool(path: Path, rows: Rows) -> list[Candidate]:
    """The candidates in file order; DataErrors with every bad row unless skipped."""
    return rows.read(path, candidate_parser())


def _unique(
    parse: Callable[[str], Record], name: Callable[[Record], str], field: str, repeats: bool = False
) -> Callable[[str], Record]:
    seen: dict[str, int] = {}  # id -> hash of the record: the records themselves would fill the memory

    def parse_once(line: str) -> Record:
        record = parse(line)
        identifier, content = name(record), hash(record) if repeats else 0
        if identifier in seen and not (repeats and seen[identifier] == content):
            raise RowProblem(field, f"{identifier} comes twice", "give every row its own id")
        seen[identifier] = content
        return record

    return parse_once
