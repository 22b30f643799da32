"""Query and pool files, read whole; an id that comes twice is an error of its second row."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from elva.data.records import Candidate, Query, RowProblem, candidate_from_row, query_from_row
from elva.data.rows import Rows, parse_object

Record = TypeVar("Record")


def query_parser(task: int | None) -> Callable[[str], Query]:
    """A parser of the lines of one query file; `task` as in `query_from_row`."""
    return _unique(lambda line: query_from_row(parse_object(line), task), lambda q: q.qid, "qid")


def candidate_parser() -> Callable[[str], Candidate]:
    """A parser of the lines of one pool file."""
    return _unique(lambda line: candidate_from_row(parse_object(line)), lambda c: c.did, "did")


def read_queries(path: Path, task: int | None, rows: Rows) -> list[tuple[int, Query]]:
    """(1-based line, query) in file order; DataErrors with every bad row unless skipped."""
    return rows.read_numbered(path, query_parser(task))


def read_pool(path: Path, rows: Rows) -> list[Candidate]:
    """The candidates in file order; DataErrors with every bad row unless skipped."""
    return rows.read(path, candidate_parser())


def _unique(parse: Callable[[str], Record], name: Callable[[Record], str], field: str) -> Callable[[str], Record]:
    seen: set[str] = set()

    def parse_once(line: str) -> Record:
        record = parse(line)
        identifier = name(record)
        if identifier in seen:
            raise RowProblem(field, f"{identifier} comes twice", "give every row its own id")
        seen.add(identifier)
        return record

    return parse_once
