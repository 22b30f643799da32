"""Lines of a data file, and what becomes of the bad ones."""

from __future__ import annotations

import gc
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from elva.data.records import RowProblem
from elva.errors import DataError, DataErrors

Record = TypeVar("Record")


@dataclass(slots=True)
class Rows:
    """How to treat bad rows, and the tally of those left out.

    Attributes:
        skip_bad: leave bad rows out and count them, instead of raising.
        known_bad: file -> lines to leave out unread (what a validation found).
        skipped: file -> number of rows left out so far.
    """

    skip_bad: bool = False
    known_bad: Mapping[Path, frozenset[int]] = field(default_factory=dict)
    skipped: dict[Path, int] = field(default_factory=dict)

    def read(self, path: Path, parse: Callable[[str], Record]) -> list[Record]:
        """Parse every line of a file.

        Raises:
            DataErrors: every bad line, unless bad rows are skipped.
            DataError: the file can't be read at all.
        """
        return [record for _, record in self.read_numbered(path, parse)]

    def read_numbered(self, path: Path, parse: Callable[[str], Record]) -> list[tuple[int, Record]]:
        """As `read`, each record with its 1-based line."""
        errors: list[DataError] = []
        known = self.known_bad.get(path, frozenset())
        with _collector_paused():
            records = [pair for pair in parsed_lines(path, parse, errors) if pair[0] not in known]
        self.skipped[path] = len(known)
        self.leave_out([error for error in errors if error.line not in known])
        return records

    def leave_out(self, errors: Sequence[DataError]) -> None:
        """Count rows that are left out as bad; DataErrors unless bad rows are skipped."""
        if errors and not self.skip_bad:
            raise DataErrors(errors)
        for error in errors:
            self.skipped[error.path] = self.skipped.get(error.path, 0) + 1


def parsed_lines(path: Path, parse: Callable[[str], Record], errors: list[DataError]) -> Iterator[tuple[int, Record]]:
    """Yield (1-based line, record) for the good lines and append the bad ones to `errors`.

    Blank lines are no rows.

    Raises:
        DataError: the file can't be opened.
    """
    try:
        file = path.open("rb")
    except OSError as error:
        fix = "check the data folder"
        raise DataError(path, None, None, f"can't be read ({error.strerror})", fix) from error
    with file:
        for number, raw in enumerate(file, start=1):
            try:
                line = raw.decode("utf-8-sig" if number == 1 else "utf-8")
                if not line.isspace() and line:
                    yield number, parse(line)
            except UnicodeDecodeError as error:
                found = f"byte {error.start + 1} is not UTF-8"
                errors.append(DataError(path, number, None, found, "save the file as UTF-8"))
            except RowProblem as problem:
                parts = (problem.field, problem.found, problem.fix)
                errors.append(DataError(path, number, *parts))


def parse_object(line: str) -> dict[str, Any]:
    """The JSON object of one line; RowProblem when it holds none."""
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise RowProblem(None, f"no JSON ({error})", "write one JSON object per line") from error
    if not isinstance(row, dict):
        raise RowProblem(None, "JSON, but no object", "write one JSON object per line")
    return row


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Halves the time of reading: records hold no cycles, yet the collector walks them all."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
