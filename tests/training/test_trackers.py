"""What `log.to` names gets the lines of metrics.jsonl: TensorBoard itself, and stand-ins for what talks to a server."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from elva.errors import MissingExtra, RecipeError
from elva.training.progress import MetricsLog
from elva.training.recipe import Budget, Contrast, Data, Log, Model, Optimizer, Recipe, load_recipe
from elva.training.run import train
from elva.training.trackers import open_trackers
from smallest import smallest_embedder

STAND_IN = """
import json, pathlib
FILE = pathlib.Path(__file__).with_suffix(".jsonl")

def keep(**row):
    with FILE.open("a") as file:
        file.write(json.dumps(row) + "\\n")

class Run:
    def log(self, values, step):
        keep(step=step, **values)

    def finish(self):
        keep(finished=True)

def init(**options):
    keep(**options)
    return Run()
"""


@pytest.fixture(params=["wandb", "trackio"])
def stand_in(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The name of a package that writes down how it is called, and a function that reads that."""
    name = request.param
    (tmp_path / "packages").mkdir()
    (tmp_path / "packages" / f"{name}.py").write_text(STAND_IN)
    monkeypatch.syspath_prepend(tmp_path / "packages")
    monkeypatch.delitem(sys.modules, name, raising=False)
    calls = tmp_path / "packages" / f"{name}.jsonl"
    return name, lambda: [json.loads(line) for line in calls.read_text().splitlines()]


def recipe(to: tuple[Any, ...], **changes: Any) -> Recipe:
    values: dict[str, Any] = {"stage": "contrast", "name": "mine", "log": Log(to=to, every_steps=1, project="lab")}
    return Recipe(**{**values, "budget": Budget(steps=2), "optimizer": Optimizer(lr=1e-3), **changes})


def scalars(run: Path) -> dict[str, list[tuple[int, float]]]:
    events = EventAccumulator(str(run / "tensorboard"))
    events.Reload()
    return {name: [(each.step, each.value) for each in events.Scalars(name)] for name in events.Tags()["scalars"]}


def test_tensorboard_shows_the_lines_that_were_written(tmp_path: Path) -> None:
    trackers = open_trackers(recipe(("tensorboard",)), tmp_path, 0)
    with MetricsLog(tmp_path / "metrics.jsonl", every=2, trackers=trackers) as log:
        for step in range(4):
            log.write(step, step, {"loss": step / 2, "reward/total": math.nan if step == 2 else -1.0})
    shown = scalars(tmp_path)
    assert shown == {"loss": [(0, 0.0), (2, 1.0), (3, 1.5)], "reward/total": [(0, -1.0), (3, -1.0)]}


def test_tensorboard_hides_the_steps_that_a_resumed_run_does_again(tmp_path: Path) -> None:
    for first, loss in ((0, 1.0), (2, 5.0)):
        trackers = open_trackers(recipe(("tensorboard",)), tmp_path, first)
        with MetricsLog(tmp_path / "metrics.jsonl", first, trackers=trackers) as log:
            for step in range(first, 4):
                log.write(step, step, {"loss": loss})
    assert scalars(tmp_path) == {"loss": [(0, 1.0), (1, 1.0), (2, 5.0), (3, 5.0)]}


def test_a_service_gets_project_settings_and_numbers(stand_in: Any, tmp_path: Path) -> None:
    name, calls = stand_in
    trackers = open_trackers(recipe((name, name)), tmp_path, 0)
    with MetricsLog(tmp_path / "metrics.jsonl", trackers=trackers) as log:
        log.write(0, 0.0, {"loss": 0.5, "norm": math.inf})
    begun, *rest = calls()
    assert (begun["project"], begun["config"]["optimizer"]["lr"]) == ("lab", 1e-3)
    assert begun["name"].startswith("mine-")
    assert rest == [{"step": 0, "loss": 0.5}, {"finished": True}], "named twice, opened once"


def test_a_resumed_run_is_the_same_run_to_a_service_and_a_new_one_another(stand_in: Any, tmp_path: Path) -> None:
    name, calls = stand_in
    for run in ("a", "a", "b"):
        (tmp_path / run).mkdir(exist_ok=True)
        open_trackers(recipe((name,)), tmp_path / run, 0)
    first, again, other = [call["name"] for call in calls()]
    assert first == again != other
    assert {call["resume"] for call in calls()} == {"allow"}
    assert [call.get("id") for call in calls()] == (
        [None] * 3 if name == "trackio" else [first[5:], first[5:], other[5:]]
    )


def test_a_training_writes_to_all_that_its_recipe_names(stand_in: Any, world: Path, tmp_path: Path) -> None:
    name, calls = stand_in
    smallest_embedder().save(tmp_path / "base")
    wanted = recipe(
        ("tensorboard", name),
        data=Data(root=str(world), datasets=("world",)),
        model=Model(path=str(tmp_path / "base")),
        contrast=Contrast(batch_size=2),
        extraction="one_word",
    )
    train(wanted, tmp_path / "run")
    lines = [json.loads(line) for line in (tmp_path / "run/metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [0, 1]
    assert scalars(tmp_path / "run")["loss"] == [(line["step"], pytest.approx(line["loss"])) for line in lines]
    assert [call["loss"] for call in calls()[1:-1]] == [line["loss"] for line in lines]
    assert calls()[-1] == {"finished": True}


@pytest.mark.parametrize("name", ["tensorboard", "trackio", "wandb"])
def test_what_is_not_installed_is_said_before_any_work(
    name: str, world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingExtra, match=rf'pip install "elva-retrieval\[{name}\]"'):
        train(recipe((name,), data=Data(root=str(world))), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_recipe_names_trackers_that_exist() -> None:
    loaded = load_recipe("tiny/stage1", ["log.to=[tensorboard, wandb]"])
    assert loaded.log.to == ("tensorboard", "wandb")
    with pytest.raises(RecipeError, match=r"log\.to\[0\] is 'mlflow'; expected one of tensorboard, trackio, wandb"):
        load_recipe("tiny/stage1", ["log.to=[mlflow]"])


def test_nothing_is_opened_unless_named(tmp_path: Path) -> None:
    assert open_trackers(recipe(()), tmp_path, 0) == []
    assert not list(tmp_path.iterdir())
