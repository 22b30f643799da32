"""Answers of a model, kept as they come: a command that was killed, or is given again, asks nothing twice."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Mapping
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import BinaryIO

from elva.errors import DataError, FolderInUse


class Answers:
    """A file of answers, one JSON object a line: {"key", "qid", "answer"}. One process at a time holds it.

    Each answer is on the disk before the next one is taken; any thread may bring one. What a killed process left of a
    line is removed.

    Args:
        path: the file; it is made where it isn't there.

    Raises:
        DataError: a line is no answer.
        FolderInUse: another process holds the file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._held: dict[str, str] = {}
        self._file: BinaryIO | None = None
        self._writing = Lock()

    def __enter__(self) -> Answers:
        """Take the file and read it."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self._path.open("a+b")
        try:
            self._read(self._file)
        except BaseException:
            self._file.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let the file go."""
        if self._file is not None:
            self._file.close()

    def __len__(self) -> int:
        return len(self._held)

    def __contains__(self, key: str) -> bool:
        return key in self._held

    def __getitem__(self, key: str) -> str:
        """The answer; KeyError where there is none."""
        return self._held[key]

    def put(self, key: str, qid: str, answer: str) -> None:
        """Keep an answer about a query or a question."""
        assert self._file is not None, "outside the with block"
        row = {"key": key, "qid": qid, "answer": answer}
        with self._writing:
            self._file.write(json.dumps(row).encode() + b"\n")
            self._file.flush()
            os.fsync(self._file.fileno())
            self._held[key] = answer

    def _read(self, file: BinaryIO) -> None:
        try:
            fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise FolderInUse(
                f"{self._path} is in use by another process; wait for it, or choose another file"
            ) from error
        file.seek(0)
        content = file.read()
        whole = content.rfind(b"\n") + 1
        file.truncate(whole)
        for number, line in enumerate(content[:whole].splitlines(), 1):
            row = _row(line)
            if row is None:
                fix = "give a file that the same command wrote, or remove this one"
                raise DataError(self._path, number, None, "this is no answer of a model", fix)
            self._held[row["key"]] = row["answer"]


def _row(line: bytes) -> Mapping[str, str] | None:
    try:
        row = json.loads(line)
    except ValueError:
        return None
    told = isinstance(row, dict) and all(isinstance(row.get(name), str) for name in ("key", "answer"))
    return row if told else None
