"""What a benchmark of questions with options asks, whatever its files look like."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from elva.reasoning.questions import Question


@dataclass(frozen=True, slots=True)
class Part:
    """A file of a benchmark.

    Attributes:
        name: what results call it: "L1".
        file: where it was read.
        questions: all of it, in the order of the file.
        rows: key -> row as it is published, to which responses are added.
    """

    name: str
    file: Path
    questions: Sequence[Question]
    rows: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Benchmark:
    """A benchmark, read.

    Attributes:
        name: as commands call it.
        title: for people.
        media: what to download where videos are missing.
        root: its folder.
        parts: what is judged.
        sampling: which frames of videos are looked at; stands in results.json.
    """

    name: str
    title: str
    media: str
    root: Path
    parts: Sequence[Part]
    sampling: Mapping[str, Any]
