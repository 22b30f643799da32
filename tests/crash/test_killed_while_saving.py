"""Killed in the middle of a save: what was there before is there, or what is new, and whole."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from chain import Chain, assert_same_run
from crash import child, dooms
from crash.processes import finish, kill_when, start
from elva.model.embedder import Embedder
from elva.training.checkpoint import latest_checkpoint
from smallest import smallest_embedder

KILLED = -signal.SIGKILL
FILES = ("tensors.safetensors", "optimizer.safetensors", "random.safetensors", "state.json", "complete.json")
SETTINGS = ["budget.steps=6", "checkpoint.every_steps=2", "checkpoint.keep=1", "log.every_steps=4"]


@pytest.fixture(scope="module")
def settings(chain: Chain) -> list[str]:
    return chain.settings(chain.model("base"), *SETTINGS)


@pytest.fixture(scope="module")
def whole(settings: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An uninterrupted run."""
    out = tmp_path_factory.mktemp("uninterrupted") / "run"
    assert finish(child.train, "tiny/stage1", settings, out, False) == 0
    return out


def assert_goes_on(whole: Path, settings: list[str], run: Path) -> None:
    assert finish(child.train, "tiny/stage1", settings, run, True) == 0
    assert_same_run(whole, run)
    assert [path.name for path in (run / "checkpoints").iterdir()] == ["step-000006"]
    assert {path.name for path in run.iterdir()} == {path.name for path in whole.iterdir()}


MOMENTS: dict[str, tuple[Callable[[Path], None], str]] = {
    **{name: (partial(dooms.half_a_file, name=name), "step-000002") for name in FILES},
    "before the rename": (dooms.before_it_is_in_place, "step-000002"),
    "after the rename": (dooms.when_it_is_in_place, "step-000004"),
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_kill_while_a_checkpoint_is_written_leaves_a_whole_one(
    whole: Path, settings: list[str], tmp_path: Path, moment: str
) -> None:
    doom, newest = MOMENTS[moment]
    checkpoints = tmp_path / "run/checkpoints"
    doomed = partial(doom, checkpoints / "step-000004")
    assert finish(child.train, "tiny/stage1", settings, tmp_path / "run", False, doom=doomed) == KILLED
    assert latest_checkpoint(checkpoints) == checkpoints / newest
    assert_goes_on(whole, settings, tmp_path / "run")


def test_a_kill_while_the_first_checkpoint_is_written_begins_again(
    whole: Path, settings: list[str], tmp_path: Path
) -> None:
    checkpoints = tmp_path / "run/checkpoints"
    doomed = partial(dooms.half_a_file, checkpoints / "step-000002", FILES[0])
    assert finish(child.train, "tiny/stage1", settings, tmp_path / "run", False, doom=doomed) == KILLED
    assert latest_checkpoint(checkpoints) is None
    assert_goes_on(whole, settings, tmp_path / "run")


def test_a_kill_while_an_old_checkpoint_is_removed_leaves_the_new_one(
    whole: Path, settings: list[str], tmp_path: Path
) -> None:
    checkpoints = tmp_path / "run/checkpoints"
    doomed = partial(dooms.half_pruned, checkpoints / "step-000002")
    assert finish(child.train, "tiny/stage1", settings, tmp_path / "run", False, doom=doomed) == KILLED
    assert sorted(path.name for path in checkpoints.iterdir()) == ["step-000002", "step-000004"]
    assert latest_checkpoint(checkpoints) == checkpoints / "step-000004"
    assert_goes_on(whole, settings, tmp_path / "run")


# -- the model at the end of a run -------------------------------------------------------------------------------

LAST_MOMENTS: dict[str, Callable[[Path], None]] = {
    "half the weights": partial(dooms.half_a_file, name="model.safetensors"),
    "half the tokenizer": partial(dooms.half_a_file, name="tokenizer.json"),
    "before the rename": dooms.before_it_is_in_place,
    "before the record": dooms.before_the_record,
}


@pytest.mark.parametrize("moment", LAST_MOMENTS)
def test_a_kill_while_the_trained_model_is_saved_is_made_good(
    whole: Path, settings: list[str], tmp_path: Path, moment: str
) -> None:
    run = tmp_path / "run"
    doomed = partial(LAST_MOMENTS[moment], run / "model")
    assert finish(child.train, "tiny/stage1", settings, run, False, doom=doomed) == KILLED
    assert (run / "model").exists() is (moment == "before the record")
    assert not (run / "run.json").exists()
    assert_goes_on(whole, settings, run)


# -- one model over another --------------------------------------------------------------------------------------

OVER: dict[str, tuple[Callable[[Path], None], int]] = {
    **{name: (doom, 0) for name, doom in LAST_MOMENTS.items() if name != "before the record"},
    "after the rename": (dooms.when_it_is_in_place, 1),
}


@pytest.fixture(scope="module")
def fingerprints() -> list[str]:
    """Of the smallest models of seeds 0 and 1."""
    return [smallest_embedder(seed).fingerprint for seed in range(2)]


@pytest.mark.parametrize("moment", OVER)
def test_a_kill_while_a_model_replaces_another_leaves_one_of_them(
    fingerprints: list[str], tmp_path: Path, moment: str
) -> None:
    doom, left = OVER[moment]
    smallest_embedder(0).save(tmp_path / "model")
    assert finish(child.save, tmp_path / "model", [1], partial(doom, tmp_path / "model")) == KILLED
    assert len(list(tmp_path.iterdir())) == 2
    assert Embedder.load(tmp_path / "model").fingerprint == fingerprints[left]
    smallest_embedder(1).save(tmp_path / "model")
    assert [path.name for path in tmp_path.iterdir()] == ["model"], "and the next one cleans up"


def test_where_the_system_cannot_swap_the_next_save_brings_the_old_model_back(
    fingerprints: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    smallest_embedder(0).save(tmp_path / "model")
    doomed = partial(dooms.between_two_renames, tmp_path / "model")
    assert finish(child.save, tmp_path / "model", [1], doomed) == KILLED
    assert not (tmp_path / "model").exists()
    fails = smallest_embedder(1)
    monkeypatch.setattr(fails.processor, "save", lambda _: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        fails.save(tmp_path / "model")
    assert Embedder.load(tmp_path / "model").fingerprint == fingerprints[0]
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


@pytest.mark.parametrize("kills", [3, pytest.param(60, marks=pytest.mark.long)])
def test_a_model_that_is_saved_over_and_over_is_whole_whenever_its_writer_is_killed(
    fingerprints: list[str], tmp_path: Path, kills: int
) -> None:
    chance = random.Random(kills)
    smallest_embedder(0).save(tmp_path / "model")
    for _ in range(kills):
        process = start(child.save, tmp_path / "model", [1, 0], rounds=1000)
        begun = time.time_ns()

        def has_saved(since: int = begun) -> bool:
            return (tmp_path / "model/README.md").stat().st_mtime_ns > since

        assert kill_when(process, has_saved, chance.uniform(0, 0.2)) == KILLED
        assert Embedder.load(tmp_path / "model").fingerprint in fingerprints
        assert len(list(tmp_path.iterdir())) <= 2
    smallest_embedder(1).save(tmp_path / "model")
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
