"""What every stage shares: the budget, the optimiser, checkpoints and the log. The stages keep only their own idea.

Every random choice of a step is a function of (seed, step), never of a generator that lives on: a run resumed at
step n draws what the uninterrupted run would have drawn.
"""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from torch import nn

from elva.data.mbeir import MBeir, TaskName
from elva.data.validation import open_tasks
from elva.errors import CheckpointError, TrainingError
from elva.items import Item
from elva.model.embedder import Embedder
from elva.training.checkpoint import Checkpoint, Progress, kept, latest_checkpoint, load_checkpoint, save_checkpoint
from elva.training.prepared import PreparedItems
from elva.training.progress import MetricsLog, ProgressBar
from elva.training.recipe import Optimizer, Recipe, dump_recipe
from elva.training.running import StopSignal
from elva.training.team import Team
from elva.training.trackers import open_trackers
from elva.whole import whole_file


@dataclass(frozen=True, slots=True)
class Step:
    """One draw from the data and what is to be done with it.

    Attributes:
        number: from 0.
        rng: makes its random choices.
        generator: likewise, for torch.
        updates: of the weights, on what was drawn.
    """

    number: int
    rng: np.random.Generator
    generator: torch.Generator
    updates: int = 1


class Session:
    """One training run of one recipe in one folder.

    Args:
        recipe: see below.
        embedder: see below.
        out: the folder.
        inputs: digests of what the run reads, by setting: a checkpoint of other inputs is refused.
        resume: go on from the newest checkpoint, if there is one.
        team: the processes that train together.

    Attributes:
        recipe: what is trained, and how.
        embedder: the model, its trained part open.
        steps_done: updates of the weights so far, those of earlier sessions included.
        seconds: seconds trained, likewise; loading is not counted.
        stopped: whether the run was asked to stop before its budget was spent.
    """

    def __init__(
        self,
        recipe: Recipe,
        embedder: Embedder,
        out: Path,
        inputs: Mapping[str, str],
        resume: bool,
        team: Team | None = None,
    ) -> None:
        self.recipe, self.embedder, self.team = recipe, embedder, team or Team()
        self._out, self._inputs = out, inputs
        self._trained = embedder.backbone.trainable_parameters()
        self._optimizer = make_optimizer(list(self._trained.values()), recipe.optimizer)
        self._voice = sys.stderr if self.team.leads else open(os.devnull, "w")  # noqa: SIM115  # for the whole run
        self._console = Console(file=self._voice)
        self._log: MetricsLog | None = None
        self.steps_done, self.seconds, self.stopped = 0, 0.0, False
        newest = latest_checkpoint(self._checkpoints) if resume else None
        self._checkpoint = load_checkpoint(newest, recipe, inputs) if newest else None
        if self._checkpoint and self._checkpoint.other_versions:
            changes = ", ".join(self._checkpoint.other_versions)
            self.say(f"{newest} was written with other versions ({changes}): the run may not end bit by bit the same.")

    @property
    def _checkpoints(self) -> Path:
        return self._out / "checkpoints"

    def _begin(self) -> None:
        """Take up the checkpoint, if there is one, and start to write: not before all that a loop reads was read.

        Until here the model is the one the recipe starts from: what a loop derives from it (its own captions, the
        frozen reference) is the same in a resumed run.
        """
        line = None
        if self._checkpoint is not None:
            self._restore(self._checkpoint)
            line = self._checkpoint.progress.line
        if self.team.leads:
            self._out.mkdir(parents=True, exist_ok=True)
            with whole_file(self._out / "recipe.yaml") as file:
                file.write(dump_recipe(self.recipe))
            trackers = open_trackers(self.recipe, self._out, self.steps_done)
            every = self.recipe.log.every_steps
            self._log = MetricsLog(self._out / "metrics.jsonl", self.steps_done, every, trackers, line)

    def _restore(self, checkpoint: Checkpoint) -> None:
        if other := checkpoint.tensors.keys() ^ self._trained.keys():
            raise CheckpointError(
                f"{self._checkpoints}: the newest checkpoint and this model differ in which weights train, e.g. "
                f"{sorted(other)[0]}; go on with the versions it was written with, or start a new run in another folder"
            )
        with torch.no_grad():
            for name, parameter in self._trained.items():
                parameter.copy_(checkpoint.tensors[name])
        self._optimizer.load_state_dict(checkpoint.optimizer)
        checkpoint.restore_random()
        self.steps_done, self.seconds = checkpoint.progress.step, checkpoint.progress.seconds

    def steps(self, steps_per_epoch: int, updates: int = 1) -> Iterator[Step]:
        """Steps until the budget is spent or the run is asked to stop; writes checkpoints on the way.

        Args:
            steps_per_epoch: what one epoch is, for budgets in epochs.
            updates: of the weights in one step. `budget.steps` counts updates; the last step makes those that are left.
        """
        self._begin()
        budget = self.recipe.budget
        epochs = max(1, round(budget.epochs * steps_per_epoch)) * updates if budget.epochs else None
        self._total = budget.steps or epochs
        title, unit = self.recipe.name or self.recipe.stage, "seconds" if self._total is None else "steps"
        # The policy's ratio is exactly 1 on its own samples only without dropout.
        self.embedder.backbone.train(self.recipe.stage != "reinforce")
        bar = ProgressBar(title, self._budget, unit, done=self._spent, stream=self._voice)
        with self._log or nullcontext(), StopSignal() as stop, bar as self._bar:
            before, saved = self.seconds, self.steps_done
            started = time.perf_counter()
            while not self.stopped and self._spent < self._budget:
                spent, number = self._spent, self.steps_done // updates
                left = updates if self._total is None else self._total - self.steps_done
                yield Step(number, *_generators(self.recipe.seed, number), min(updates, left))
                self.seconds = self.team.largest(before + time.perf_counter() - started)
                self._bar.advance(self._spent - spent)
                self.stopped = bool(self.team.largest(stop.requested))
                if self.stopped or self.steps_done - saved >= self.recipe.checkpoint.every_steps:
                    self._save()
                    saved = self.steps_done
            if saved < self.steps_done:
                self._save()
        self.embedder.backbone.eval()

    @property
    def _budget(self) -> float:
        """Updates or seconds that the run may take."""
        return float(self._total or self.recipe.budget.seconds or 0)

    @property
    def _spent(self) -> float:
        """How much of the budget is used up."""
        return self.seconds if self._total is None else self.steps_done

    def update(self, metrics: Mapping[str, float]) -> None:
        """One update of the weights from the gradients at hand; logs `metrics` where a line is due.

        Raises:
            TrainingError: the gradient is not finite; weights and checkpoints stay as they are.
        """
        rate = self.recipe.optimizer.lr * schedule(self._spent / self._budget, self.recipe.optimizer)
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        self.team.add_gradients(self._trained.values())
        norm = float(nn.utils.clip_grad_norm_(list(self._trained.values()), self.recipe.optimizer.clip_norm))
        if not math.isfinite(norm):
            raise TrainingError(self._diverged(norm))
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)
        if self._log is not None:
            self._log.write(self.steps_done, self.seconds, {**metrics, "lr": rate, "gradient_norm": norm})
        self._bar.advance(0, note=f"loss {metrics['loss']:.3f}")
        self.steps_done += 1

    def _diverged(self, norm: float) -> str:
        return (
            f"{self._out}: step {self.steps_done}: the gradient has norm {norm}, so this update was not made; "
            f"{kept(self._checkpoints)}. "
            f"Start a new run in another folder with a lower optimizer.lr (it is {self.recipe.optimizer.lr:g})"
        )

    def prepare(self, items: Mapping[str, Item], captions: Mapping[str, str] | None) -> PreparedItems:
        """Prepare the run's items, with a bar; texts that had to be cut are counted and said."""
        pictures = len({item.image for item in items.values() if item.image is not None})
        with self.progress("pictures", pictures) as tick:
            library = PreparedItems(self.embedder, items, self.recipe.extraction, captions, tick)
        self.embedder.features.save()
        if library.truncated:
            longest = self.embedder.processor.settings.max_text
            self.say(f"{library.truncated} of {len(items)} texts were cut to {longest} tokens.")
        return library

    def data(self) -> tuple[MBeir, list[TaskName]]:
        """The data root and the tasks of the recipe, after a look at every row and picture of theirs.

        Raises:
            DataErrors: every bad row, unless the recipe skips them (then they are counted and said).
            InputError: no task fits.
        """
        data = self.recipe.data
        with self.progress("checking rows and pictures", None) as tick:
            opened, names, skipped = open_tasks(
                data.folder(),
                data.split,
                data.datasets,
                data.kept_tasks(),
                skip_bad_rows=data.skip_bad_rows,
                watch=lambda *_: tick,
            )
        if skipped:
            self.say(f"{skipped} bad rows are left out; `elva data check {data.root}` lists them.")
        return opened, names

    @contextmanager
    def progress(self, title: str, total: int | None) -> Iterator[Callable[[int], None]]:
        """A bar for work that comes before the steps."""
        with ProgressBar(title, total, stream=self._voice) as bar:
            yield bar.advance

    def say(self, sentence: str) -> None:
        """A line above the bar."""
        self._console.print(sentence, soft_wrap=True)

    def _save(self) -> None:
        if self._log is None:
            return
        save_checkpoint(
            self._checkpoints,
            tensors=self._trained,
            optimizer=self._optimizer.state_dict(),
            progress=Progress(self.steps_done, self.seconds, self._log.settle()),
            recipe=self.recipe,
            inputs=self._inputs,
        )


def _generators(seed: int, step: int) -> tuple[np.random.Generator, torch.Generator]:
    rng = np.random.default_rng([seed, step])
    return rng, torch.Generator().manual_seed(int(rng.integers(2**62)))


def schedule(share: float, optimizer: Optimizer) -> float:
    """Share of the largest learning rate after `share` (0 to 1) of the budget: linear warm-up, then the fall."""
    if share < optimizer.warmup:
        return max(share / optimizer.warmup, 0.01)
    rest = (share - optimizer.warmup) / max(1.0 - optimizer.warmup, 1e-9)
    fall = {"constant": 1.0, "linear": 1.0 - rest, "cosine": 0.5 * (1.0 + math.cos(math.pi * rest))}
    return fall[optimizer.schedule]


def make_optimizer(parameters: list[nn.Parameter], optimizer: Optimizer) -> torch.optim.AdamW:
    """AdamW; matrices are decayed, norms and biases are not."""
    groups = [
        {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": optimizer.weight_decay},
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=optimizer.lr, betas=optimizer.betas, fused=True)
