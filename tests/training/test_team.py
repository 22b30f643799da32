"""Two processes: their shares, and the training that one process would have done."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from elva.errors import InputError
from elva.model.embedder import Embedder
from elva.training.captions import write_captions
from elva.training.negatives import mine
from elva.training.recipe import load_recipe
from elva.training.run import train
from elva.training.team import Team
from smallest import smallest_embedder

FORMS = {
    "stage2": ["data.datasets=[world]", "contrast.batch_size=5", "contrast.items_per_forward=2"],
    "elva_no_rollouts": ["data.datasets=[world]", "reinforce.queries_per_step=3"],
    "elva": ["data.datasets=[world]", "reinforce.queries_per_step=3"],
}
"""Batches of odd sizes, so that shares differ."""


@pytest.mark.parametrize(("count", "shares"), [(9, [2, 2, 2, 3]), (5, [1, 1, 1, 2]), (4, [1, 1, 1, 1])])
def test_shares_cover_everything_in_order(count: int, shares: list[int]) -> None:
    found = [Team(rank, 4).share(count) for rank in range(4)]
    assert [len(share) for share in found] == shares
    assert [item for share in found for item in share] == list(range(count))


def test_every_process_refuses_a_batch_that_leaves_one_idle() -> None:
    for rank in range(4):
        with pytest.raises(InputError, match="3 items can't be shared by 4 processes"):
            Team(rank, 4).share(3)


def test_a_team_of_one_does_nothing() -> None:
    team, rows = Team(), torch.ones(3, 2)
    assert team.gather(rows, 3) is rows
    assert team.largest(0.5) == 0.5
    assert Team.join().size == 1


@pytest.fixture(scope="module")
def start(world: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("start")
    smallest_embedder().save(folder / "model")
    embedder = Embedder.load(folder / "model")
    write_captions(world, embedder, folder / "captions.jsonl")
    mine(world, embedder, folder / "negatives.jsonl", datasets=["world"], task_ids=[0, 3], top=4)
    return folder


def settings(world: Path, start: Path, form: str) -> list[str]:
    given = [f"data.root={world}", f"model.path={start / 'model'}", "budget.steps=2", *FORMS[form]]
    given += [f"data.captions={start / 'captions.jsonl'}"]
    if form != "stage2":
        given += [f"data.negatives={start / 'negatives.jsonl'}", "data.tasks=[0, 3]"]
        given += ["reinforce.hard_negatives=1", "reinforce.random_negatives=1"]
    return given


def two_processes(recipe: str, given: list[str], out: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    team = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": "2"}
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "elva", "train", recipe, *given, "--out", str(out)],
            env=os.environ | team | {"RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in range(2)
    ]
    told = [process.communicate(timeout=300)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], "\n".join(told)
    assert "is the trained model" in told[0]
    assert not [line for line in told[1].splitlines() if "steps/s" in line or "model" in line], "one process speaks"


@pytest.mark.parametrize("form", ["stage2", "elva_no_rollouts"])
def test_two_processes_train_what_one_does(world: Path, start: Path, tmp_path: Path, form: str) -> None:
    given = settings(world, start, form)
    two_processes(f"tiny/{form}", given, tmp_path / "two")
    one = train(load_recipe(f"tiny/{form}", given), tmp_path / "one")
    lines = [(tmp_path / run / "metrics.jsonl").read_text().splitlines() for run in ("one", "two")]
    for alone, together in zip(*(map(json.loads, run) for run in lines), strict=True):
        assert abs(alone["loss"] - together["loss"]) < 1e-5
        assert abs(alone["gradient_norm"] - together["gradient_norm"]) < 1e-4 * alone["gradient_norm"]
    alone, together = (load_file(tmp_path / run / "model" / "model.safetensors") for run in ("one", "two"))
    before = load_file(start / "model" / "model.safetensors")
    assert one.updates == 2
    assert max((alone[name] - together[name]).abs().max() for name in alone) < 2e-4
    assert max((alone[name] - before[name]).abs().max() for name in alone) > 1e-4


def test_two_processes_sample_a_share_each(world: Path, start: Path, tmp_path: Path) -> None:
    two_processes("tiny/elva", settings(world, start, "elva"), tmp_path / "two")
    rows = [json.loads(line) for line in (tmp_path / "two" / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [0, 1]
    assert all(row["summary_length"] > 0 for row in rows)
    assert json.loads((tmp_path / "two" / "run.json").read_text())["finished"]
