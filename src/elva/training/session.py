"""What every stage shares: the budget, the optimiser, checkpoints and the log. The stages keep only their own idea.

Every random choice of a step is a function of (seed, step), never of a generator that lives on: a run resumed at
step n draws what the uninterrupted run would have drawn.
"""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import numpy as np
import torch
from rich.console import Console
from torch import Tensor, nn

from elva.data.mbeir import MBeir, TaskName
from elva.data.opening import open_tasks
from elva.errors import CheckpointError, TrainingError
from elva.items import Item
from elva.model.embedder import Embedder
from elva.prompts import Prompt
from elva.training.checkpoint import (
    Checkpoint,
    Progress,
    kept,
    latest_checkpoint,
    load_checkpoint,
    prune,
    save_checkpoint,
)
from elva.training.prepared import PreparedItems
from elva.training.progress import MetricsLog, ProgressBar
from elva.training.recipe import Optimizer, Recipe, dump_recipe
from elva.training.running import StopSignal
from elva.training.sharding import clip_gradients, gathered, is_spread, spread_like
from elva.training.team import Team
from elva.training.trackers import open_trackers
from elva.whole import whole_file

COUNTED_AT_ONCE = 1000
"""Items between two ticks of the bar that counts them."""


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
        voice: where it speaks: stderr unless given.

    Attributes:
        recipe: what is trained, and how.
        embedder: the model, its trained part open.
        steps_done: updates of the weights so far, those of earlier sessions included.
        seconds: seconds trained, likewise; loading is not counted.
        processor_seconds: of this process in them: what a busy machine does not stretch. Without a GPU, all its work.
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
        voice: TextIO | None = None,
    ) -> None:
        self.recipe, self.embedder, self.team = recipe, embedder, team or Team()
        self._out, self._inputs = out, inputs
        self._trained: dict[str, nn.Parameter] = embedder.backbone.trainable_parameters()
        self._common: list[nn.Parameter] = []
        self._kept: dict[str, Tensor] = {}
        self._library: PreparedItems | None = None
        own = sys.stderr if self.team.leads else open(os.devnull, "w")  # noqa: SIM115  # for the whole run
        self._voice = voice or own
        self._console = Console(file=self._voice)
        self._log: MetricsLog | None = None
        self.steps_done, self.seconds, self.stopped = 0, 0.0, False
        self.processor_seconds = 0.0
        newest = latest_checkpoint(self._checkpoints) if resume else None
        self._checkpoint = load_checkpoint(newest, recipe, inputs) if newest else None
        if self._checkpoint and self._checkpoint.other_versions:
            changes = ", ".join(self._checkpoint.other_versions)
            self.say(f"{newest} was written with other versions ({changes}): the run may not end bit by bit the same.")

    @property
    def device(self) -> torch.device:
        """Where the model computes."""
        return self.embedder.backbone.device

    def learn(self, name: str, start: float) -> nn.Parameter:
        """A number of the objective that trains beside the model; before `steps`.

        All processes of a team compute the same loss, so each has its whole gradient.
        """
        parameter = nn.Parameter(torch.tensor(start, device=self.device))
        self._trained[name] = parameter
        self._common.append(parameter)
        return parameter

    def keep(self, name: str, tensor: Tensor) -> bool:
        """A tensor that is no weight, and that a resumed run needs as it was: checkpoints hold it; before `steps`.

        All processes of a team have the same. Gives whether `steps` will fill it, from the checkpoint.
        """
        self._kept[name] = tensor
        return self._checkpoint is not None

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Work before `steps` that is a part of the training: its seconds count as the run's."""
        started, worked = time.perf_counter(), time.process_time()
        yield
        self.seconds = self.team.largest(self.seconds + time.perf_counter() - started)
        self.processor_seconds += time.process_time() - worked

    @property
    def _checkpoints(self) -> Path:
        return self._out / "checkpoints"

    def _begin(self) -> None:
        """Take up the checkpoint, if there is one, and start to write: not before all that a loop reads was read.

        Until here the model is the one the recipe starts from: what a loop derives from it (its own captions, the
        frozen reference) is the same in a resumed run.
        """
        self._optimizer = make_optimizer(list(self._trained.values()), self.recipe.optimizer)
        line = None
        if self._checkpoint is not None:
            self._restore(self._checkpoint)
            if self.team.leads:  # a run that was killed when it had just saved left them
                prune(self._checkpoints, self.recipe.checkpoint.keep)
            line = self._checkpoint.progress.line
            self._checkpoint = None  # as large as the weights and their moments
        if self.team.leads:
            self._out.mkdir(parents=True, exist_ok=True)
            with whole_file(self._out / "recipe.yaml") as file:
                file.write(dump_recipe(self.recipe))
            trackers = open_trackers(self.recipe, self._out, self.steps_done)
            every = self.recipe.log.every_steps
            self._log = MetricsLog(self._out / "metrics.jsonl", self.steps_done, every, trackers, line)

    def _restore(self, checkpoint: Checkpoint) -> None:
        held: dict[str, Tensor] = {**self._trained, **self._kept}
        if other := checkpoint.tensors.keys() ^ held.keys():
            raise CheckpointError(
                f"{self._checkpoints}: the newest checkpoint and this model differ in which weights train, e.g. "
                f"{sorted(other)[0]}; go on with the versions it was written with, or start a new run in another folder"
            )
        with torch.no_grad():
            for name, tensor in held.items():
                tensor.copy_(spread_like(checkpoint.tensors[name], tensor))
        ordered = [parameter for group in self._optimizer.param_groups for parameter in group["params"]]
        state = {
            number: {name: spread_like(each, ordered[number]) if each.ndim else each for name, each in entries.items()}
            for number, entries in checkpoint.optimizer["state"].items()
        }
        self._optimizer.load_state_dict({**checkpoint.optimizer, "state": state})
        checkpoint.restore_random()
        self.steps_done, self.seconds = checkpoint.progress.step, checkpoint.progress.seconds
        self.processor_seconds = checkpoint.progress.processor_seconds

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
        self.embedder.backbone.train(self.recipe.stage not in ("reinforce", "answer_grpo"))
        bar = ProgressBar(title, self._budget, unit, done=self._spent, stream=self._voice)
        with self._log or nullcontext(), StopSignal() as stop, bar as self._bar:
            before, saved = self.seconds, self.steps_done
            started, worked = time.perf_counter(), time.process_time() - self.processor_seconds
            while not self.stopped and self._spent < self._budget:
                spent, number = self._spent, self.steps_done // updates
                left = updates if self._total is None else self._total - self.steps_done
                rng, seed = _randomness(self.recipe.seed, number)
                torch.manual_seed(seed + self.team.rank)  # dropout
                generator = torch.Generator(self.device).manual_seed(seed)
                yield Step(number, rng, generator, min(updates, left))
                self.seconds = self.team.largest(before + time.perf_counter() - started)
                self.processor_seconds = time.process_time() - worked
                self._bar.advance(self._spent - spent)
                self.stopped = bool(self.team.largest(stop.requested))
                if self.stopped or self.steps_done - saved >= self.recipe.checkpoint.every_steps:
                    self._save()
                    saved = self.steps_done
            if saved < self.steps_done:
                self._save()
        self.embedder.backbone.eval()
        if self._library is not None and self._library.truncated:
            longest = self.embedder.processor.settings.max_text
            self.say(f"{self._library.truncated} of the texts read were cut to {longest} tokens.")

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
        for parameter in self._common if not self.team.leads else ():
            parameter.grad = None  # one of them counts
        self.team.add_gradients(each for each in self._trained.values() if not is_spread(each))
        norm = clip_gradients(self._trained.values(), self.recipe.optimizer.clip_norm, self.team)
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

    def prepare(
        self,
        items: Callable[[], Iterable[tuple[str, Item]]],
        captions: Mapping[str, str] | None,
        prompt: Prompt | None = None,
    ) -> PreparedItems:
        """Go through the run's items, with a bar, and look at their pictures where all fit into memory.

        Args:
            items: gives keys and items, each time anew.
            captions: what is read after each item; None where nothing is, or where the model is to write it.
            prompt: what their turns end with; the recipe's extraction by default.
        """
        self._library = library = PreparedItems(self.embedder, prompt or self.recipe.extraction, captions)
        memory = self.recipe.data.picture_memory
        with self.progress("going through the items", None) as tick:
            pictures = library.survey(_counted(items(), tick), memory * 2**30)
        if pictures is None:
            self.say(f"The pictures need more than {memory:g} GiB (data.picture_memory): each step looks at its own.")
            return library
        with self.progress("pictures", len(pictures)) as tick:
            library.look(pictures, tick)
        return library

    def data(self) -> tuple[MBeir, list[TaskName]]:
        """The data root and the tasks of the recipe, after a look at every row and picture of theirs.

        Raises:
            DataErrors: every bad row, unless the recipe skips them (then they are counted and said).
            InputError: no task fits.
        """
        data = self.recipe.data
        return self.open(data.split, data.datasets, data.kept_tasks())

    def open(self, split: str, datasets: Sequence[str], tasks: Sequence[int] = ()) -> tuple[MBeir, list[TaskName]]:
        """As `data`, of another split of the recipe's data root; all data sets and tasks where none are named."""
        data = self.recipe.data
        with self.progress("checking rows and pictures", None) as tick:
            opened, names, skipped = open_tasks(
                data.folder(),
                split,
                datasets,
                tasks,
                skip_bad_rows=data.skip_bad_rows,
                check_images=data.check_images,
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
        state = self._optimizer.state_dict()
        tensors = gathered({**self._trained, **self._kept}, self.team)
        moments = {number: gathered(entries, self.team) for number, entries in state["state"].items()}
        self.embedder.features.save()
        if self._log is None:  # one process writes
            return
        save_checkpoint(
            self._checkpoints,
            tensors=tensors,
            optimizer={**state, "state": moments},
            progress=Progress(self.steps_done, self.seconds, self._log.settle(), self.processor_seconds),
            recipe=self.recipe,
            inputs=self._inputs,
        )


def _randomness(seed: int, step: int) -> tuple[np.random.Generator, int]:
    rng = np.random.default_rng([seed, step])
    return rng, int(rng.integers(2**62))


def _counted(items: Iterable[tuple[str, Item]], tick: Callable[[int], None]) -> Iterator[tuple[str, Item]]:
    for number, item in enumerate(items, 1):
        yield item
        if number % COUNTED_AT_ONCE == 0:
            tick(COUNTED_AT_ONCE)


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
        {"params": [p for p in parameters if is_spread(p) == spread and (p.ndim >= 2) == matrix], "weight_decay": decay}
        for spread in (False, True)  # the two kinds can't be updated in one call
        for matrix, decay in ((True, optimizer.weight_decay), (False, 0.0))
    ]
    used = [group for group in groups if group["params"]]
    return torch.optim.AdamW(used, lr=optimizer.lr, betas=optimizer.betas, fused=True)
