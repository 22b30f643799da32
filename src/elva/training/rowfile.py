"""Files of rows that training reads (captions, negatives), which are never written over another file."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from elva.data.stored import Numbers, Stored
from elva.errors import DataError, InputError

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Entry(Generic[Value]):
    """A row: what it is about, and what it says of it."""

    key: str
    value: Value


class Entries(Mapping[str, Value]):
    """Key to value; the values lie in their file until they are asked for."""

    def __init__(self, rows: Stored[Entry[Value]]) -> None:
        self._rows = rows

    def __getitem__(self, key: str) -> Value:
        """The value; KeyError for an unknown key."""
        row = self._rows.places.row(key)
        if row is None:
            raise KeyError(key)
        return self._rows.at(row).value

    def __contains__(self, key: object) -> bool:
        """Whether there is one; the row itself is not read."""
        return isinstance(key, str) and self._rows.places.row(key) is not None

    def __iter__(self) -> Iterator[str]:
        """The keys."""
        return (row.key for row in self._rows)

    def __len__(self) -> int:
        """How many there are."""
        return len(self._rows)

    def hashes(self) -> Numbers:
        """Hashed keys, ascending, int64 [n]."""
        return self._rows.places.keys


def require_rowfile(path: Path, keys: Collection[str]) -> None:
    """Raise InputError unless `path` is free or holds rows with these keys, which a newer file may replace.

    Called before the work starts, so that it isn't lost.
    """
    if path.is_dir():
        raise InputError(f"{path} is a folder; give a file, such as {path / 'rows.jsonl'}")
    if path.exists() and path.stat().st_size and not _holds(path, keys):
        raise InputError(f"{path} exists and holds no rows of {', '.join(keys)}; give another file, or remove this one")


def read_rowfile(path: Path, keys: Collection[str], command: str) -> Iterator[tuple[int, int, dict[str, Any]]]:
    """Line number, first byte and row of each line.

    Args:
        path: the file.
        keys: what every row has.
        command: what writes such a file, for the error.

    Raises:
        DataError: a line is no such row, or not UTF-8.
    """
    fix = f"write the file again with `{command}`"
    stop = 0
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            start, stop = stop, stop + len(line)
            try:
                row = json.loads(line)
            except ValueError as error:  # UnicodeDecodeError is one
                raise DataError(path, number, ", ".join(keys), repr(line[:80]), fix) from error
            if not isinstance(row, dict) or not set(keys) <= row.keys():
                raise DataError(path, number, ", ".join(keys), repr(line[:80]), fix)
            yield number, start, row


def _holds(path: Path, keys: Collection[str]) -> bool:
    """Whether the first row is of this kind: the others are written with it, or not at all."""
    try:
        with path.open(encoding="utf-8") as file:
            row = json.loads(file.readline())
    except (OSError, ValueError):
        return False
    return isinstance(row, dict) and set(keys) <= row.keys()
