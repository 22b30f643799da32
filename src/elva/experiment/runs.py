"""The jobs of an experiment on one data set: data, start checkpoints, preparations, paces, and every run.

world -> captions -> start 1, 2 -> negatives -> pace -> elva -> evaluated -> record
`-------------------------------^ the start itself
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from elva import __version__
from elva.analysis.records import POINTS
from elva.data.writing import write_lines
from elva.experiment.budget import Paces, charged, updates_within
from elva.experiment.pace import read_pace
from elva.experiment.placeholders import command_words, filled, needed, places
from elva.experiment.plan import Arm, Plan, Stage, World
from elva.experiment.plan_checks import of_budget
from elva.experiment.reading import read_otherwise
from elva.jobs import Job, Runner
from elva.model.embedder import checkpoint_folder
from elva.training.recipe import Recipe, chosen_settings, dump_recipe, load_recipe


@dataclass(frozen=True, slots=True)
class Where:
    """One data set of an experiment, on this machine.

    Attributes:
        data: its name in the plan.
        root: the data folder.
        base: the checkpoint that the start is made from.
        home: the folder of everything that is made for it.
        inputs: digests of the base, and of the root where it is given.
    """

    data: str
    root: Path
    base: str
    home: Path
    inputs: Mapping[str, str]

    @property
    def cache(self) -> Path:
        """The folder that keeps visual tokens between jobs."""
        return self.home / "cache"


class Runs:
    """What is run on one data set.

    Args:
        plan: the experiment.
        where: the data set.
        arms: those that run.
        seeds: the training seeds.
        runner: knows what preparations took.
    """

    def __init__(self, plan: Plan, where: Where, arms: Mapping[str, Arm], seeds: Sequence[int], runner: Runner) -> None:
        self.plan, self.where, self.arms, self.seeds = plan, where, dict(arms), seeds
        self._runner, self._data = runner, plan.data[where.data]
        self._words = self._data.words or {}
        self._commands = {name: each.command for name, each in plan.preparations.items()}
        self.paces = Paces(where.home / "pace.json")

    def jobs(self) -> Iterator[Job]:
        """All of them but for `elva evaluate`, those that come first first."""
        if self._data.world is not None:
            yield self._world(self._data.world)
        uses = [*(each for stage in self._data.start for each in stage.uses), *self._uses()]
        for name in needed(uses, self._commands):
            if not self._is_per_seed(name):
                yield self._preparation(name, self.seeds[0])
        for seed in self.seeds:
            yield from self._starts(seed)
            yield from (
                self._preparation(name, seed)
                for name in needed(self._uses(), self._commands)
                if self._is_per_seed(name)
            )
        yield from self._pace()
        for seed in self.seeds:
            yield from (self._training(name, seed) for name, arm in self.arms.items() if arm.trains)

    # -- what all runs share -------------------------------------------------------------------------------------

    def _uses(self) -> list[str]:
        given = [each for arm in self.arms.values() for each in arm.uses]
        mentioned = [place for arm in self.arms.values() if arm.command for place in places(arm.command)]
        return [*given, *(each for each in mentioned if each in self._commands)]

    def _world(self, world: World) -> Job:
        root = self.where.root
        command = ["world", str(root), "--seed", str(world.seed), "--size", world.size]
        command += ["--questions"] if world.questions else []
        return Job(self._name("world"), lambda: command, (), root / "grains.json", root)

    def _starts(self, seed: int) -> Iterator[Job]:
        model = self.where.base
        for number, stage in enumerate(self._data.start, 1):
            folder = self._seed_folder(seed) / f"start-{number}"
            command = self._train(stage, stage.recipe, stage.settings, model, seed, folder)
            name = self._name(f"start {number}", seed)
            before = (self._name(f"start {number - 1}", seed),) if number > 1 else self._root_needs()
            needs = (*before, *self.preparation_names(stage.uses, seed))
            yield Job(name, lambda command=command: command, needs, folder / "model" / "config.json", folder)  # type: ignore[misc]
            model = str(folder / "model")

    def _preparation(self, name: str, seed: int) -> Job:
        own = needed([name], self._commands)[:-1]
        needs = self.start_needs(seed) if self._is_per_seed(name) else self._root_needs()
        out = self.prepared(name, seed)
        values = {**self.values(seed), "out": str(out)}
        command = command_words(self._commands[name], values, self._words)
        needs = (*needs, *self.preparation_names(own, seed))
        return Job(self._preparation_name(name, seed), lambda: command, needs, out)

    def start_needs(self, seed: int) -> tuple[str, ...]:
        """The jobs that must be done for the start checkpoint to be there."""
        last = len(self._data.start)
        return (self._name(f"start {last}", seed),) if last else self._root_needs()

    def start(self, seed: int) -> str:
        """The start checkpoint of a seed."""
        last = len(self._data.start)
        return str(self._seed_folder(seed) / f"start-{last}" / "model") if last else self.where.base

    def values(self, seed: int) -> dict[str, str]:
        """What the placeholders of a command stand for, but for {out}."""
        given = {
            "root": str(self.where.root),
            "base": self.where.base,
            "start": self.start(seed),
            "seed": str(seed),
            "cache": str(self.where.cache),
        }
        return given | {name: str(self.prepared(name, seed)) for name in self._commands}

    def prepared(self, name: str, seed: int) -> Path:
        """The file of a preparation."""
        home = self._seed_folder(seed) if self._is_per_seed(name) else self.where.home
        return home / "prepared" / (self.plan.preparations[name].file or f"{name}.jsonl")

    def _is_per_seed(self, name: str) -> bool:
        used = needed([name], self._commands)
        return any(place in ("start", "seed") for each in used for place in places(self._commands[each]))

    # -- the runs ------------------------------------------------------------------------------------------------

    def folder(self, arm: str, seed: int) -> Path:
        """What a run leaves."""
        return self._seed_folder(seed) / "arms" / arm

    def _training(self, name: str, seed: int) -> Job:
        arm, folder = self.arms[name], self.folder(name, seed)
        needs = (*self.start_needs(seed), *self.preparation_names(needed(arm.uses, self._commands), seed))

        def command() -> list[str]:
            return self._train_arm(name, seed, self.updates(name, seed), folder)

        after = (self._name("pace"),) if arm.paced and self._unmeasured() else ()
        return Job(self.job_name(name, seed), command, needs, folder / "model" / "config.json", folder, after=after)

    def updates(self, name: str, seed: int) -> int:
        """How many an arm makes: those it names, or what the budget leaves; InputError where that is nothing."""
        if (fixed := self.arms[name].updates) is not None:
            return fixed
        budget = self.plan.budget(self.where.data)
        return updates_within(budget, self.preparation_seconds(name, seed), self.paces[name])

    def preparation_seconds(self, name: str, seed: int) -> float:
        """What an arm is charged for its preparations, once they are done."""
        own = charged(self.plan, self.where.data, self.arms[name])
        return sum(self._runner.cpu_seconds(self._preparation_name(each, seed)) for each in own)

    def model(self, name: str, seed: int) -> str:
        """The start checkpoint as an arm reads it; a copy is made where it reads otherwise."""
        start, pairs = self.start(seed), self.read(name)
        if not pairs:
            return start
        return str(read_otherwise(checkpoint_folder(start), self._seed_folder(seed) / "read" / name, pairs))

    def recipe(self, name: str) -> str:
        """The recipe that an arm trains; empty where it trains none."""
        return filled(self.arms[name].recipe or "", self._words)

    def settings(self, name: str) -> list[str]:
        """An arm's own settings, those of its data before them."""
        arm = self.arms[name]
        given = (*self._data.settings, *arm.settings) if arm.trains else ()
        return [filled(each, self._words) for each in given]

    def read(self, name: str) -> list[str]:
        """What an arm changes in the start checkpoint's elva.json."""
        return [filled(each, self._words) for each in self.arms[name].read]

    def _train_arm(self, name: str, seed: int, updates: int, folder: Path) -> list[str]:
        arm = self.arms[name]
        lines = f"log.every_steps={math.ceil(updates / POINTS)}"  # as many as the curve of a record holds
        settings = (*arm.settings, *of_budget(updates), lines)
        return self._train(arm, arm.recipe or "", settings, self.model(name, seed), seed, folder)

    def _train(
        self, given_by: Arm | Stage, recipe: str, settings: Sequence[str], model: str, seed: int, folder: Path
    ) -> list[str]:
        own = [filled(each, self._words) for each in (*self._data.settings, *settings)]
        given = [
            f"data.root={self.where.root / given_by.below}",
            f"data.image_cache={self.where.cache}",
            f"model.path={model}",
            f"seed={seed}",
        ]
        given += [f"{self.plan.preparations[each].setting}={self.prepared(each, seed)}" for each in given_by.uses]
        return ["train", filled(recipe, self._words), *own, *given, "--out", str(folder), "--resume"]

    # -- paces ---------------------------------------------------------------------------------------------------

    def _resolved(self, name: str, seed: int, model: str) -> Recipe:
        arm = self.arms[name]
        settings = (*arm.settings, *of_budget(1))
        command = self._train(arm, arm.recipe or "", settings, model, seed, Path())
        return load_recipe(command[1], command[2 : command.index("--out")])

    @cached_property
    def _digests(self) -> dict[str, str]:
        """Arm -> digest of its recipe and of what it starts from, the same whichever seeds run."""
        digests = {}
        for name, arm in self.arms.items():
            if arm.paced:
                recipe = self._resolved(name, self.plan.seeds[0], self.start(self.plan.seeds[0]))
                told = f"{__version__} {dict(self.where.inputs)} {chosen_settings(recipe)} {self.read(name)}"
                digests[name] = hashlib.sha256(told.encode()).hexdigest()[:16]
        return digests

    def _unmeasured(self) -> list[str]:
        return self.paces.unknown(self._digests)

    def _pace(self) -> Iterator[Job]:
        """The measurement of those that have no pace yet, beside one that has."""
        digests, fresh = self._digests, self._unmeasured()
        if not fresh:
            return
        anchor, seed = self.paces.anchor(digests), self.seeds[0]
        measured = [*([anchor] if anchor else []), *fresh]
        folder = self.where.home / "pace"
        told = hashlib.sha256("".join(digests[name] for name in measured).encode()).hexdigest()[:8]
        out = folder / f"measured-{told}.json"
        uses = needed([each for name in measured for each in self.arms[name].uses], self._commands)

        def command() -> list[str]:
            files = [folder / name / "recipe.yaml" for name in measured]
            for name, file in zip(measured, files, strict=True):
                recipe = self._resolved(name, seed, self.model(name, seed))
                write_lines(file, [dump_recipe(recipe).rstrip()])
            return ["pace", *map(str, files), "--out", str(out)]

        after = (*self.start_needs(seed), *self.preparation_names(uses, seed))

        def then() -> None:
            self.paces.add(read_pace(out), digests, anchor)

        yield Job(self._name("pace"), command, (), out, after=after, alone=True, then=then)

    # -- names and places ----------------------------------------------------------------------------------------

    def job_name(self, arm: str, seed: int) -> str:
        """The job of a run."""
        return self._name(arm, seed)

    def _name(self, what: str, seed: int | None = None) -> str:
        return f"{self.where.data} {what}" if seed is None else f"{self.where.data} s{seed} {what}"

    def _root_needs(self) -> tuple[str, ...]:
        return (self._name("world"),) if self._data.world is not None else ()

    def _preparation_name(self, name: str, seed: int) -> str:
        return self._name(f"prepare {name}", seed if self._is_per_seed(name) else None)

    def preparation_names(self, names: Sequence[str], seed: int) -> tuple[str, ...]:
        """The jobs of preparations, and of those that they need."""
        return tuple(self._preparation_name(each, seed) for each in needed(names, self._commands))

    def _seed_folder(self, seed: int) -> Path:
        return self.where.home / f"seed-{seed}"
