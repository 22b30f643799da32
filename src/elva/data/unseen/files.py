"""Files of a download: where they lie, and JSON whose every mistake is told with its place."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from elva.data.records import RowProblem, check_encoding
from elva.errors import DataError


def found(root: Path, names: Sequence[str], what: str) -> Path:
    """The first of these files that a folder holds.

    Args:
        root: the folder that the user gave.
        names: paths below it, the usual one first.
        what: what the file is and where it comes from, for people.

    Raises:
        DataError: none is there.
    """
    for name in names:
        if (root / name).is_file():
            return root / name
    where = f"{names[0]} is missing" if len(names) == 1 else f"none of {', '.join(names)} is there"
    raise DataError(root, None, None, where, f"it is {what}: docs/benchmarks.md says how to lay out the folder")


def folder(root: Path, names: Sequence[str]) -> Path:
    """The first of these folders that is there; the first name where none is: then every file of it is missing."""
    return next((root / name for name in names if (root / name).is_dir()), root / names[0])


def inside(node: Node, above: Path, ending: str = "") -> Path:
    """The file below a folder that a text names; DataError where it would lie outside."""
    name = node.text()
    if name.startswith("/") or "\\" in name or "\0" in name or ".." in name.split("/"):
        raise node.wrong(f"{name!r} leaves the folder of images", "download the file again")
    return above / f"{name}{ending}"


@dataclass(frozen=True, slots=True)
class Node:
    """A value in a JSON file that knows where it stands; whoever takes it for another kind raises DataError.

    Attributes:
        path: the file.
        place: such as [17].caption; empty for the whole.
        value: what stands there.
    """

    path: Path
    place: str
    value: Any

    def __getitem__(self, key: str) -> Node:
        """An entry of an object."""
        if not isinstance(self.value, dict) or key not in self.value:
            raise self.wrong(f"no {key!r}", "every one has it in the published file; download it again")
        return Node(self.path, f"{self.place}.{key}".lstrip("."), self.value[key])

    def entries(self) -> Iterator[tuple[str, Node]]:
        """Keys and values of an object."""
        if not isinstance(self.value, dict):
            raise self._not("an object")
        return ((key, self[key]) for key in self.value)

    def items(self) -> Iterator[Node]:
        """The parts of a list."""
        if not isinstance(self.value, list):
            raise self._not("a list")
        return (Node(self.path, f"{self.place}[{i}]", each) for i, each in enumerate(self.value))

    def text(self) -> str:
        """A text that says something, bare of white space around."""
        if not isinstance(self.value, str) or not self.value.strip():
            raise self._not("a text")
        try:
            check_encoding(self.value, self.place)
        except RowProblem as problem:
            raise self.wrong(problem.found, problem.fix) from problem
        return self.value.strip()

    def whole(self) -> int:
        """A whole number, perhaps written as text."""
        if isinstance(self.value, str) and self.value.isdecimal() and self.value.isascii():
            return int(self.value)
        if not isinstance(self.value, int) or isinstance(self.value, bool):
            raise self._not("a whole number")
        return self.value

    def number(self) -> float:
        """A finite number."""
        if isinstance(self.value, bool) or not isinstance(self.value, int | float) or abs(self.value) > 1e9:
            raise self._not("a number")
        return float(self.value)

    def wrong(self, problem: str, fix: str) -> DataError:
        """An error at this place."""
        return DataError(self.path, None, self.place or None, problem, fix)

    def _not(self, kind: str) -> DataError:
        shown = repr(self.value)
        return self.wrong(
            f"{shown if len(shown) < 60 else shown[:57] + '...'} is not {kind}", "download the file again"
        )


def read_json(path: Path) -> Node:
    """Read a JSON file.

    Raises:
        DataError: it can't be read, or holds no JSON.
    """
    try:
        return Node(path, "", json.loads(path.read_bytes()))
    except OSError as error:
        raise DataError(path, None, None, f"can't be read ({error.strerror})", "check the path") from error
    except (ValueError, RecursionError) as error:
        raise DataError(path, None, None, f"this is no JSON ({error})", "download the file again") from error
