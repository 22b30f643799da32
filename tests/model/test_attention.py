"""Sights: what each token of a forward sees, against one mask over one long sequence."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from elva.model.attention import Behind, Causal, Reading, Writing

BATCH, HEADS, KEYS, WIDTH, PREFIX, GROUPS, STEPS = 2, 4, 2, 8, 5, 3, 4
SCALE = 0.3


def drawn(heads: int, places: int, seed: int) -> Tensor:
    return torch.randn(BATCH, heads, places, WIDTH, generator=torch.Generator().manual_seed(seed))


def by_mask(query: Tensor, key: Tensor, value: Tensor, seen: Tensor) -> Tensor:
    """(B, S, H, d) by the formula: softmax of scaled products, keys repeated for the heads that share them."""
    key, value = (each.repeat_interleave(query.shape[1] // each.shape[1], 1) for each in (key, value))
    scores = (query @ key.mT * SCALE).masked_fill(~seen, float("-inf"))
    return (scores.softmax(-1) @ value).transpose(1, 2)


@pytest.fixture
def mask() -> Tensor:
    """The second prefix is two tokens shorter, and padded on the left."""
    mask = torch.ones(BATCH, PREFIX, dtype=torch.bool)
    mask[1, :2] = False
    return mask


@pytest.fixture(params=["none", "some"])
def apart(request: pytest.FixtureRequest) -> Tensor | None:
    """Tokens that don't see the prefix, the first one of a rollout among them; or none."""
    if request.param == "none":
        return None
    apart = torch.zeros(BATCH, GROUPS, STEPS, dtype=torch.bool)
    apart[0, 0, 2] = apart[0, 2, 3] = apart[1, 1, 0] = True
    return apart


def prefix_seen(mask: Tensor) -> Tensor:
    return (torch.ones(PREFIX, PREFIX).tril().bool() & mask[:, None]) | torch.eye(PREFIX).bool()


def whole_seen(mask: Tensor, apart: Tensor | None = None) -> Tensor:
    """(B, 1, S, S) of prefix and rollouts, place by place; tokens that stand apart don't see the prefix."""
    size = PREFIX + GROUPS * STEPS
    seen = torch.zeros(BATCH, size, size, dtype=torch.bool)
    seen[:, :PREFIX, :PREFIX] = prefix_seen(mask)
    for group in range(GROUPS):
        for step in range(STEPS):
            place, start = PREFIX + group * STEPS + step, PREFIX + group * STEPS
            seen[:, place, :PREFIX] = mask if apart is None else mask & ~apart[:, group, step, None]
            seen[:, place, start : place + 1] = True
    return seen.unsqueeze(1)


def test_a_prefix_sees_itself_up_to_each_token_and_no_padding(mask: Tensor) -> None:
    query, key, value = drawn(HEADS, PREFIX, 0), drawn(KEYS, PREFIX, 1), drawn(KEYS, PREFIX, 2)
    found = Causal(mask).attend(0, query, key, value, SCALE, 0.0)
    torch.testing.assert_close(found, by_mask(query, key, value, prefix_seen(mask).unsqueeze(1)), atol=1e-6, rtol=1e-5)


def test_rollouts_that_are_read_see_their_prefix_and_themselves(mask: Tensor, apart: Tensor | None) -> None:
    size = PREFIX + GROUPS * STEPS
    given = [drawn(heads, size, seed).requires_grad_() for seed, heads in enumerate((HEADS, KEYS, KEYS))]
    weight = torch.randn(BATCH, size, HEADS, WIDTH, generator=torch.Generator().manual_seed(9))
    found = Reading(mask, GROUPS, STEPS, apart).attend(0, *given, SCALE, 0.0)
    expected = by_mask(*given, whole_seen(mask, apart))
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-5)
    gradients = [torch.autograd.grad((each * weight).sum(), given, retain_graph=True) for each in (found, expected)]
    for ours, plain in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, plain, atol=1e-5, rtol=1e-4)


def test_texts_behind_a_prefix_that_was_read_before_see_what_rollouts_see(mask: Tensor) -> None:
    size = PREFIX + GROUPS * STEPS
    query, key, value = drawn(HEADS, size, 0), drawn(KEYS, size, 1), drawn(KEYS, size, 2)
    expected = by_mask(query, key, value, whole_seen(mask))[:, PREFIX:].unflatten(1, (GROUPS, STEPS))
    causal = Causal(mask, remember=True)
    causal.attend(0, *(each[:, :, :PREFIX] for each in (query, key, value)), SCALE, 0.0)
    rows, groups = torch.tensor([1, 0, 1]), torch.tensor([0, 2, 1])
    some = [each[:, :, PREFIX:].unflatten(2, (GROUPS, STEPS))[rows, :, groups] for each in (query, key, value)]
    found = Behind(causal, rows, STEPS).attend(0, *some, SCALE, 0.0)
    torch.testing.assert_close(found, expected[rows, groups], atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("leaves", [False, True])
def test_rollouts_that_are_written_see_what_they_would_see_when_read(
    mask: Tensor, apart: Tensor | None, leaves: bool
) -> None:
    size = PREFIX + GROUPS * STEPS
    query, key, value = drawn(HEADS, size, 0), drawn(KEYS, size, 1), drawn(KEYS, size, 2)
    expected = by_mask(query, key, value, whole_seen(mask, apart))[:, PREFIX:].unflatten(1, (GROUPS, STEPS))
    causal = Causal(mask, remember=True)
    causal.attend(0, *(each[:, :, :PREFIX] for each in (query, key, value)), SCALE, 0.0)
    writing, rows = Writing(causal, GROUPS, STEPS), torch.tensor([True, True])
    for step in range(STEPS):
        if leaves and step == 2:
            rows = torch.tensor([False, True])
            writing.keep(rows)
        writing.step = step
        if apart is not None:
            writing.set_apart(apart[rows, :, step])
        now = [each[rows, :, PREFIX:].unflatten(2, (GROUPS, STEPS))[:, :, :, step] for each in (query, key, value)]
        found = writing.attend(0, *now, SCALE, 0.0)
        torch.testing.assert_close(found, expected[rows][:, :, step], atol=1e-6, rtol=1e-5)


def test_heads_that_share_a_key_are_told_apart(mask: Tensor) -> None:
    """Were they exchanged on the way, each would come back as another."""
    query, key, value = drawn(HEADS, PREFIX, 0), drawn(KEYS, PREFIX, 1), drawn(KEYS, PREFIX, 2)
    whole = Causal(mask).attend(0, query, key, value, SCALE, 0.0)
    for head in range(HEADS):
        own = head // (HEADS // KEYS)
        alone = Causal(mask).attend(
            0, query[:, head : head + 1], key[:, own : own + 1], value[:, own : own + 1], SCALE, 0.0
        )
        torch.testing.assert_close(whole[:, :, head], alone[:, :, 0], atol=1e-6, rtol=1e-5)


def test_dropped_weights_are_scaled_up(mask: Tensor) -> None:
    query, key = torch.zeros(BATCH, HEADS, PREFIX, WIDTH), torch.zeros(BATCH, KEYS, PREFIX, WIDTH)
    torch.manual_seed(0)
    found = Causal(mask).attend(0, query, key, torch.ones_like(key), SCALE, 0.5)
    last = found[0, -1, :, 0] * PREFIX / 2  # each of the five weights is 0 or 2 / 5
    torch.testing.assert_close(last, last.round(), atol=1e-5, rtol=0)
    assert not torch.equal(found, torch.ones_like(found))
