"""Which evaluations a report is made of: folders by name, those of one model together."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from elva.analysis.curves import read_metrics
from elva.analysis.examples import Evaluated
from elva.errors import InputError

RESULTS = "results.json"
Key = tuple[str, str]
"""A benchmark and a task of it."""
_GIVE = "give folders of `elva evaluate`, or folders that hold some"


@dataclass(frozen=True)
class Measured:
    """One model, and all that was measured of it.

    Attributes:
        name: what the tables call it.
        evaluations: no two of them of the same task of one benchmark.
        run: the folder of its training where that lies around an evaluation, else None.
    """

    name: str
    evaluations: tuple[Evaluated, ...]
    run: Path | None = None

    @cached_property
    def tasks(self) -> Mapping[Key, Evaluated]:
        """(benchmark, task) -> the evaluation that has it."""
        return {key: each for each in self.evaluations for key in _keys(each)}

    def row(self, benchmark: str, task: str) -> Mapping[str, Any] | None:
        """What results.json says of a task; None where it was not measured."""
        held = self.tasks.get((benchmark, task))
        return held.results["tasks"][task] if held else None


def benchmark(evaluated: Evaluated) -> str:
    """Which benchmark an evaluation is of."""
    name: str = evaluated.results["benchmark"]
    return name


def judged_on(evaluated: Evaluated) -> str:
    """The benchmark, or which of its sets."""
    return str(evaluated.results.get("set") or benchmark(evaluated))


def _keys(evaluated: Evaluated) -> list[Key]:
    """Its tasks that have figures; those of global pools are a benchmark apart, so that no mean mixes the two."""
    judged = [task for task, row in evaluated.results["tasks"].items() if "headline" in row]
    return [(benchmark(evaluated) + task[task.find("@") :] * ("@" in task), task) for task in judged]


def holds_evaluations(place: str) -> bool:
    """Whether this is, or holds at any depth, a folder that `elva evaluate` left."""
    return next(_folders(_split(place)[1]), None) is not None


def gather(places: Sequence[str]) -> list[Measured]:
    """The evaluations at some places, by name, in the order in which names first appear.

    Args:
        places: folders that are or hold evaluations, each as PATH or as NAME=PATH. Without a name, the model's own.

    Raises:
        InputError: a place is missing or holds no evaluation; a name stands for two models; two evaluations under one
            name are of the same task.
    """
    held: dict[str, list[Evaluated]] = {}
    runs: dict[str, Path] = {}
    for place in places:
        name, path = _split(place)
        folders = list(_folders(path))
        if not folders:
            raise InputError(f"{path} {'holds no evaluation' if path.exists() else 'is missing'}: {_GIVE}")
        for folder in folders:
            evaluated = Evaluated(folder)
            called = name or evaluated.results["model"]["name"]
            held.setdefault(called, []).append(evaluated)
            for run in (path, folder.parent):
                if read_metrics(run):
                    runs.setdefault(called, run)
    return [Measured(name, _checked(name, each), runs.get(name)) for name, each in held.items()]


def _split(place: str) -> tuple[str, Path]:
    """NAME=PATH in two; a path that is there may hold = itself."""
    name, equals, path = place.partition("=")
    return ("", Path(place)) if not equals or Path(place).exists() else (name, Path(path))


def _folders(path: Path) -> Iterator[Path]:
    files = [path] if path.is_file() else sorted(path.rglob(RESULTS))
    return (file.parent for file in files if file.name == RESULTS and _is_evaluation(file))


def _is_evaluation(file: Path) -> bool:
    try:
        content = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{file} can't be read ({error}); make it again with `elva evaluate`") from error
    return isinstance(content, dict) and {"benchmark", "tasks", "model"} <= content.keys()


def _checked(name: str, evaluations: Sequence[Evaluated]) -> tuple[Evaluated, ...]:
    first, by_task = evaluations[0], dict[Key, Evaluated]()
    for each in evaluations:
        if _identity(each) != _identity(first):
            raise InputError(
                f"{name} would be two models, of {first.folder} and of {each.folder}: give names, as NAME=FOLDER"
            )
        for key in _keys(each):
            other = by_task.setdefault(key, each)
            if other is not each:
                raise InputError(
                    f"{other.folder} and {each.folder} both tell of {key[1]} by {name}: give two names, as NAME=FOLDER"
                )
    return tuple(evaluations)


def _identity(evaluated: Evaluated) -> tuple[str, str]:
    model = evaluated.results["model"]
    return model["fingerprint"], model["extraction"]
