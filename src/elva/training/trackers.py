"""Where the lines of metrics.jsonl also go, by name: TensorBoard, Trackio, Weights & Biases."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

import yaml

from elva.errors import MissingExtra
from elva.training.recipe import Recipe, dump_recipe
from elva.whole import whole_file

ID_FILE = "tracker-id.txt"


class Tracker(Protocol):
    """Something that keeps numbers by step."""

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Keep the numbers of one step; all are finite."""

    def close(self) -> None:
        """Nothing more will come."""


class TensorBoard:
    """Event files in RUN/tensorboard; on resume, those of steps that will be done again are hidden."""

    def __init__(self, run: Path, next_step: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._writer: Any = SummaryWriter(str(run / "tensorboard"), purge_step=next_step)

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """One scalar for each number; flushed, so that a killed run has shown all."""
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)
        self._writer.flush()

    def close(self) -> None:
        """Close the event file."""
        self._writer.close()


class Online:
    """wandb, or trackio, which has the same functions; a resumed run goes on under its name."""

    def __init__(self, module: str, run: Path, recipe: Recipe) -> None:
        own = _own_id(run)
        # trackio knows a run by its name, wandb by its id.
        named: dict[str, Any] = {"name": f"{recipe.name or recipe.stage}-{own}"}
        if module == "wandb":
            named |= {"id": own, "dir": str(run)}
        settings = yaml.safe_load(dump_recipe(recipe))
        self._run = import_module(module).init(project=recipe.log.project, config=settings, resume="allow", **named)

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """All numbers of a step at once."""
        self._run.log(dict(values), step=step)

    def close(self) -> None:
        """Send what is left."""
        self._run.finish()


def check_trackers(recipe: Recipe) -> None:
    """Before any work: is everything installed that `log.to` names?

    Raises:
        MissingExtra: a package isn't.
    """
    for name in recipe.log.to:
        if find_spec(name) is None:
            raise MissingExtra(name, name)


def open_trackers(recipe: Recipe, run: Path, next_step: int) -> list[Tracker]:
    """The trackers that `log.to` names, for the run in this folder from this step on."""
    return [
        TensorBoard(run, next_step) if name == "tensorboard" else Online(name, run, recipe)
        for name in dict.fromkeys(recipe.log.to)
    ]


def _own_id(run: Path) -> str:
    """An id drawn once for a run's folder, so that a resumed run is the same run."""
    file = run / ID_FILE
    if not file.exists():
        with whole_file(file) as new:
            new.write(uuid.uuid4().hex[:8])
    return file.read_text("utf-8")
