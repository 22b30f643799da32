"""A disk that takes no more ends a run with a message; what is there stays whole, and the run can go on."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from chain import Chain, assert_same_run, metrics
from crash import child, dooms
from crash.processes import elva, finish
from elva.cli.app import USER_ERROR
from elva.errors import CheckpointError
from elva.model.embedder import Embedder
from elva.training.checkpoint import latest_checkpoint
from smallest import smallest_embedder

SETTINGS = ["budget.steps=5", "checkpoint.every_steps=2", "log.every_steps=1"]


@pytest.fixture(scope="module")
def settings(chain: Chain) -> list[str]:
    return chain.settings(chain.model("base"), *SETTINGS)


@pytest.fixture(scope="module")
def whole(settings: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with room for all of it."""
    out = tmp_path_factory.mktemp("room") / "run"
    assert finish(child.train, "tiny/stage1", settings, out, False) == 0
    return out


def refused(settings: list[str], run: Path, doom: child.Doom) -> str:
    """What a run on a full disk says: one message, and nothing half-written."""
    code, said = elva("train", "tiny/stage1", *settings, "--out", run, doom=doom)
    assert code == USER_ERROR, said
    assert "Traceback" not in said
    assert not list(run.rglob("*.part"))
    return said.splitlines()[-1]


def assert_goes_on(whole: Path, settings: list[str], run: Path) -> None:
    code, said = elva("train", "tiny/stage1", *settings, "--out", run, "--resume")
    assert code == 0, said
    assert_same_run(whole, run)


@pytest.mark.parametrize("file", ["tensors", "optimizer"])
def test_a_checkpoint_that_finds_no_room_is_told_and_the_one_before_stays(
    whole: Path, settings: list[str], tmp_path: Path, file: str
) -> None:
    run = tmp_path / "run"
    room = (whole / f"checkpoints/step-000004/{file}.safetensors").stat().st_size - 1
    said = refused(settings, run, partial(dooms.full_disk, 3, room))
    assert "step-000004 can't be written (" in said
    assert "File too large" in said
    assert "checkpoints/step-000002 is the newest one and whole" in said
    assert said.endswith("then go on with --resume")
    assert [path.name for path in (run / "checkpoints").iterdir()] == ["step-000002"]
    assert_goes_on(whole, settings, run)


def test_a_model_that_finds_no_room_is_told_and_saved_later(whole: Path, settings: list[str], tmp_path: Path) -> None:
    run = tmp_path / "run"
    said = refused(settings, run, partial(dooms.full_disk_at_the_end, 4_000))
    assert "model: the model can't be saved (" in said
    assert "the training itself is done: --resume does nothing but save it" in said
    assert not (run / "model").exists()
    assert_goes_on(whole, settings, run)


def test_metrics_that_find_no_room_end_the_run_and_no_line_stays_torn(
    whole: Path, settings: list[str], tmp_path: Path
) -> None:
    run = tmp_path / "run"
    said = refused(settings, run, partial(dooms.full_disk, 3, 10, beside=run / "metrics.jsonl"))
    assert "metrics.jsonl can't be written (File too large); the checkpoints are as they were" in said
    assert not (run / "metrics.jsonl").read_text().endswith("\n"), "half a line found room"
    assert latest_checkpoint(run / "checkpoints") == run / "checkpoints/step-000002"
    assert_goes_on(whole, settings, run)
    assert [row["step"] for row in metrics(run)] == [0, 1, 2, 3, 4]


def test_a_model_that_finds_no_room_leaves_the_one_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = smallest_embedder(0), smallest_embedder(1)
    first.save(tmp_path / "model")
    # The tokenizer's writer in Rust raises an exception of no class of its own.
    monkeypatch.setattr(
        second.processor, "save", lambda _: (_ for _ in ()).throw(Exception("No space left on device (os error 28)"))
    )
    with pytest.raises(CheckpointError, match=r"can't be saved \(No space left .* was there before is as it was"):
        second.save(tmp_path / "model")
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    assert Embedder.load(tmp_path / "model").fingerprint == first.fingerprint
