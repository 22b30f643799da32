"""Two processes: their shares, and the training that one process would have done."""

from __future__ import annotations

import json
import os
import shutil
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
from elva.training.contrast import train_contrast
from elva.training.negatives import mine
from elva.training.recipe import load_recipe
from elva.training.run import train
from elva.training.session import Session
from elva.training.team import Team
from smallest import smallest_embedder

LORA = ["model.trainable=lora", "model.lora.rank=4", "model.lora.targets=[q_proj, v_proj]"]
FORMS = {
    "stage2": ["data.datasets=[world]", "contrast.batch_size=5", "contrast.items_per_forward=2"],
    "elva_no_rollouts": ["data.datasets=[world]", "reinforce.queries_per_step=3", "bottleneck=pictures"],
    "elva": ["data.datasets=[world]", "reinforce.queries_per_step=3"],
    "elva_paper": ["data.datasets=[world]", "reinforce.queries_per_step=3", "reinforce.items_per_forward=3"],
}
"""Batches of odd sizes, so that shares differ."""


@pytest.mark.parametrize(("count", "filled"), [(9, 12), (5, 8), (4, 4), (3, 4), (1, 4)])
def test_equal_shares_cover_everything_in_order(count: int, filled: int) -> None:
    rows = Team(0, 4).filled(range(count))
    assert rows == [*range(count), *[count - 1] * (filled - count)]
    shares = [Team(rank, 4).share(filled) for rank in range(4)]
    assert {len(share) for share in shares} == {filled // 4}
    assert [item for share in shares for item in share] == list(range(filled))


def test_a_team_of_one_does_nothing() -> None:
    team, rows = Team(), torch.ones(3, 2)
    assert team.gather(rows) is rows
    assert team.largest(0.5) == team.sum(0.5) == 0.5
    assert team.filled([1, 2, 3]) == [1, 2, 3]
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


EQUAL = {
    "stage2": ("stage2", []),
    "stage 2 with LoRA in bfloat16": ("stage2", [*LORA, "model.precision=bfloat16"]),
    "stage 2 with a learned temperature": ("stage2", ["contrast.learn_temperature=true"]),
    "sharded stage 2": ("stage2", ["model.shard=true", "model.gradient_checkpointing=true"]),
    "sharded stage 2 with LoRA": ("stage2", [*LORA, "model.shard=true"]),
    "stage 3 without rollouts": ("elva_no_rollouts", []),
}


@pytest.mark.parametrize("name", EQUAL)
def test_two_processes_train_what_one_does(world: Path, start: Path, tmp_path: Path, name: str) -> None:
    form, extra = EQUAL[name]
    given = settings(world, start, form) + extra
    two_processes(f"tiny/{form}", given, tmp_path / "two")
    one = train(load_recipe(f"tiny/{form}", [*given, "model.shard=false"]), tmp_path / "one")
    exact = "bfloat16" not in name
    lines = [(tmp_path / run / "metrics.jsonl").read_text().splitlines() for run in ("one", "two")]
    for alone, together in zip(*(map(json.loads, run) for run in lines), strict=True):
        assert abs(alone["loss"] - together["loss"]) < (1e-5 if exact else 2e-2)
        assert alone["gradient_norm"] == pytest.approx(together["gradient_norm"], rel=1e-4 if exact else 0.1)
    alone, together = (load_file(tmp_path / run / "model" / "model.safetensors") for run in ("one", "two"))
    before = load_file(start / "model" / "model.safetensors")
    assert one.updates == 2
    assert max((alone[name] - together[name]).abs().max() for name in alone) < (2e-4 if exact else 5e-3)
    assert max((alone[name] - before[name]).abs().max() for name in alone) > 1e-4


def test_a_team_does_not_write_the_captions_itself(world: Path, start: Path, tmp_path: Path) -> None:
    session = Session(
        load_recipe("tiny/stage2", [f"data.root={world}"]), smallest_embedder(), tmp_path, {}, False, Team(0, 2)
    )
    with pytest.raises(InputError, match=r"elva caption.*data\.captions=FILE"):
        list(train_contrast(session))


SAMPLING = {
    "stage 3": ("elva", []),
    "sharded stage 3 as printed": ("elva_paper", [*LORA, "model.shard=true", "model.gradient_checkpointing=true"]),
}


@pytest.mark.parametrize("name", SAMPLING)
def test_two_processes_sample_a_share_each(world: Path, start: Path, tmp_path: Path, name: str) -> None:
    form, extra = SAMPLING[name]
    two_processes(f"tiny/{form}", [*settings(world, start, form), *extra, "log.every_steps=1"], tmp_path / "two")
    rows = [json.loads(line) for line in (tmp_path / "two" / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [0, 1]
    assert all(row["summary_length"] > 0 for row in rows)
    if "kl" in rows[0]:
        assert abs(rows[0]["kl"]) < 1e-6, "the policy begins as its own reference"
    assert json.loads((tmp_path / "two" / "run.json").read_text())["finished"]


def test_a_sharded_run_goes_on_bit_by_bit_where_it_was_killed(world: Path, start: Path, tmp_path: Path) -> None:
    given = [*settings(world, start, "stage2"), *LORA, "model.lora.dropout=0.1", "model.shard=true"]
    given += ["budget.steps=3", "checkpoint.every_steps=1", "log.every_steps=1"]
    two_processes("tiny/stage2", given, tmp_path / "run")
    whole = load_file(tmp_path / "run/model/model.safetensors")
    losses = [json.loads(line)["loss"] for line in (tmp_path / "run/metrics.jsonl").read_text().splitlines()]
    shutil.rmtree(tmp_path / "run/model")
    shutil.rmtree(tmp_path / "run/checkpoints/step-000003")
    (tmp_path / "run/run.json").unlink()
    two_processes("tiny/stage2", [*given, "--resume"], tmp_path / "run")
    again = load_file(tmp_path / "run/model/model.safetensors")
    assert all(torch.equal(whole[name], again[name]) for name in whole)
    assert losses == [json.loads(line)["loss"] for line in (tmp_path / "run/metrics.jsonl").read_text().splitlines()]
