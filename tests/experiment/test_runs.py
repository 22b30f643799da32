"""The jobs of one data set: what is measured again, and what goes into them."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from elva.errors import InputError
from elva.experiment.laboratory import Choice, run_experiment
from elva.experiment.loading import load_plan
from elva.experiment.pace import write_pace
from elva.experiment.runs import Runs, Where
from elva.jobs import Job, Runner
from experiment.small import plan_row, written


def measurement(folder: Path, inputs: Mapping[str, str]) -> Job | None:
    """The job that measures paces, if there is one to be."""
    plan = load_plan(written(folder, plan_row()))[1]
    where = Where("world", folder / "world", "tiny-base", folder, inputs)
    runs = Runs(plan, where, {"more": plan.arms["more"]}, [0], Runner(folder, Console(quiet=True), {}))
    return next((job for job in runs.jobs() if job.name == "world pace"), None)


def test_a_pace_is_of_the_base_and_data_it_was_measured_with(tmp_path: Path) -> None:
    first = measurement(tmp_path, {"base of world": "1"})
    assert first is not None and first.then is not None
    write_pace(first.leaves, {"more": [0.1]})
    first.then()
    assert measurement(tmp_path, {"base of world": "1"}) is None
    other = measurement(tmp_path, {"base of world": "2"})
    assert other is not None and other.leaves != first.leaves


def test_what_goes_into_a_job_does_not_depend_on_which_other_data_are_chosen(tmp_path: Path) -> None:
    def fails(command: Sequence[str], log: Path) -> int:
        return os.fork() or os._exit(1)

    def made_from(data: Sequence[str]) -> Any:
        with pytest.raises(InputError, match="job 'world world' failed"):
            run_experiment(plan, tmp_path / "lab", tmp_path / "results", Choice(data=data), start=fails)
        return json.loads((tmp_path / "lab/logs/world-world.done").read_text())["made_from"]

    row = plan_row()
    row["data"]["other"] = row["data"]["world"]
    plan = written(tmp_path, row)
    alone = made_from(["world"])
    assert "base of world" in alone
    assert made_from(["world", "other"]) == alone
