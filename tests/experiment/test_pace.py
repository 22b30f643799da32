"""Paces: a step of each in turn, the first round dropped, what a step costs divided by its updates."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from chain import STAGE3, Chain
from elva.cli.app import app
from elva.experiment import pace
from elva.experiment.pace import measure, read_pace
from elva.training.recipe import Budget, Optimizer, Recipe, dump_recipe, load_recipe

RECIPE = Recipe(stage="contrast", budget=Budget(steps=1), optimizer=Optimizer(lr=1e-3))


def test_each_takes_a_turn_and_a_step_s_seconds_are_shared_by_its_updates(monkeypatch: pytest.MonkeyPatch) -> None:
    now, order, closed = [0.0], list[str](), list[str]()

    def steps(recipe: Recipe, out: Path) -> Generator[int, None, None]:
        seconds, made = (1.0, 1) if out.name == "plain" else (6.0, 2)
        now[0] += 100  # loading
        try:
            while True:
                now[0] += seconds
                order.append(out.name)
                yield made
        finally:
            closed.append(out.name)

    monkeypatch.setattr(pace, "updates", steps)
    taken = measure({"plain": RECIPE, "double": RECIPE}, rounds=4, clock=lambda: now[0])
    assert taken == {"plain": [1.0, 1.0, 1.0], "double": [3.0, 3.0, 3.0]}
    assert order == ["plain", "double", "double", "plain"] * 2
    assert closed == ["double", "plain"], "the last one to take over the signals gives them back first"


def test_a_loop_that_was_asked_to_stop_ends_the_measurement(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace, "updates", lambda recipe, out: (each for each in (1, 1)))
    with pytest.raises(KeyboardInterrupt):
        measure({"a": RECIPE}, rounds=3)


def test_the_command_measures_recipe_files(chain: Chain, tmp_path: Path) -> None:
    for name, row in {
        "more": ["tiny/more_stage2", chain.captions, "budget.seconds=null"],
        "elva": ["tiny/elva", chain.captions, chain.negatives, *STAGE3],
    }.items():
        recipe = load_recipe(row[0], chain.settings(chain.model("stage2"), *row[1:]))
        (tmp_path / name).mkdir()
        (tmp_path / name / "recipe.yaml").write_text(dump_recipe(recipe))
    files = [str(tmp_path / name / "recipe.yaml") for name in ("more", "elva")]
    done = CliRunner().invoke(app, ["pace", *files, "--rounds", "3", "--out", str(tmp_path / "pace.json")])
    assert done.exit_code == 0, done.output
    taken = read_pace(tmp_path / "pace.json")
    assert {name: len(seconds) for name, seconds in taken.items()} == {"more": 2, "elva": 2}
    assert all(0.001 < each < 10 for seconds in taken.values() for each in seconds)
    assert "elva: 0." in done.output
