"""What every stage shares: the budget, the optimiser, checkpoints and the log. The stages keep only their own idea.

Every random choice of a step is a function of (seed, step), never of a generator that lives on: a run resumed at
step n draws what the uninterrupted run would have drawn.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from torch import nn

from elva.data.mbeir import MBeir, TaskName
from elva.data.validation import open_tasks
from elva.items import Item
from elva.model.embedder import Embedder
from elva.training.checkpoint import Checkpoint, Progress, latest_checkpoint, load_checkpoint, save_checkpoint
from elva.training.prepared import PreparedItems
from elva.training.progress import MetricsLog, ProgressBar
from elva.training.recipe import Optimizer, Recipe, dump_recipe
from elva.training.running import StopSignal


@dataclass(frozen=True, slots=True)
class Step:
    """One step: its number from 0, and the generators of its random choices."""

    number: int
    rng: np.random.Generator
    generator: torch.Generator


class Session:
    """One training run of one recipe in one folder.

    Attributes:
        recipe: what is trained, and how.
        embedder: the model, its trained part open.
        steps_done: updates so far, those of earlier sessions included.
        seconds: seconds trained, likewise; loading is not counted.
        stopped: whether the run was asked to stop before its budget was spent.
    """

    def __init__(self, recipe: Recipe, embedder: Embedder, out: Path, data_fingerprint: str, resume: bool) -> None:
        self.recipe, self.embedder = recipe, embedder
        self._out, self._data_fingerprint = out, data_fingerprint
        self._trained = embedder.backbone.trainable_parameters()
        self._optimizer = make_optimizer(list(self._trained.values()), recipe.optimizer)
        self._console = Console(stderr=True)
        self.steps_done, self.seconds, self.stopped = 0, 0.0, False
        newest = latest_checkpoint(self._checkpoints) if resume else None
        self._checkpoint = load_checkpoint(newest, recipe, data_fingerprint) if newest else None

    @property
    def _checkpoints(self) -> Path:
        return self._out / "checkpoints"

    def _begin(self) -> None:
        """Take up the checkpoint, if there is one, and start to write: not before all that a loop reads was read.

        Until here the model is the one the recipe starts from: what a loop derives from it (its own captions, the
        frozen reference) is the same in a resumed run.
        """
        if self._checkpoint is not None:
            self._restore(self._checkpoint)
        self._out.mkdir(parents=True, exist_ok=True)
        self._out.joinpath("recipe.yaml").write_text(dump_recipe(self.recipe), "utf-8")
        self._log = MetricsLog(self._out / "metrics.jsonl", self.steps_done)

    def _restore(self, checkpoint: Checkpoint) -> None:
        with torch.no_grad():
            for name, parameter in self._trained.items():
                parameter.copy_(checkpoint.tensors[name])
        self._optimizer.load_state_dict(checkpoint.optimizer)
        self.steps_done, self.seconds = checkpoint.progress.step, checkpoint.progress.seconds

    def steps(self, steps_per_epoch: int) -> Iterator[Step]:
        """Steps until the budget is spent or the run is asked to stop; writes checkpoints on the way.

        Args:
            steps_per_epoch: what one epoch is, for budgets in epochs.
        """
        self._begin()
        budget = self.recipe.budget
        total = budget.steps or (max(1, round(budget.epochs * steps_per_epoch)) if budget.epochs else None)
        title = self.recipe.name or self.recipe.stage
        amount = float(total or budget.seconds or 0)
        done = float(self.steps_done if total else self.seconds)
        # The policy's ratio is exactly 1 on its own samples only without dropout.
        self.embedder.backbone.train(self.recipe.stage != "reinforce")
        bar = ProgressBar(title, amount, "steps" if total else "seconds", done=done)
        with self._log, StopSignal() as stop, bar as self._bar:
            before, saved = self.seconds, self.steps_done
            started = time.perf_counter()
            while not self.stopped:
                self._share = self.steps_done / total if total else self.seconds / amount
                if self._share >= 1.0:
                    break
                number, held = self.steps_done, self.seconds
                yield Step(number, *_generators(self.recipe.seed, number))
                self.seconds = before + time.perf_counter() - started
                self._bar.advance(self.steps_done - number if total else self.seconds - held)
                self.stopped = stop.requested
                if self.stopped or self.steps_done - saved >= self.recipe.checkpoint.every_steps:
                    self._save()
                    saved = self.steps_done
            if saved < self.steps_done:
                self._save()
        self.embedder.backbone.eval()

    def update(self, metrics: Mapping[str, float]) -> None:
        """One update of the weights from the gradients at hand; logs `metrics` where a line is due."""
        rate = self.recipe.optimizer.lr * schedule(self._share, self.recipe.optimizer)
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        norm = nn.utils.clip_grad_norm_(list(self._trained.values()), self.recipe.optimizer.clip_norm)
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)
        if self.steps_done % self.recipe.log.every_steps == 0:
            self._log.write(self.steps_done, self.seconds, {**metrics, "lr": rate, "gradient_norm": float(norm)})
            self._bar.advance(0, note=f"loss {metrics['loss']:.3f}")
        self.steps_done += 1

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
                data.tasks,
                skip_bad_rows=data.skip_bad_rows,
                watch=lambda *_: tick,
            )
        if skipped:
            self.say(f"{skipped} bad rows are left out; `elva data check {data.root}` lists them.")
        return opened, names

    @contextmanager
    def progress(self, title: str, total: int | None) -> Iterator[Callable[[int], None]]:
        """A bar for work that comes before the steps."""
        with ProgressBar(title, total) as bar:
            yield bar.advance

    def say(self, sentence: str) -> None:
        """A line above the bar."""
        self._console.print(sentence)

    def _save(self) -> None:
        save_checkpoint(
            self._checkpoints,
            tensors=self._trained,
            optimizer=self._optimizer.state_dict(),
            progress=Progress(self.steps_done, self.seconds),
            recipe=self.recipe,
            data_fingerprint=self._data_fingerprint,
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
