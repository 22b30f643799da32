"""Group-relative policy optimisation against numbers worked by hand."""

from __future__ import annotations

from math import exp

import pytest
import torch

from elva.objectives.policy import group_advantage, kl_k3, policy_loss, zero_variance_share


def test_advantage_is_centred_and_scaled():
    # mean 2, unbiased std 1
    torch.testing.assert_close(
        group_advantage(torch.tensor([[1.0, 2.0, 3.0]])), torch.tensor([[-1.0, 0.0, 1.0]]) / (1 + 1e-4)
    )
    torch.testing.assert_close(
        group_advantage(torch.tensor([[1.0, 2.0, 3.0]]), scale_by_std=False), torch.tensor([[-1.0, 0.0, 1.0]])
    )


def test_groups_without_variance_are_counted():
    reward = torch.tensor([[0.5, 0.5], [0.1, 0.2]])
    assert zero_variance_share(reward).item() == 0.5
    assert group_advantage(reward)[0].abs().max() == 0


def test_k3_by_hand():
    assert kl_k3(torch.tensor(-1.0), torch.tensor(-1.5)).item() == pytest.approx(exp(-0.5) + 0.5 - 1)
    assert kl_k3(torch.tensor(-1.0), torch.tensor(-1.0)).item() == 0.0


def shaped(values):
    """One query, one summary per rollout: (Q=1, M=1, G, T)."""
    return torch.tensor(values)[None, None]


def test_on_policy_the_value_vanishes_and_the_gradient_does_not():
    logprob = shaped([[-1.0, -2.0], [-0.5, -0.5]]).requires_grad_()
    advantage = torch.tensor([[[1.0, -1.0]]])
    mask = torch.ones(1, 1, 2, 2, dtype=torch.bool)
    result = policy_loss(logprob, logprob.detach(), None, advantage, mask, max_new_tokens=2, kl_beta=0.0)
    assert result.loss.item() == 0.0
    result.loss.backward()
    # -A / (2 tokens * 2 summaries)
    torch.testing.assert_close(logprob.grad, shaped([[-0.25, -0.25], [0.25, 0.25]]))


def test_k3_with_a_limit_by_hand():
    far = torch.tensor(-20.0, requires_grad=True)
    assert kl_k3(torch.tensor(-1.0), far, 11.0).item() == pytest.approx(exp(-11) + 11 - 1)
    assert kl_k3(torch.tensor(-1.0), torch.tensor(-1.5), 11.0) == kl_k3(torch.tensor(-1.0), torch.tensor(-1.5))
    kl_k3(far, torch.tensor(-1.0), 11.0).backward()
    assert far.grad == 0, "beyond the limit nothing pulls"


def test_clip_and_kl_by_hand():
    logprob, sampled = shaped([[-1.0], [-1.0]]), shaped([[-1.5], [-1.0]])
    reference = shaped([[-1.0], [-2.0]])
    advantage = torch.tensor([[[2.0, -1.0]]])
    mask = torch.ones(1, 1, 2, 1, dtype=torch.bool)
    result = policy_loss(logprob, sampled, reference, advantage, mask, max_new_tokens=1, kl_beta=0.2)
    # rollout 0: ratio e^.5 = 1.65 is clipped to 1.2, loss -2.4; rollout 1: ratio 1, loss +1, KL e^-1 + 1 - 1
    expected = (-2.4 + 1.0 + 0.2 * exp(-1)) / 2
    assert result.loss.item() == pytest.approx(expected, abs=1e-6)
    assert result.clip_share.item() == 0.5
    assert result.kl.item() == pytest.approx(exp(-1) / 2, abs=1e-6)


def test_aggregations_by_hand():
    # two summaries of one and three tokens; every token's loss is -1
    logprob = torch.zeros(1, 1, 2, 3)
    mask = torch.tensor([[[[True, False, False], [True, True, True]]]])
    advantage = torch.tensor([[[4.0, 1.0]]])
    losses = {
        name: policy_loss(
            logprob, logprob, None, advantage, mask, max_new_tokens=5, kl_beta=0.0, aggregation=name
        ).loss.item()
        for name in ("grpo", "dapo", "dr_grpo")
    }
    assert losses["grpo"] == pytest.approx(-(4.0 + 1.0) / 2)
    assert losses["dapo"] == pytest.approx(-(4.0 + 3.0) / 4)
    assert losses["dr_grpo"] == pytest.approx(-(4.0 + 3.0) / (2 * 5)), "over what might have been written"


def test_the_constant_of_dr_grpo_does_not_move_with_the_padding():
    def loss(width):
        logprob, mask = torch.zeros(1, 1, 2, width), torch.zeros(1, 1, 2, width, dtype=torch.bool)
        mask[..., :2] = True
        advantage = torch.tensor([[[4.0, 1.0]]])
        settings = {"max_new_tokens": 9, "kl_beta": 0.0, "aggregation": "dr_grpo"}
        return policy_loss(logprob, logprob, None, advantage, mask, **settings).loss.item()

    assert loss(2) == loss(7) == pytest.approx(-2 * (4.0 + 1.0) / (2 * 9))


def test_masked_tokens_carry_no_credit():
    logprob = torch.zeros(1, 1, 2, 2, requires_grad=True)
    mask = torch.tensor([[[[True, False], [True, False]]]])
    advantage = torch.tensor([[[1.0, -1.0]]])
    policy_loss(logprob, torch.zeros(1, 1, 2, 2), None, advantage, mask, max_new_tokens=2).loss.backward()
    assert logprob.grad[..., 1].abs().max() == 0
    assert logprob.grad[..., 0].abs().min() > 0
