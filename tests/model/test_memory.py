"""Ways to need less memory: half precision, layers computed again, two rows instead of a table."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from peft import LoraConfig

from elva.items import Item
from elva.model.embedder import Embedder
from elva.model.inputs import Inputs
from elva.model.rollout import Rollouts, given, replay
from families import CLASSES, save_family
from smallest import smallest_embedder

TARGETS = r".*language_model.*\.(q_proj|v_proj|down_proj)"


@pytest.fixture(params=CLASSES)
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return save_family(request.param, tmp_path / request.param)


def lora() -> LoraConfig:
    torch.manual_seed(0)
    return LoraConfig(r=2, lora_alpha=4, target_modules=TARGETS)


def reading(embedder: Embedder, items: list[Item]) -> Rollouts:
    inputs = Inputs(embedder.backbone, embedder.processor, embedder.features)
    summaries = given([embedder.processor.summary_ids("red circle")] * len(items), embedder.dimension)
    return replay(embedder.backbone, embedder.processor, inputs.collate(inputs.prepare(items, "generative")), summaries)


def gradients(embedder: Embedder, items: list[Item]) -> tuple[dict[str, torch.Tensor], int]:
    """Of a loss on embeddings and log-probabilities, and the bytes that were held for the backward pass."""
    held: dict[int, int] = {}

    def hold(tensor: torch.Tensor) -> torch.Tensor:
        held[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(hold, lambda tensor: tensor):
        read = reading(embedder, items)
    (read.embeddings[:, 0, 0].sum() - read.logprobs.sum()).backward()
    found = {name: p.grad.clone() for name, p in embedder.backbone.trainable_parameters().items()}
    embedder.backbone.zero_grad(set_to_none=True)
    return found, sum(held.values())


def disturb(embedder: Embedder) -> None:
    """B of an adapter starts at zero, and then A has no gradient."""
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in embedder.backbone.trainable_parameters().values():
            parameter.add_(torch.randn_like(parameter) * 0.05)


def test_layers_computed_again_give_the_same_gradient_in_less_memory(folder: Path, items: list[Item]) -> None:
    found = []
    for recompute in (False, True):
        embedder = Embedder.load(folder)
        embedder.backbone.open_training("lora", lora(), embedder.processor.ret_id, recompute)
        disturb(embedder)
        found.append(gradients(embedder, items * 4))
    (kept, kept_bytes), (again, again_bytes) = found
    assert kept.keys() == again.keys()
    for name in kept:
        assert kept[name].abs().max() > 0, name
        torch.testing.assert_close(again[name], kept[name], atol=1e-6, rtol=1e-5)
    assert again_bytes < 0.6 * kept_bytes


def test_with_layers_computed_again_the_model_still_writes(items: list[Item]) -> None:
    plain, again = smallest_embedder(), smallest_embedder()
    again.backbone.open_training("lora", lora(), again.processor.ret_id, recompute=True)
    again.backbone.train()
    assert again.embed(items).summaries == plain.embed(items).summaries


def test_frozen_weights_in_bfloat16_and_an_adapter_in_float32(folder: Path, items: list[Item]) -> None:
    exact, half = Embedder.load(folder), Embedder.load(folder, dtype=torch.bfloat16)
    for embedder in (exact, half):
        embedder.backbone.open_training("lora", lora(), embedder.processor.ret_id)
        disturb(embedder)
    trained = half.backbone.trainable_parameters()
    assert {parameter.dtype for parameter in trained.values()} == {torch.float32}
    assert {p.dtype for p in half.backbone.parameters() if not p.requires_grad} == {torch.bfloat16}
    expected, _ = gradients(exact, items)
    found, _ = gradients(half, items)
    for name in expected:
        assert found[name].dtype == torch.float32
        cosine = torch.nn.functional.cosine_similarity(found[name].flatten(), expected[name].flatten(), dim=0)
        assert cosine > 0.95, name
    vectors = half.embed(items).vectors
    assert vectors.dtype == "float32"
    assert abs((vectors**2).sum(-1) - 1).max() < 1e-5


def test_weights_that_train_stay_float32_while_products_are_bfloat16(items: list[Item], tmp_path: Path) -> None:
    smallest_embedder().save(tmp_path / "model")
    exact = Embedder.load(tmp_path / "model")
    mixed = Embedder.load(tmp_path / "model", compute_dtype=torch.bfloat16)
    for embedder in (exact, mixed):
        embedder.backbone.open_training("language_model")
    assert {p.dtype for p in mixed.backbone.parameters()} == {torch.float32}
    expected, found = gradients(exact, items)[0], gradients(mixed, items)[0]
    assert any(not torch.equal(expected[name], found[name]) for name in expected)
    for name in expected:
        cosine = torch.nn.functional.cosine_similarity(found[name].flatten(), expected[name].flatten(), dim=0)
        assert cosine > 0.95, name


def test_a_checkpoint_stored_in_bfloat16_is_the_same_model_in_either_precision(tmp_path: Path) -> None:
    embedder = smallest_embedder()
    embedder.backbone.plain.to(torch.bfloat16)
    embedder.save(tmp_path / "half")
    wide, narrow = (Embedder.load(tmp_path / "half", dtype=dtype) for dtype in (torch.float32, torch.bfloat16))
    assert wide.fingerprint == narrow.fingerprint
    assert smallest_embedder(seed=1).fingerprint != wide.fingerprint


@pytest.mark.parametrize("family", ["qwen2_vl", "qwen2_5_vl"])  # tied and untied tables
def test_the_rows_of_ret_read_and_write_as_if_they_lay_in_the_tables(family: str, tmp_path: Path) -> None:
    backbone = (embedder := Embedder.load(save_family(family, tmp_path / family))).backbone
    ret = embedder.processor.ret_id
    backbone.open_training("lora", lora(), ret)
    disturb(embedder)
    ids, hidden = torch.tensor([[5, ret, 6]]), torch.randn(2, 3, embedder.dimension)
    with torch.no_grad():
        embedded, logits = backbone.embed(ids), backbone.logits(hidden)
        with backbone.without_adapter():
            untrained = backbone.logits(hidden)
        backbone.merge_adapter()
        torch.testing.assert_close(backbone.embed(ids), embedded, atol=0, rtol=0)
        torch.testing.assert_close(backbone.logits(hidden), logits, atol=1e-6, rtol=1e-6)
    assert backbone.rows is None
    assert not torch.equal(untrained[..., ret], logits[..., ret])
    assert torch.equal(untrained[..., :ret], logits[..., :ret])
