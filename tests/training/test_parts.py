"""Reading in parts: the gradient of the whole, dropout included."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from elva.training.parts import PartwiseForward
from elva.training.recipe import load_recipe
from elva.training.run import train
from smallest import smallest_embedder


def gradient(size: int | None, dropout: float = 0.0) -> tuple[torch.Tensor, torch.Tensor]:
    """Of a loss that compares every row with every other, and the random number that is drawn after it."""
    torch.manual_seed(0)
    tower = nn.Sequential(nn.Linear(4, 8), nn.Dropout(dropout), nn.Tanh(), nn.Linear(8, 3))
    rows = torch.randn(7, 4)
    torch.manual_seed(1)
    reader = PartwiseForward(lambda part: [tower(rows[part]), tower[0](rows[part]).sum(-1)], 7, size)
    vectors, sums = reader.outputs
    (torch.logsumexp(vectors @ vectors.T, -1).sum() + (sums**2).sum()).backward()
    reader.backward()
    weights = torch.cat([parameter.grad.flatten() for parameter in tower.parameters()])
    return weights, torch.rand(1)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 50])
def test_parts_of_any_size_give_the_gradient_of_the_whole(size: int) -> None:
    torch.testing.assert_close(gradient(size)[0], gradient(None)[0], atol=1e-5, rtol=1e-5)


def test_a_part_draws_the_same_dropout_when_it_is_read_again() -> None:
    torch.manual_seed(0)
    tower = nn.Sequential(nn.Linear(4, 64), nn.Dropout(0.5))
    seen: list[torch.Tensor] = []

    def read(part: slice) -> list[torch.Tensor]:
        seen.append(tower(torch.ones(6, 4)[part]))
        return [seen[-1]]

    reader = PartwiseForward(read, 6, 2)
    reader.outputs[0].sum().backward()
    following = torch.get_rng_state()
    reader.backward()
    assert len(seen) == 6
    assert all(torch.equal(first, again) for first, again in zip(seen[:3], seen[3:], strict=True))
    assert not torch.equal(seen[0], seen[1])
    assert torch.equal(torch.get_rng_state(), following), "reading again draws nothing new"


def test_what_is_known_is_read_once_and_for_its_gradient_alone() -> None:
    torch.manual_seed(0)
    tower, rows, seen = nn.Linear(4, 3), torch.randn(7, 4), []

    def read(part: slice) -> list[torch.Tensor]:
        seen.append((part, torch.is_grad_enabled()))
        return [tower(rows[part])]

    found = []
    for known in (None, [tower(rows)]):
        seen.clear()
        reader = PartwiseForward(read, 7, 3, known=known)
        assert len(seen) == (0 if known else 3)
        torch.logsumexp(reader.outputs[0] @ reader.outputs[0].T, -1).sum().backward()
        reader.backward()
        found.append(tower.weight.grad.clone())
        tower.zero_grad()
    assert [gradients for _, gradients in seen] == [True] * 3
    torch.testing.assert_close(*found, atol=1e-5, rtol=1e-5)


def test_without_a_gradient_nothing_is_kept() -> None:
    tower = nn.Linear(4, 3)
    reader = PartwiseForward(lambda part: [tower(torch.ones(5, 4)[part])], 5, 2, learns=False)
    assert not reader.outputs[0].requires_grad


@pytest.mark.parametrize("extraction", ["one_word", "generative"])
def test_stage_2_learns_the_same_in_parts(world: Path, tmp_path: Path, extraction: str) -> None:
    smallest_embedder().save(tmp_path / "model")
    weights = []
    for name, size in (("whole", "null"), ("parts", "3")):
        settings = [
            f"data.root={world}",
            "data.datasets=[world]",
            f"model.path={tmp_path / 'model'}",
            f"extraction={extraction}",
            f"contrast.lm_weight={0.1 if extraction == 'generative' else 0}",
            f"contrast.prefill_weight={0.5 if extraction == 'generative' else 0}",
            "nested.lengths=[16, 8]",
            "contrast.batch_size=4",
            f"contrast.items_per_forward={size}",
            "budget.steps=2",
        ]
        result = train(load_recipe("tiny/stage2", settings), tmp_path / name)
        weights.append(load_file(result.model / "model.safetensors"))
    whole, parts = weights
    start = load_file(tmp_path / "model" / "model.safetensors")
    moved = max((whole[name] - start[name]).abs().max() for name in whole)
    assert moved > 1e-4
    assert max((whole[name] - parts[name]).abs().max() for name in whole) < 0.05 * moved
