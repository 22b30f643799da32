"""Layers spread over processes: each holds its part, also after a forward."""

from __future__ import annotations

import os

import pytest
import torch
import torch.distributed as dist
from torch.distributed.tensor import DTensor

from elva.model.attention import Causal
from elva.model.backbone import Backbone
from elva.training.sharding import clip_gradients, gathered, put_together, shard
from elva.training.team import Team
from smallest import smallest_embedder


@pytest.fixture
def backbone(monkeypatch: pytest.MonkeyPatch) -> Backbone:
    """A sharded model in a team whose one process stands for all."""
    for name, value in {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "0", "RANK": "0", "WORLD_SIZE": "1"}.items():
        monkeypatch.setitem(os.environ, name, value)
    store = dist.HashStore()
    dist.init_process_group("gloo", store=store, rank=0, world_size=1)
    model = smallest_embedder().backbone
    model.open_training("language_model")
    shard(model, Team())
    yield model
    dist.destroy_process_group()


def forward(model: Backbone) -> torch.Tensor:
    inputs = torch.randn(2, 5, model.dimension)
    places = torch.arange(5).expand(3, 2, -1)
    return model.language(inputs, places, Causal(torch.ones(2, 5, dtype=torch.bool)))


def spread(model: Backbone) -> bool:
    return all(isinstance(each, DTensor) for layer in model.layers for each in layer.parameters())


def test_layers_are_parts_before_and_after_a_forward_and_whole_only_when_asked(backbone: Backbone) -> None:
    assert spread(backbone)
    with torch.no_grad():
        forward(backbone)
    assert spread(backbone), "else a device would hold the whole model in the end"
    with put_together(backbone):
        assert not spread(backbone)
        with torch.no_grad():
            forward(backbone)
        assert not spread(backbone)
    assert spread(backbone)
    assert not isinstance(backbone.embedding_table.weight, DTensor)


def test_parts_and_wholes_are_clipped_and_gathered_together(backbone: Backbone) -> None:
    forward(backbone).square().sum().backward()
    parameters = backbone.trainable_parameters()
    used = {name: p for name, p in parameters.items() if p.grad is not None}
    expected = torch.cat([gathered({"g": p.grad}, Team())["g"].flatten() for p in used.values()]).norm()
    norm = clip_gradients(parameters.values(), 0.5, Team())
    assert norm == pytest.approx(float(expected), rel=1e-5)
    clipped = torch.cat([gathered({"g": p.grad}, Team())["g"].flatten() for p in used.values()]).norm()
    assert float(clipped) == pytest.approx(0.5, rel=1e-4)
