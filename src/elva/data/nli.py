"""Text triples for stage 1: premise, entailment, contradiction (paper section 3, stage 1).

The file of SimCSE is CSV with the header `sent0,sent1,hard_neg`; JSONL with the same keys is read
too. "None" and "NA" are words here: nothing is taken for a missing value but an empty cell.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from elva.data.records import Row, RowProblem
from elva.data.rows import Rows
from elva.data.table import table_rows
from elva.data.writing import write_table
from elva.errors import DataError

HEADER = ("sent0", "sent1", "hard_neg")


@dataclass(frozen=True, slots=True)
class Triple:
    """A sentence, one that follows from it, and one that contradicts it (or None)."""

    anchor: str
    positive: str
    negative: str | None = None


def read_triples(path: Path | str, rows: Rows | None = None) -> list[Triple]:
    """Read the triples of a CSV or JSONL file, in file order.

    Args:
        path: the file.
        rows: how to treat bad rows and where to count them; the default raises.

    Returns:
        The triples; those of pairs without a third sentence have `negative` None (count them as
        `sum(triple.negative is None for triple in triples)`).

    Raises:
        DataErrors: every bad row, unless bad rows are skipped.
        DataError: the file can't be read, or has other columns.
    """
    path, rows = Path(path), rows or Rows()
    errors: list[DataError] = []
    triples = []
    for line, row in table_rows(path, errors):
        if not {"sent0", "sent1"} <= row.keys():
            found = f"columns {', '.join(map(str, row))}"
            raise DataError(path, line, None, found, f"name the columns {', '.join(HEADER)}")
        try:
            triples.append(_triple(row))
        except RowProblem as problem:
            errors.append(DataError(path, line, problem.field, problem.found, problem.fix))
    rows.leave_out(errors)
    return triples


def write_triples(path: Path, triples: Iterable[Triple]) -> Path:
    """Write triples as CSV; returns the file."""
    cells = ((one.anchor, one.positive, one.negative or "") for one in triples)
    return write_table(path, HEADER, cells)


def _triple(row: Row) -> Triple:
    negative = row.get("hard_neg")
    if negative is not None and not isinstance(negative, str):
        raise RowProblem("hard_neg", f"{negative!r} is no text", "write a string")
    has_negative = negative is not None and bool(negative.strip())
    return Triple(_sentence(row, "sent0"), _sentence(row, "sent1"), negative if has_negative else None)


def _sentence(row: Row, column: str) -> str:
    text = row[column]
    if not isinstance(text, str) or not text.strip():
        raise RowProblem(column, "empty", "give a sentence, or drop the row")
    return text
