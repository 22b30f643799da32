"""The jobs that judge the runs of an experiment, and the record that each leaves."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from elva.analysis.records import Record, write_record
from elva.experiment.collect import answers, judgement, training
from elva.experiment.placeholders import command_words, places
from elva.experiment.plan import Arm
from elva.experiment.runs import Runs
from elva.jobs import Job, digest_of
from elva.model.embedder import checkpoint_folder


class Judging:
    """What is judged on one data set.

    Args:
        runs: what was trained there.
        experiment: its name.
        results: the folder that gets the records.
    """

    def __init__(self, runs: Runs, experiment: str, results: Path) -> None:
        self._runs, self._experiment, self._results = runs, experiment, results
        self._data = runs.plan.data[runs.where.data]

    def jobs(self) -> Iterator[Job]:
        """One per run; its record is written as soon as it is done."""
        for seed in self._runs.seeds:
            for name, arm in self._runs.arms.items():
                yield self._reference(name, arm, seed) if arm.command else self._evaluation(name, arm, seed)

    def _evaluation(self, name: str, arm: Arm, seed: int) -> Job:
        runs = self._runs
        needs = (runs.job_name(name, seed),) if arm.trains else runs.start_needs(seed)
        out = self._evaluation_folder(name, seed)

        def command() -> list[str]:
            model = str(runs.folder(name, seed) / "model") if arm.trains else runs.model(name, seed)
            judge, root = self._data.judge, runs.where.root
            places = ["--image-cache", str(runs.where.cache), "--out", str(out)]
            if judge.questions is not None:
                return ["evaluate", "seed-bench-r1", str(root / judge.questions), "--model", model, *places]
            chosen = [word for dataset in judge.datasets for word in ("--dataset", dataset)]
            chosen += [word for task in judge.tasks for word in ("--task", str(task))]
            return ["evaluate", "mbeir", str(root), "--split", judge.split, *chosen, "--model", model, *places]

        return Job(self._name(name, seed), command, needs, out / "results.json", then=self._then(name, seed))

    def _reference(self, name: str, arm: Arm, seed: int) -> Job:
        """A command that leaves an evaluation by itself."""
        runs, out, told = self._runs, self._evaluation_folder(name, seed), arm.command or ""
        command = command_words(told, {**runs.values(seed), "out": str(out)}, self._data.words or {})
        used = [place for place in places(told) if place in runs.plan.preparations]
        needs = (*runs.start_needs(seed), *runs.preparation_names([*used, *arm.uses], seed))
        return Job(self._name(name, seed), lambda: command, needs, out / "results.json", then=self._then(name, seed))

    def _then(self, name: str, seed: int) -> partial[None]:
        return partial(self._write, name, seed)

    def _write(self, name: str, seed: int) -> None:
        write_record(self._results, self.record(name, seed))

    def record(self, name: str, seed: int) -> Record:
        """What is known of a run that is done and judged.

        Raises:
            InputError: what it left is damaged.
        """
        runs, arm, data = self._runs, self._runs.arms[name], self._runs.where.data
        assert arm.role is not None  # the plan was checked
        told: dict[str, Any] = {"updates": 0, "seconds": 0.0, "curve": ()}
        if arm.trains:
            told = training(runs.folder(name, seed))
        preparation = runs.preparation_seconds(name, seed)
        told["seconds"] = round(float(told["seconds"]) + preparation, 2)
        return Record(
            experiment=self._experiment,
            data=data,
            arm=name,
            role=arm.role,
            default=arm.default,
            seed=seed,
            start=digest_of(checkpoint_folder(runs.start(seed)))[:16],
            preparation_seconds=round(preparation, 2),
            seconds_per_update=runs.paces[name] if arm.paced else None,
            budget_seconds=runs.plan.budget(data) if arm.paced else None,
            recipe=runs.recipe(name),
            settings=(*runs.settings(name), *(f"elva.json {each}" for each in runs.read(name))),
            **told,
            **self._judgement(self._evaluation_folder(name, seed)),
        )

    def _judgement(self, evaluation: Path) -> dict[str, Any]:
        return answers(evaluation) if self._data.judge.questions else judgement(self._runs.where.root, evaluation)

    def _evaluation_folder(self, name: str, seed: int) -> Path:
        return self._runs.folder(name, seed) / "evaluation"

    def _name(self, arm: str, seed: int) -> str:
        return f"{self._runs.job_name(arm, seed)} judged"
