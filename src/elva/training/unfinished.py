"""Work too long to begin again: what is done lies in a folder beside the result until the result is there.

    FILE.unfinished/
        command.json     what the work was asked for; another command is refused
        {name}.f32       vectors of the first items, float32, block by block
        {part}.jsonl     finished parts of the result

A killed process loses the block it was at, no more.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from elva.data.writing import write_lines
from elva.encoding import Encoder, Progress, Vectors
from elva.errors import InputError
from elva.index.gallery import require_finite
from elva.items import Item
from elva.locks import FolderLock

BLOCK = 4096
"""Items between two writes: what a killed process loses at most, and what makes resumed and whole work equal."""


class Unfinished:
    """The folder of one piece of work, held by one process at a time.

    Args:
        out: the file that the work is to leave.
        command: what it depends on, as JSON values: unfinished work of another command is not taken up.

    Raises:
        InputError: unfinished work of another command lies there; names what differs.
        FolderInUse: another process is at it.
    """

    def __init__(self, out: Path, command: Mapping[str, Any]) -> None:
        self._out, self._folder = out, out.with_name(out.name + ".unfinished")
        self._command = json.loads(json.dumps(command))
        self._parts: list[Path] = []
        self._lock = FolderLock(self._folder)

    def __enter__(self) -> Unfinished:
        """Take the folder."""
        self._lock.__enter__()
        try:
            self._begin(self._folder / "command.json")
        except BaseException:
            self._lock.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the folder for the next process, or remove it when the result is there."""
        self._lock.__exit__(kind, error, trace)

    def _begin(self, file: Path) -> None:
        done = [path for kind in ("*.f32", "*.jsonl") for path in self._folder.glob(kind) if path.stat().st_size]
        if not done or not file.is_file():
            for path in done:  # of a finished work whose process was killed while it removed the folder
                path.unlink()
            write_lines(file, [json.dumps(self._command, indent=1)])
            return
        before = json.loads(file.read_text("utf-8"))
        changed = [key for key in {**before, **self._command} if before.get(key) != self._command.get(key)]
        if changed:
            raise InputError(
                f"{self._folder} holds unfinished work with another {', '.join(changed)}: "
                "give the same command to go on, or remove the folder to begin anew"
            )

    def vectors(
        self,
        name: str,
        count: int,
        block: Callable[[int, int], Mapping[str, Item]],
        encoder: Encoder,
        progress: Progress | None = None,
    ) -> Vectors:
        """Unit vectors of n items, float32 [n, dimension], on disk; those of an earlier process are not made again.

        Args:
            name: of the file.
            count: n.
            block: start and stop -> id and item of these, in an order that is the same every time.
            encoder: makes the vectors.
            progress: called with the number of items just done.

        Raises:
            VectorError: the encoder gives NaN.
        """
        path, width = self._folder / f"{name}.f32", 4 * encoder.dimension
        path.touch()
        with path.open("r+b") as file:
            done = min(count, path.stat().st_size // width // BLOCK * BLOCK)  # what is torn is made again
            file.truncate(done * width)
            file.seek(done * width)
            if progress and done:
                progress(done)
            for start in range(done, count, BLOCK):
                items = block(start, min(start + BLOCK, count))
                vectors = encoder.embed([*items.values()], progress=progress).vectors
                require_finite([*items], vectors)
                file.write(np.ascontiguousarray(vectors, np.float32).tobytes())
                file.flush()
                os.fsync(file.fileno())
        return np.memmap(path, np.float32, "r", shape=(count, encoder.dimension))

    def holds(self, name: str) -> bool:
        """Whether an earlier process made this part."""
        return (self._folder / f"{name}.jsonl").is_file()

    def part(self, name: str, make: Callable[[], Iterable[str]]) -> list[str]:
        """The lines of a part of the result: as an earlier process left them, or made now."""
        path = self._folder / f"{name}.jsonl"
        if not self.holds(name):
            write_lines(path, make())
        self._parts.append(path)
        return path.read_text("utf-8").splitlines()

    def lines(self) -> Iterator[str]:
        """Those of all parts, in the order in which they were asked for."""
        return (line for path in self._parts for line in path.read_text("utf-8").splitlines())

    def finish(self, lines: Iterable[str]) -> None:
        """Write the result, at once, and remove the folder."""
        write_lines(self._out, lines)
        (self._folder / "command.json").unlink()  # first: without it the rest is nobody's work
        shutil.rmtree(self._folder)
