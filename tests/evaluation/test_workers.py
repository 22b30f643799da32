"""Several processes embed as one does, say why they can't, and end with the process that asked."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from elva.encoding import ModelIdentity
from elva.errors import CheckpointError, WorkerDied
from elva.evaluation import workers
from elva.evaluation.mbeir import evaluate
from elva.evaluation.workers import Workers
from elva.items import Item
from judging import FakeEncoder, write_root


def fake(number: int) -> FakeEncoder:
    return FakeEncoder(noise=1.6)


def none(number: int) -> FakeEncoder:
    raise CheckpointError(f"process {number} finds no model")


class Deadly(FakeEncoder):
    def embed(self, *_: object, **__: object) -> None:  # type: ignore[override]
        os.kill(os.getpid(), signal.SIGKILL)


def deadly(number: int) -> FakeEncoder:
    return Deadly()


def test_two_processes_give_the_evaluation_of_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "PIECE", 10)
    root = write_root(tmp_path / "root")
    alone = evaluate(root, fake(0), out=tmp_path / "alone").row
    done: list[int] = []
    with Workers(fake, 2) as team:
        assert ModelIdentity.of(team) == ModelIdentity.of(fake(0))
        row = evaluate(root, team, out=tmp_path / "team", cache=tmp_path / "cache").row
        encoding = team.embed([Item(str(number)) for number in range(25)], progress=done.append)
    assert row["ranks"] == alone["ranks"] and row["grains"] == alone["grains"]
    assert row["counts"]["embedded"] == alone["counts"]["embedded"]
    assert encoding.summaries == [str(number) for number in range(25)]
    assert sorted(done) == [5, 10, 10]


def test_why_a_model_cannot_be_loaded_is_told() -> None:
    with pytest.raises(CheckpointError, match="finds no model"), Workers(none, 2):
        pass


def test_a_process_that_is_killed_is_told() -> None:
    with pytest.raises(WorkerDied, match="fewer --processes"), Workers(deadly, 1) as team:
        team.embed([Item("red")])


def test_processes_end_with_the_one_that_asked(tmp_path: Path) -> None:
    program = tmp_path / "asks.py"
    program.write_text(
        "import os, time\n"
        "from elva.evaluation.workers import Workers\n"
        "from judging import FakeEncoder\n"
        "def load(number):\n"
        f"    open(r'{tmp_path}/' + str(os.getpid()) + '.pid', 'w').close()\n"
        "    return FakeEncoder()\n"
        "if __name__ == '__main__':\n"
        "    with Workers(load, 1):\n"
        "        time.sleep(60)\n"
    )
    paths = os.pathsep.join(path for path in sys.path if path)
    asking = subprocess.Popen([sys.executable, str(program)], env={**os.environ, "PYTHONPATH": paths})
    try:
        (pid,) = (int(path.stem) for path in _within(60, lambda: [*tmp_path.glob("*.pid")]))
    finally:
        asking.kill()
        asking.wait()
    assert _within(20, lambda: not Path(f"/proc/{pid}").exists() or None)


def _within(seconds: float, look):  # type: ignore[no-untyped-def]
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := look():
            return found
        time.sleep(0.05)
    raise AssertionError("it did not come in time")
