"""`elva train`: what it says when a model is there."""

from __future__ import annotations

from pathlib import Path

from typer.testing import CliRunner

from elva.cli.app import app
from questioned import save, taught_row
from smallest import smallest_embedder


def test_a_model_that_learned_to_answer_is_to_be_judged_by_its_answers(tmp_path: Path) -> None:
    root = save(tmp_path / "root", "training_with_cot_6k", [taught_row(number) for number in range(2)])
    smallest_embedder().save(tmp_path / "start")
    settings = [
        f"data.root={root}",
        f"model.path={tmp_path / 'start'}",
        "budget.steps=1",
        "answer.questions_per_step=2",
    ]
    told = CliRunner().invoke(app, ["train", "reasoning/sft", *settings, "--out", str(tmp_path / "run")])
    assert told.exit_code == 0, told.output
    assert f"elva evaluate seed-bench-r1 {root} --model {tmp_path / 'run/model'}" in told.output
