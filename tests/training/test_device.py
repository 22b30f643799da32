"""On another device than the CPU: every tensor of a step is where the model is, and the same is learned."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import pretended
from elva.model.embedder import Embedder
from elva.training.captions import write_captions
from elva.training.negatives import mine
from elva.training.recipe import load_recipe
from elva.training.run import train
from smallest import smallest_embedder

LORA = ["model.trainable=lora", "model.lora.rank=4", "model.lora.targets=[q_proj, v_proj]"]
FORMS = {
    "stage2": [
        "contrast.batch_size=4",
        "contrast.items_per_forward=2",
        "contrast.learn_temperature=true",
        "data.picture_memory=0",
    ],
    "elva": ["reinforce.weights.path=0.1"],
    "elva_paper": [*LORA, "model.gradient_checkpointing=true", "reinforce.items_per_forward=4"],
}


@pytest.fixture(scope="module")
def start(world: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("start")
    smallest_embedder().save(folder / "model")
    embedder = Embedder.load(folder / "model")
    write_captions(world, embedder, folder / "captions.jsonl")
    mine(world, embedder, folder / "negatives.jsonl", datasets=["world"], task_ids=[0, 3], top=4)
    return folder


def settings_of(form: str, world: Path, start: Path) -> list[str]:
    settings = [f"data.root={world}", f"model.path={start / 'model'}", "budget.steps=2", *FORMS[form]]
    settings += ["data.datasets=[world]", f"data.captions={start / 'captions.jsonl'}", "log.every_steps=1"]
    if form.startswith("elva"):
        settings += [f"data.negatives={start / 'negatives.jsonl'}", "data.tasks=[0, 3]"]
        settings += ["reinforce.hard_negatives=1", "reinforce.random_negatives=1", "reinforce.queries_per_step=3"]
    return settings


def assert_alike(here: Path, there: Path) -> None:
    """The same numbers to rounding: devices have other kernels of attention."""
    ours, theirs = (
        [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()] for run in (here, there)
    )
    assert len(ours) == len(theirs) == 2
    for one, other in zip(ours, theirs, strict=True):
        for name in set(one) - {"seconds"}:
            assert other[name] == pytest.approx(one[name], abs=2e-4, rel=1e-3), name
    assert (there / "model/model.safetensors").is_file()


@pytest.mark.parametrize("form", FORMS)
def test_a_training_keeps_to_its_device(world: Path, start: Path, tmp_path: Path, form: str) -> None:
    settings = settings_of(form, world, start)
    done = subprocess.run(
        [sys.executable, pretended.__file__, f"tiny/{form}", str(tmp_path / "there"), *settings],
        env=os.environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    train(load_recipe(f"tiny/{form}", settings), tmp_path / "here")
    assert_alike(tmp_path / "here", tmp_path / "there")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_learns_what_the_cpu_does(world: Path, start: Path, tmp_path: Path) -> None:
    settings = settings_of("stage2", world, start)  # nothing is sampled: generators differ between devices
    for device in ("cpu", "cuda"):
        train(load_recipe("tiny/stage2", settings), tmp_path / device, device=device)
    assert_alike(tmp_path / "cpu", tmp_path / "cuda")
    for form in ("elva", "elva_paper"):
        recipe = load_recipe(f"tiny/{form}", settings_of(form, world, start))
        assert train(recipe, tmp_path / form, device="cuda").finished
