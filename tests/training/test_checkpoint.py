"""Checkpoints: exact, atomic, strict about what they belong to."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import SafetensorError
from torch import Tensor

from elva.errors import CheckpointError, TrainingError
from elva.training import checkpoint as module
from elva.training.checkpoint import (
    Progress,
    latest_checkpoint,
    load_checkpoint,
    save_checkpoint,
)
from elva.training.recipe import Budget, Optimizer, Recipe, Saving

INPUTS = {"data.root": "abc", "model.path": "def"}


def recipe(lr: float = 1e-2, keep: int = 2) -> Recipe:
    return Recipe(
        stage="contrast",
        budget=Budget(steps=10),
        optimizer=Optimizer(lr=lr),
        checkpoint=Saving(keep=keep),
    )


def new_training() -> tuple[torch.nn.Linear, torch.optim.AdamW]:
    torch.manual_seed(0)
    model = torch.nn.Linear(3, 2)
    groups = [{"params": [model.weight], "weight_decay": 0.1}, {"params": [model.bias]}]
    return model, torch.optim.AdamW(groups, lr=1e-2, betas=(0.9, 0.98))


def train(model: torch.nn.Linear, optimizer: torch.optim.AdamW, steps: int) -> None:
    """Steps whose inputs come from all three global generators."""
    for _ in range(steps):
        scale = random.random() + float(np.random.standard_normal())
        loss = (model(torch.randn(4, 3)) * scale).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def save(folder: Path, step: int = 5, **changes: Any) -> Path:
    model, optimizer = new_training()
    train(model, optimizer, 1)
    values: dict[str, Any] = {
        "tensors": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "progress": Progress(step=step, seconds=1.5),
        "recipe": recipe(),
        "inputs": INPUTS,
    }
    return save_checkpoint(folder, **{**values, **changes})


def test_a_resumed_training_equals_an_uninterrupted_one(tmp_path: Path) -> None:
    model, optimizer = new_training()
    train(model, optimizer, 3)
    path = save_checkpoint(
        tmp_path,
        tensors=model.state_dict(),
        optimizer=optimizer.state_dict(),
        progress=Progress(step=3, seconds=0.25),
        recipe=recipe(),
        inputs=INPUTS,
    )
    train(model, optimizer, 4)

    resumed, resumed_optimizer = new_training()
    for seed in (random.seed, np.random.seed, torch.manual_seed):
        seed(99)
    loaded = load_checkpoint(path, recipe(), INPUTS)
    loaded.restore_random()
    resumed.load_state_dict(loaded.tensors)
    resumed_optimizer.load_state_dict(loaded.optimizer)
    train(resumed, resumed_optimizer, 4)

    assert loaded.progress == Progress(step=3, seconds=0.25)
    assert torch.equal(resumed.weight, model.weight)
    assert torch.equal(resumed.bias, model.bias)


def test_the_optimizer_state_comes_back_exactly(tmp_path: Path) -> None:
    model, optimizer = new_training()
    train(model, optimizer, 2)
    before = optimizer.state_dict()
    loaded = load_checkpoint(save(tmp_path, optimizer=before), recipe(), INPUTS).optimizer
    assert loaded["param_groups"] == before["param_groups"]
    for parameter, entries in before["state"].items():
        for name, value in entries.items():
            assert torch.equal(loaded["state"][parameter][name], value), name


def test_tied_weights_and_half_precision_are_kept(tmp_path: Path) -> None:
    shared = torch.randn(3)
    tensors = {"a": shared, "b": shared, "c": torch.randn(2, 3).to(torch.bfloat16).T}
    loaded = load_checkpoint(save(tmp_path, tensors=tensors), recipe(), INPUTS).tensors
    assert all(torch.equal(loaded[name], value) for name, value in tensors.items())
    assert loaded["c"].dtype == torch.bfloat16


def test_no_file_is_a_pickle(tmp_path: Path) -> None:
    suffixes = {file.suffix for file in save(tmp_path).iterdir()}
    assert suffixes == {".json", ".safetensors"}


def test_the_newest_are_kept_in_the_order_of_steps(tmp_path: Path) -> None:
    for step in (5, 999_999, 1_000_000):
        save(tmp_path, step)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-1000000", "step-999999"]
    assert latest_checkpoint(tmp_path) == tmp_path / "step-1000000"


def test_saving_a_step_again_replaces_it(tmp_path: Path) -> None:
    save(tmp_path)
    path = save(tmp_path, progress=Progress(step=5, seconds=9.0))
    assert load_checkpoint(path, recipe(), INPUTS).progress.seconds == 9.0
    assert list(tmp_path.iterdir()) == [path]


def test_without_checkpoints_there_is_no_latest(tmp_path: Path) -> None:
    assert latest_checkpoint(tmp_path / "none") is None


@pytest.mark.parametrize("name", ["tensors.safetensors", "state.json", "complete.json"])
def test_incomplete_checkpoints_are_passed_over_and_refused(tmp_path: Path, name: str) -> None:
    older, newer = save(tmp_path, 1), save(tmp_path, 2)
    content = (newer / name).read_bytes()
    (newer / name).write_bytes(content[: len(content) // 2])
    assert latest_checkpoint(tmp_path) == older
    with pytest.raises(CheckpointError, match="incomplete"):
        load_checkpoint(newer, recipe(), INPUTS)
    (newer / name).unlink()
    assert latest_checkpoint(tmp_path) == older


@pytest.mark.parametrize("written", range(3))
def test_a_failure_while_writing_leaves_the_older_one_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: int
) -> None:
    older = save(tmp_path, 1)
    left = [written]

    def full(tensors: dict[str, Tensor], path: Path) -> None:
        path.write_bytes(b"half")
        if not left[0]:
            raise SafetensorError("I/O error: No space left on device (os error 28)")
        left[0] -= 1

    monkeypatch.setattr(module, "save_file", full)
    message = (
        r"step-000002 can't be written \(.*No space left.*\); .*/step-000001 is the newest one and whole.*--resume"
    )
    with pytest.raises(TrainingError, match=message):
        save(tmp_path, 2)
    assert list(tmp_path.iterdir()) == [older]


def test_where_the_first_one_cannot_be_written_there_is_none_to_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "save_file", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(TrainingError, match="no checkpoint was due before"):
        save(tmp_path, 1)
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_one_does_not_count_among_the_newest(tmp_path: Path) -> None:
    for step in (1, 9):
        save(tmp_path, step)
    (tmp_path / "step-000009" / "state.json").write_text("")
    kept = save(tmp_path, 2, keep=1)  # the run went on from step 1, and stops at step 2
    assert list(tmp_path.iterdir()) == [kept]


def test_what_a_killed_writer_left_goes_with_the_next_checkpoint(tmp_path: Path) -> None:
    (tmp_path / ".step-000900.1.part").mkdir(parents=True)
    path = save(tmp_path, 5)
    assert list(tmp_path.iterdir()) == [path]


def test_another_recipe_is_refused_by_its_difference(tmp_path: Path) -> None:
    path = save(tmp_path)
    with pytest.raises(CheckpointError, match=r"optimizer\.lr: 0\.01 -> 0\.02"):
        load_checkpoint(path, recipe(lr=2e-2), INPUTS)
    load_checkpoint(path, recipe(keep=7), INPUTS)


def test_other_inputs_are_refused_by_name(tmp_path: Path) -> None:
    path = save(tmp_path)
    with pytest.raises(CheckpointError, match=r"other inputs.*\n  data\.root: abc -> xyz$"):
        load_checkpoint(path, recipe(), INPUTS | {"data.root": "xyz"})
    with pytest.raises(CheckpointError, match=r"\n  model\.path: def -> none\n  data\.captions: none -> 123$"):
        load_checkpoint(path, recipe(), {"data.root": "abc", "data.captions": "123"})


def test_a_checkpoint_that_says_nothing_of_its_inputs_is_refused(tmp_path: Path) -> None:
    path = save(tmp_path, inputs={})
    with pytest.raises(CheckpointError, match=r"data\.root: none -> abc"):
        load_checkpoint(path, recipe(), INPUTS)


def test_the_random_states_change_when_they_are_asked_to(tmp_path: Path) -> None:
    path = save(tmp_path)
    saved = random.getstate()
    random.seed(3)
    before = random.getstate()
    loaded = load_checkpoint(path, recipe(), INPUTS)
    assert random.getstate() == before
    loaded.restore_random()
    assert random.getstate() == saved


def test_versions_are_recorded_and_another_one_is_told(tmp_path: Path) -> None:
    path = save(tmp_path)
    state = json.loads((path / "state.json").read_text())
    assert state["versions"]["torch"] == torch.__version__
    assert state["versions"].keys() == {"elva", "python", "torch", "transformers", "peft", "numpy"}
    assert load_checkpoint(path, recipe(), INPUTS).other_versions == []
    now = state["versions"]["peft"]
    state["versions"] |= {"peft": "0.1"}
    del state["versions"]["numpy"]
    older = save(tmp_path, 6)
    (older / "state.json").write_text(json.dumps(state))
    sizes = {file.name: file.stat().st_size for file in older.iterdir() if file.name != "complete.json"}
    (older / "complete.json").write_text(json.dumps(sizes))
    found = load_checkpoint(older, recipe(), INPUTS).other_versions
    assert found == [f"peft 0.1 -> {now}", f"numpy unknown -> {np.__version__}"]


def test_only_damaged_checkpoints_do_not_begin_the_run_again(tmp_path: Path) -> None:
    (tmp_path / "step-000010").mkdir()
    with pytest.raises(CheckpointError, match="no checkpoint is complete"):
        latest_checkpoint(tmp_path)
