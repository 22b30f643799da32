"""Stage 3 from a retriever of another layout: it learns to write, is mined, explores, and embeds both ways."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from typer.testing import CliRunner

from elva.cli.app import app
from elva.items import Item
from elva.model.embedder import Embedder
from elva.training.captions import write_captions
from elva.training.negatives import mine
from elva.training.recipe import load_recipe
from elva.training.run import RunResult, train
from families import save_lamra

SHORT = ["budget.steps=3", "budget.epochs=null", "checkpoint.every_steps=2", "log.every_steps=1", "model.lora.rank=4"]
ADAPT = ["contrast.batch_size=4", "optimizer.lr=1e-2"]
STAGE3 = ["reinforce.queries_per_step=2", "reinforce.hard_negatives=2", "reinforce.random_negatives=1"]
STAGE3 += ["reinforce.rollouts.group_size=2", "reinforce.rollouts.max_new_tokens=6", "optimizer.lr=1e-2"]
ITEMS = [
    Item("a small red triangle"),
    Item(image=Image.new("RGB", (90, 60), "teal"), instruction="Find a caption."),
    Item("the same, but green", Image.new("RGB", (60, 60), "red"), "Find the changed picture."),
]


@dataclass(frozen=True)
class Plugged:
    """A retriever and what the two recipes made of it."""

    lamra: Path
    adapted: RunResult
    refined: RunResult

    def settings(self, run: RunResult) -> Any:
        return Embedder.load(run.model).processor.settings

    def metrics(self, run: RunResult) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (run.model.parent / "metrics.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module", params=["qwen2_vl", "qwen2_5_vl"])
def plugged(request: pytest.FixtureRequest, world: Path, tmp_path_factory: pytest.TempPathFactory) -> Plugged:
    """By the launch lines of the recipes: captions of a base, adapt, mine, stage 3."""
    home = tmp_path_factory.mktemp("plug-in")
    lamra = save_lamra(request.param, home / "LamRA-Ret")
    write_captions(world, Embedder.load("tiny-base"), home / "captions.jsonl", datasets=["world"], named_only=True)
    data = [f"data.root={world}", "data.datasets=[world]", *SHORT]
    files = [f"data.captions={home / 'captions.jsonl'}", f"model.path={lamra}"]
    adapted = train(load_recipe("plug-in/lamra_adapt", [*data, *ADAPT, *files]), home / "adapt")
    mine(world, Embedder.load(adapted.model), home / "negatives.jsonl", top=6, task_ids=[0, 3], queries=12)
    files = [f"data.negatives={home / 'negatives.jsonl'}", f"model.path={adapted.model}"]
    refined = train(load_recipe("plug-in/lamra_stage3", [*data, *STAGE3, *files]), home / "stage3")
    return Plugged(lamra, adapted, refined)


def test_both_halves_run_and_log(plugged: Plugged) -> None:
    for run in (plugged.adapted, plugged.refined):
        assert (run.finished, run.updates) == (True, 3)
    adapting, refining = plugged.metrics(plugged.adapted), plugged.metrics(plugged.refined)
    assert all({"loss", "lm_loss", "in_batch_accuracy"} <= row.keys() for row in adapting)
    assert all({"reward/total", "positive_rank", "missing_ret_rate", "kl"} <= row.keys() for row in refining)
    assert all(np.isfinite(value) for row in (*adapting, *refining) for value in row.values())


def test_what_the_layout_said_stays_with_the_models_made_of_it(plugged: Plugged) -> None:
    layout = Embedder.load(plugged.lamra).processor.settings
    for run, stages in ((plugged.adapted, ["lamra-adapt"]), (plugged.refined, ["lamra-adapt", "lamra-stage3"])):
        assert plugged.settings(run) == replace(layout, extraction="generative", trained=("LamRA", *stages))


def test_the_vision_tower_stays_and_the_language_model_moves_in_both_halves(plugged: Plugged) -> None:
    folders = (plugged.lamra, plugged.adapted.model, plugged.refined.model)
    before, adapted, refined = (
        {name: tensor.bfloat16() for name, tensor in load_file(folder / "model.safetensors").items()}
        for folder in folders  # the recipes hold what they don't train in bfloat16, as the published weights are
    )
    for old, new in ((before, adapted), (adapted, refined)):
        moved = {name for name in old if old[name].shape == new[name].shape and not torch.equal(old[name], new[name])}
        assert any("q_proj" in name for name in moved)
        assert not any("visual" in name for name in moved)


def test_the_result_embeds_both_ways(plugged: Plugged) -> None:
    refined = Embedder.load(plugged.refined.model)
    written, one_word = refined.embed(ITEMS), refined.embed(ITEMS, extraction="one_word")
    assert all("<" not in summary and "[RET]" not in summary for summary in written.summaries)
    assert one_word.summaries == [""] * len(ITEMS)
    for vectors in (written.vectors, one_word.vectors):
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert np.abs(written.vectors - one_word.vectors).max() > 1e-3
    retriever = Embedder.load(plugged.lamra)
    assert np.abs(one_word.vectors - retriever.encode(ITEMS)).max() > 1e-3


def test_judged_as_it_is_the_command_says_what_it_takes_it_for(plugged: Plugged, world: Path, tmp_path: Path) -> None:
    command = ["evaluate", "mbeir", str(world), "--dataset", "mrbench", "--task", "0", "--model", str(plugged.lamra)]
    shown = CliRunner().invoke(app, [*command, "--out", str(tmp_path / "eval")])
    assert shown.exit_code == 0, shown.output
    assert "LamRA-Ret is read as LamRA (config.json names" in shown.stderr
    model = json.loads((tmp_path / "eval/results.json").read_text())["model"]
    assert (model["name"], model["extraction"]) == ("LamRA-Ret", "one_word")


def test_the_second_half_is_the_paper_s_stage_3() -> None:
    settings = ["data.root=x", "data.negatives=n.jsonl", "model.path=m"]
    paper, plug_in = (load_recipe(name, settings) for name in ("paper/7b/stage3", "plug-in/lamra_stage3"))
    assert replace(plug_in, name=paper.name) == paper
