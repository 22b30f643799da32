"""Files of rows that training reads (captions, negatives), which are never written over another file."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from elva.errors import DataError, InputError


def require_rowfile(path: Path, keys: Collection[str]) -> None:
    """Raise InputError unless `path` is free or holds rows with these keys, which a newer file may replace.

    Called before the work starts, so that it isn't lost.
    """
    if path.is_dir():
        raise InputError(f"{path} is a folder; give a file, such as {path / 'rows.jsonl'}")
    if path.exists() and path.stat().st_size and not _holds(path, keys):
        raise InputError(f"{path} exists and holds no rows of {', '.join(keys)}; give another file, or remove this one")


def read_rowfile(path: Path, keys: Collection[str], command: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Line number and row of each line.

    Args:
        path: the file.
        keys: what every row has.
        command: what writes such a file, for the error.

    Raises:
        DataError: a line is no such row, or not UTF-8.
    """
    fix = f"write the file again with `{command}`"
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                row = json.loads(line)
            except ValueError as error:  # UnicodeDecodeError is one
                raise DataError(path, number, ", ".join(keys), repr(line[:80]), fix) from error
            if not isinstance(row, dict) or not set(keys) <= row.keys():
                raise DataError(path, number, ", ".join(keys), repr(line[:80]), fix)
            yield number, row


def _holds(path: Path, keys: Collection[str]) -> bool:
    """Whether the first row is of this kind: the others are written with it, or not at all."""
    try:
        with path.open(encoding="utf-8") as file:
            row = json.loads(file.readline())
    except (OSError, ValueError):
        return False
    return isinstance(row, dict) and set(keys) <= row.keys()
