"""The frame of every stage: schedule, optimiser, steps, log, stopping."""

from __future__ import annotations

import json
import math
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from elva.errors import CheckpointError, TrainingError
from elva.items import Item
from elva.model.embedder import Embedder
from elva.training import checkpoint
from elva.training.checkpoint import latest_checkpoint, load_checkpoint
from elva.training.recipe import Budget, Log, Optimizer, Recipe, Saving
from elva.training.session import Session, make_optimizer, schedule


def recipe(steps: int = 4, **changes: Any) -> Recipe:
    values: dict[str, Any] = {
        "stage": "contrast",
        "budget": Budget(steps=steps),
        "optimizer": Optimizer(lr=1e-3),
        "log": Log(every_steps=1),
        "checkpoint": Saving(every_steps=2),
    }
    return Recipe(**{**values, **changes})


def open_session(embedder: Embedder, out: Path, wanted: Recipe | None = None, resume: bool = False) -> Session:
    embedder.backbone.open_training("language_model")
    return Session(wanted or recipe(), embedder, out, {}, resume)


def learn(session: Session, gradient: float = 0.01) -> None:
    for parameter in session.embedder.backbone.trainable_parameters().values():
        parameter.grad = torch.full_like(parameter, gradient)
    session.update({"loss": 1.0})


def rows(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]


# -- learning rate -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "share", "expected"),
    [
        ("cosine", 0.1, 1.0),
        ("cosine", 0.55, 0.5),
        ("cosine", 1.0, 0.0),
        ("cosine", 0.325, 0.5 * (1 + math.cos(math.pi / 4))),
        ("linear", 0.1, 1.0),
        ("linear", 0.55, 0.5),
        ("linear", 1.0, 0.0),
        ("constant", 0.1, 1.0),
        ("constant", 1.0, 1.0),
    ],
)
def test_the_rate_falls_after_the_warm_up(kind: str, share: float, expected: float) -> None:
    optimizer = Optimizer(lr=1.0, warmup=0.1, schedule=kind)
    assert schedule(share, optimizer) == pytest.approx(expected)


def test_the_rate_rises_in_the_warm_up_and_is_never_0_in_it() -> None:
    optimizer = Optimizer(lr=1.0, warmup=0.1)
    assert schedule(0.05, optimizer) == pytest.approx(0.5)
    assert schedule(0.0, optimizer) == pytest.approx(0.01)
    shares = [schedule(share, optimizer) for share in np.linspace(0, 0.1, 20, endpoint=False)]
    assert shares == sorted(shares)


@pytest.mark.parametrize("warmup", [0.0, 1.0])
def test_no_warm_up_and_nothing_else_are_allowed(warmup: float) -> None:
    optimizer = Optimizer(lr=1.0, warmup=warmup)
    assert all(0.0 <= schedule(share, optimizer) <= 1.0 for share in np.linspace(0, 1, 21))
    assert schedule(warmup, optimizer) == pytest.approx(1.0)


def test_matrices_decay_and_the_rest_does_not() -> None:
    matrix, bias = torch.nn.Parameter(torch.ones(2, 2)), torch.nn.Parameter(torch.ones(2))
    groups = make_optimizer([matrix, bias], Optimizer(lr=1e-3, weight_decay=0.3)).param_groups
    assert [(group["weight_decay"], len(group["params"])) for group in groups] == [(0.3, 1), (0.0, 1)]
    assert groups[0]["params"][0] is matrix


# -- steps -------------------------------------------------------------------------------------------------------


def test_a_budget_of_steps_gives_so_many(embedder: Embedder, tmp_path: Path) -> None:
    session = open_session(embedder, tmp_path)
    numbers = []
    for step in session.steps(steps_per_epoch=100):
        numbers.append(step.number)
        assert embedder.backbone.training
        learn(session)
    assert numbers == [0, 1, 2, 3]
    assert not embedder.backbone.training
    assert (session.steps_done, session.stopped) == (4, False)
    assert session.seconds > 0
    assert [row["step"] for row in rows(tmp_path)] == numbers
    assert all({"loss", "lr", "gradient_norm", "seconds"} <= row.keys() for row in rows(tmp_path))


@pytest.mark.parametrize(("epochs", "expected"), [(2.0, 6), (0.5, 2), (0.01, 1)])
def test_a_budget_of_epochs_gives_their_steps(embedder: Embedder, tmp_path: Path, epochs: float, expected: int) -> None:
    session = open_session(embedder, tmp_path, recipe(budget=Budget(epochs=epochs)))
    for _ in session.steps(steps_per_epoch=3):
        learn(session)
    assert session.steps_done == expected


def test_a_budget_of_seconds_ends_by_the_clock(embedder: Embedder, tmp_path: Path) -> None:
    session = open_session(embedder, tmp_path, recipe(budget=Budget(seconds=0.2)))
    rates = []
    for _ in session.steps(steps_per_epoch=3):
        learn(session)
        rates.append(rows(tmp_path)[-1]["lr"])
    assert session.seconds >= 0.2
    assert session.steps_done >= 1
    assert max(rates) <= 1e-3


def test_lines_are_written_where_they_are_due(embedder: Embedder, tmp_path: Path) -> None:
    session = open_session(embedder, tmp_path, recipe(6, log=Log(every_steps=2)))
    for _ in session.steps(1):
        learn(session)
    assert [row["step"] for row in rows(tmp_path)] == [0, 2, 4, 5], "and the last one"


def test_what_is_drawn_depends_on_seed_and_step_alone(embedder: Embedder, tmp_path: Path) -> None:
    def drawn(out: str, seed: int, noise: int) -> list[tuple[int, float]]:
        session = open_session(embedder, tmp_path / out, recipe(seed=seed))
        found = []
        for step in session.steps(1):
            np.random.seed(noise), torch.manual_seed(noise)
            found.append((int(step.rng.integers(10**9)), float(torch.rand((), generator=step.generator))))
            learn(session)
        return found

    first = drawn("a", seed=1, noise=0)
    assert first == drawn("b", seed=1, noise=9)
    assert first != drawn("c", seed=2, noise=0)
    assert len(set(first)) == len(first)


def test_the_gradient_is_clipped_and_its_norm_logged(embedder: Embedder, tmp_path: Path) -> None:
    session = open_session(embedder, tmp_path, recipe(1, optimizer=Optimizer(lr=1e-3, clip_norm=0.5)))
    count = sum(p.numel() for p in embedder.backbone.trainable_parameters().values())
    for _ in session.steps(1):
        learn(session)
    norm = 0.01 * count**0.5
    assert norm > 0.5, "there is something to clip"
    assert rows(tmp_path)[0]["gradient_norm"] == pytest.approx(norm, rel=1e-3)
    checkpoint = load_checkpoint(tmp_path / "checkpoints" / "step-000001", session.recipe, {})
    averages = [entry["exp_avg"] for entry in checkpoint.optimizer["state"].values()]
    used = torch.cat([average.flatten() for average in averages]) / (1 - session.recipe.optimizer.betas[0])
    assert float(used.norm()) == pytest.approx(0.5, rel=1e-3), "what the optimiser was given"


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_gradient_that_is_not_finite_ends_the_run_and_spoils_nothing(
    embedder: Embedder, tmp_path: Path, value: float
) -> None:
    session = open_session(embedder, tmp_path, recipe(9))
    trained = embedder.backbone.trainable_parameters()
    message = r"step 3: the gradient has norm .*step-000002 is the newest .*optimizer\.lr \(it is 0\.001\)"
    with pytest.raises(TrainingError, match=message):
        for step in session.steps(1):
            before = {name: parameter.detach().clone() for name, parameter in trained.items()}
            learn(session, gradient=value if step.number == 3 else 0.01)
    assert all(torch.equal(trained[name], before[name]) for name in before)
    assert [row["step"] for row in rows(tmp_path)] == [0, 1, 2]
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["step-000002"]
    resumed = open_session(embedder, tmp_path, recipe(9), resume=True)
    numbers = []
    for step in resumed.steps(1):
        numbers.append(step.number)
        learn(resumed)
    assert numbers == list(range(2, 9))


def test_a_run_that_diverges_at_once_has_no_checkpoint_to_name(embedder: Embedder, tmp_path: Path) -> None:
    session = open_session(embedder, tmp_path)
    with pytest.raises(TrainingError, match=r"step 0: .*no checkpoint was due"):
        for _ in session.steps(1):
            learn(session, gradient=math.nan)


# -- several updates in a step -----------------------------------------------------------------------------------


def several(session: Session, steps_per_epoch: int, updates: int) -> list[tuple[int, int]]:
    """(number, updates) of every step."""
    made = []
    for step in session.steps(steps_per_epoch, updates):
        made.append((step.number, step.updates))
        for _ in range(step.updates):
            learn(session)
    return made


def test_a_budget_of_steps_counts_updates(embedder: Embedder, tmp_path: Path) -> None:
    session = open_session(embedder, tmp_path, recipe(5))
    assert several(session, 100, updates=2) == [(0, 2), (1, 2), (2, 1)], "every step is taken, none twice"
    assert session.steps_done == 5
    assert [row["step"] for row in rows(tmp_path)] == [0, 1, 2, 3, 4]


def test_a_budget_of_epochs_takes_every_step_with_all_its_updates(embedder: Embedder, tmp_path: Path) -> None:
    session = open_session(embedder, tmp_path, recipe(budget=Budget(epochs=2.0)))
    assert several(session, 3, updates=2) == [(number, 2) for number in range(6)]
    assert session.steps_done == 12


def test_the_rate_falls_within_a_step_too(embedder: Embedder, tmp_path: Path) -> None:
    for out, updates in (("one", 1), ("three", 3)):
        several(open_session(embedder, tmp_path / out, recipe(6)), 1, updates)
    assert [row["lr"] for row in rows(tmp_path / "one")] == [row["lr"] for row in rows(tmp_path / "three")]


def test_what_is_drawn_in_a_step_does_not_depend_on_its_updates(embedder: Embedder, tmp_path: Path) -> None:
    def drawn(out: str, updates: int) -> list[int]:
        found = []
        session = open_session(embedder, tmp_path / out, recipe(3 * updates))
        for step in session.steps(1, updates):
            found.append(int(step.rng.integers(10**9)))
            for _ in range(step.updates):
                learn(session)
        return found

    assert drawn("one", 1) == drawn("two", 2)


# -- going on ----------------------------------------------------------------------------------------------------


def test_checkpoints_are_written_on_the_way(embedder: Embedder, tmp_path: Path) -> None:
    session = open_session(embedder, tmp_path, recipe(5))
    for _ in session.steps(1):
        learn(session)
    newest = latest_checkpoint(tmp_path / "checkpoints")
    assert newest is not None
    assert newest.name == "step-000005", "the last one too, so that a finished run can be looked at"
    assert (tmp_path / "checkpoints" / "step-000004").is_dir()


def test_a_resumed_session_counts_on(embedder: Embedder, tmp_path: Path) -> None:
    session = open_session(embedder, tmp_path)
    for step in session.steps(1):
        learn(session)
        if step.number == 2:  # one after the checkpoint: lost, and its line too
            break
    trained = {name: p.detach().clone() for name, p in embedder.backbone.trainable_parameters().items()}
    resumed = open_session(embedder, tmp_path, resume=True)
    now = embedder.backbone.trainable_parameters()
    assert all(torch.equal(now[name], trained[name]) for name in now), "what a loop derives from the start comes first"
    assert [row["step"] for row in rows(tmp_path)] == [0, 1, 2]
    numbers = []
    for step in resumed.steps(1):
        if not numbers:
            assert resumed.steps_done == 2
            assert 0 < resumed.seconds <= session.seconds
            assert any(not torch.equal(now[name], trained[name]) for name in now), "the weights of the checkpoint"
            assert [row["step"] for row in rows(tmp_path)] == [0, 1]
        numbers.append(step.number)
        learn(resumed)
    assert numbers == [2, 3]


def test_a_run_killed_before_it_removed_older_checkpoints_removes_them_later(
    embedder: Embedder, tmp_path: Path
) -> None:
    wanted = recipe(4, checkpoint=Saving(every_steps=4, keep=1))
    session = open_session(embedder, tmp_path, wanted)
    for _ in session.steps(1):
        learn(session)
    folder = tmp_path / "checkpoints"
    shutil.copytree(folder / "step-000004", folder / "step-000002")
    again = open_session(embedder, tmp_path, wanted, resume=True)
    assert not [*again.steps(1)], "nothing is left to do"
    assert [path.name for path in folder.iterdir()] == ["step-000004"]


def test_what_is_drawn_before_the_first_step_changes_nothing(embedder: Embedder, tmp_path: Path) -> None:
    session = open_session(embedder, tmp_path)
    for step in session.steps(1):
        learn(session)
        if step.number == 2:
            break

    def first_draw(earlier: int) -> float:
        resumed = open_session(embedder, tmp_path, resume=True)
        torch.rand(earlier)
        steps = resumed.steps(1)
        next(steps)
        steps.close()
        return float(torch.rand(()))  # as dropout draws

    assert first_draw(earlier=0) == first_draw(earlier=7)


def test_other_versions_are_told_in_one_line(
    embedder: Embedder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for versions, told in (
        ({"torch": "2.13.0", "peft": "0.21.2"}, None),
        ({"torch": "2.13.0", "peft": "0.21.2"}, None),
        ({"torch": "2.14.0", "peft": "0.21.3"}, "(torch 2.13.0 -> 2.14.0, peft 0.21.2 -> 0.21.3)"),
    ):
        monkeypatch.setattr(checkpoint, "_versions", versions.copy)
        session = open_session(embedder, tmp_path, resume=True)
        for _ in session.steps(1):
            learn(session)
        lines = [line for line in capsys.readouterr().err.splitlines() if "versions" in line]
        assert len(lines) == (told is not None)
        assert told is None or f"step-000004 was written with other versions {told}" in lines[0]


def test_a_checkpoint_of_other_weights_is_refused_by_name(embedder: Embedder, tmp_path: Path) -> None:
    session = open_session(embedder, tmp_path)
    for _ in session.steps(1):
        learn(session)
    embedder.backbone.open_training("none")
    name, _ = next(embedder.backbone.named_parameters())
    dict(embedder.backbone.named_parameters())[name].requires_grad_(True)
    with pytest.raises(CheckpointError, match=r"which weights train, e\.g\. .*; go on with the versions"):
        next(Session(recipe(), embedder, tmp_path, {}, resume=True).steps(1))


def test_nothing_is_written_before_the_first_step(embedder: Embedder, tmp_path: Path) -> None:
    steps = open_session(embedder, tmp_path / "run").steps(1)
    assert not (tmp_path / "run").exists()
    next(steps)
    steps.close()
    assert {path.name for path in (tmp_path / "run").iterdir()} == {"recipe.yaml", "metrics.jsonl"}


def test_texts_that_were_cut_are_counted_and_said(
    embedder: Embedder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    embedder.processor.settings = replace(embedder.processor.settings, max_text=2)
    session = open_session(embedder, tmp_path)
    items = {"a": Item(text="red"), "b": Item(text="a large blue circle")}
    library = session.prepare(lambda: items.items(), None)
    for _ in session.steps(1):
        library.take(items)
        learn(session)
    assert "1 of the texts read were cut to 2 tokens." in capsys.readouterr().err
