"""Lines of a data file, and what becomes of the bad ones."""

from __future__ import annotations

import gc
import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from elva.data.records import RowProblem
from elva.data.stored import Index, Scan, Stored
from elva.errors import DataError, DataErrors

Record = TypeVar("Record")


@dataclass(slots=True)
class Rows:
    """How to treat bad rows, and the tally of those left out.

    Attributes:
        skip_bad: leave bad rows out and count them, instead of raising.
        known_bad: file -> lines to leave out unread (what a validation found).
        indexed: file -> where its good rows lie: found by a validation, or at the first reading.
        skipped: file -> number of rows left out so far.
    """

    skip_bad: bool = False
    known_bad: Mapping[Path, frozenset[int]] = field(default_factory=dict)
    indexed: dict[Path, Index] = field(default_factory=dict)
    skipped: dict[Path, int] = field(default_factory=dict)

    def read(self, path: Path, parse: Callable[[str], Record]) -> list[Record]:
        """Parse every line of a file.

        Raises:
            DataErrors: every bad line, unless bad rows are skipped.
            DataError: the file can't be read at all.
        """
        errors: list[DataError] = []
        known = self.known_bad.get(path, frozenset())
        with _collector_paused():
            records = [record for line, record in parsed_lines(path, parse, errors) if line not in known]
        self.skipped[path] = len(known)
        self.leave_out([error for error in errors if error.line not in known])
        return records

    def stored(
        self,
        path: Path,
        parse: Callable[[str], Record],
        name: str,
        content: Callable[[Record], int] = hash,
        *,
        repeats: bool = False,
    ) -> Stored[Record]:
        """The records of a file, each read when it is asked for; all are parsed once, to find the bad rows.

        Args:
            path: the file.
            parse: a line -> its record.
            name: the attribute that is its id, unique in the file.
            content: a hash of what a record says.
            repeats: a record with the same content may come several times.

        Raises:
            DataErrors: every bad line and every id that comes twice, unless bad rows are skipped.
            DataError: the file can't be read at all.
        """
        known = self.known_bad.get(path, frozenset())
        if path not in self.indexed:
            self.skipped[path] = len(known)
            self.indexed[path] = self._index(path, parse, name, content, repeats, known)
        self.skipped.setdefault(path, len(known))
        return Stored(path, self.indexed[path], parse)

    def _index(
        self,
        path: Path,
        parse: Callable[[str], Record],
        name: str,
        content: Callable[[Record], int],
        repeats: bool,
        known: Collection[int],
    ) -> Index:
        errors: list[DataError] = []
        scan = Scan()
        for line, offset, record in located_lines(path, parse, errors):
            scan.add(line, offset, getattr(record, name), content(record))
        index = scan.index()
        twice = index.twice(repeats)
        errors += repeated(Stored(path, index, parse), twice, name)
        self.leave_out(sorted((e for e in errors if e.line not in known), key=lambda error: error.line or 0))
        return index.without([*twice, *np.flatnonzero(np.isin(index.lines, [*known])).tolist()])

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
    return ((line, record) for line, _, record in located_lines(path, parse, errors))


def located_lines(
    path: Path, parse: Callable[[str], Record], errors: list[DataError]
) -> Iterator[tuple[int, int, Record]]:
    """As `parsed_lines`, with the line's first byte: (line, offset, record)."""
    try:
        file = path.open("rb")
    except OSError as error:
        fix = "check the data folder"
        raise DataError(path, None, None, f"can't be read ({error.strerror})", fix) from error
    with file:
        stop = 0
        for number, raw in enumerate(file, start=1):
            start, stop = stop, stop + len(raw)
            try:
                line = raw.decode("utf-8-sig" if number == 1 else "utf-8")
                if not line.isspace() and line:
                    yield number, start, parse(line)
            except UnicodeDecodeError as error:
                found = f"byte {error.start + 1} is not UTF-8"
                errors.append(DataError(path, number, None, found, "save the file as UTF-8"))
            except RowProblem as problem:
                parts = (problem.field, problem.found, problem.fix)
                errors.append(DataError(path, number, *parts))


def repeated(stored: Stored[Record], twice: Sequence[int], name: str) -> list[DataError]:
    """The errors of the rows of a file whose id came before."""
    fix = "give every row its own id"
    return [
        DataError(stored.path, stored.line(row), name, f"{getattr(stored[row], name)} comes twice", fix)
        for row in twice
    ]


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
