"""Every stage on the smallest world, a few steps each: what stops, goes on and is compared in several tests."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from elva.model.embedder import Embedder
from elva.training.captions import write_captions
from elva.training.negatives import mine
from elva.training.recipe import load_recipe
from elva.training.run import RunResult, train
from smallest import CREATE

SHORT = ["checkpoint.every_steps=2", "log.every_steps=1", "contrast.batch_size=4", "optimizer.lr=1e-3"]
STAGE3 = ["reinforce.queries_per_step=2", "reinforce.hard_negatives=2", "reinforce.random_negatives=1"]
STAGE3 += ["reinforce.rollouts.max_new_tokens=6"]


@dataclass(frozen=True)
class Chain:
    """A world and what the stages made of it."""

    world: Path
    home: Path

    def settings(self, *settings: str) -> list[str]:
        """Those of a short run in this world."""
        return [f"data.root={self.world}", "budget.steps=3", *SHORT, *settings]

    def run(self, name: str, *settings: str, out: str | None = None, resume: bool = False) -> RunResult:
        """Train a packaged recipe for a few steps."""
        return train(load_recipe(f"tiny/{name}", self.settings(*settings)), self.home / (out or name), resume)

    def model(self, name: str) -> str:
        return f"model.path={self.home / name / 'model'}"

    @property
    def captions(self) -> str:
        return f"data.captions={self.home / 'captions.jsonl'}"

    @property
    def negatives(self) -> str:
        return f"data.negatives={self.home / 'negatives.jsonl'}"

    def stage3(self, name: str, *settings: str, **where: Any) -> RunResult:
        return self.run(name, self.model("stage2"), self.captions, self.negatives, *STAGE3, *settings, **where)


def make_chain(world: Path, home: Path) -> Chain:
    """Base, captions, stages 1 and 2, mined negatives."""
    chain = Chain(world, home)
    base = chain.run("base", CREATE, "caption.batch_size=8")
    write_captions(world, Embedder.load(base.model), chain.home / "captions.jsonl")
    chain.run("stage1", chain.model("base"))
    stage2 = chain.run("stage2", chain.model("stage1"), chain.captions)
    mine(world, Embedder.load(stage2.model), chain.home / "negatives.jsonl", top=6)
    return chain


def metrics(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def untimed(run: Path) -> list[dict[str, Any]]:
    return [{key: value for key, value in row.items() if key != "seconds"} for row in metrics(run)]


def weights(run: Path) -> dict[str, torch.Tensor]:
    return load_file(run / "model" / "model.safetensors")


def assert_same_run(one: Path, other: Path) -> None:
    assert untimed(one) == untimed(other)
    a, b = weights(one), weights(other)
    assert a.keys() == b.keys()
    assert [name for name in a if not torch.equal(a[name], b[name])] == []
