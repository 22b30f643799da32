"""What every objective on an order of candidates must hold, whatever the cosines and differences."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from elva.objectives.listwise import cosent, list_mle, listwise_reward, regression_loss
from elva.objectives.ndcg import approx_ndcg, lambda_rank

Loss = Callable[[Tensor, Tensor], Tensor]
BY_ORDER: dict[str, Loss] = {
    "listwise": lambda similarity, h: -listwise_reward(similarity, h),
    "list_mle": list_mle,
    "cosent": cosent,
    "approx_ndcg": approx_ndcg,
}
"""Those that never rise where a nearer candidate gets the higher one of two cosines."""
ALL: dict[str, Loss] = BY_ORDER | {"lambda_rank": lambda_rank, "regression": regression_loss}

COSINES = st.integers(-20, 20).map(lambda n: n / 20)
"""Coarse, so that ties come up; no nearer than a rounding error."""
GRAINS = st.sampled_from([0.0, 1.0, 1.5, 2.0, 7.0, float("nan")])
ROWS = st.lists(st.tuples(COSINES, GRAINS), min_size=2, max_size=7)


def row(pairs: list[tuple[float, float]]) -> tuple[Tensor, Tensor]:
    similarity, h = zip(*pairs, strict=True)
    return torch.tensor([similarity], dtype=torch.float64), torch.tensor([h], dtype=torch.float64)


@pytest.mark.parametrize("name", ALL)
@given(pairs=ROWS, random=st.randoms())
def test_the_order_in_which_candidates_are_given_does_not_matter(
    name: str, pairs: list[tuple[float, float]], random: Random
) -> None:
    # two of one cosine rank in the order of the row, which LambdaRank's weights see
    pairs = [(cosine + place * 1e-4, h) for place, (cosine, h) in enumerate(pairs)]
    shuffled = random.sample(pairs, len(pairs))
    torch.testing.assert_close(ALL[name](*row(shuffled)), ALL[name](*row(pairs)))


@pytest.mark.parametrize("name", BY_ORDER)
@given(pairs=ROWS, places=st.tuples(st.integers(0, 6), st.integers(0, 6)))
def test_a_better_order_is_never_worse(name: str, pairs: list[tuple[float, float]], places: tuple[int, int]) -> None:
    first, second = (place % len(pairs) for place in places)
    near, far = sorted((pairs[first], pairs[second]), key=lambda pair: pair[1])
    if first == second or not near[1] < far[1]:
        return
    rest = [pair for place, pair in enumerate(pairs) if place not in (first, second)]
    low, high = sorted((near[0], far[0]))
    better = ALL[name](*row([(high, near[1]), (low, far[1]), *rest]))
    worse = ALL[name](*row([(low, near[1]), (high, far[1]), *rest]))
    assert better.item() <= worse.item() + 1e-9


@pytest.mark.parametrize("name", ALL)
@given(pairs=ROWS, cosines=st.lists(COSINES, min_size=1, max_size=3), random=st.randoms())
def test_what_is_unknown_does_not_matter(
    name: str, pairs: list[tuple[float, float]], cosines: list[float], random: Random
) -> None:
    pairs = [(cosine + place * 1e-4, h) for place, (cosine, h) in enumerate(pairs)]
    more = [*pairs, *((cosine, float("nan")) for cosine in cosines)]
    random.shuffle(more)
    torch.testing.assert_close(ALL[name](*row(more)), ALL[name](*row(pairs)))


@pytest.mark.parametrize("name", ALL)
@given(pairs=ROWS)
def test_the_gradient_is_finite_and_0_for_what_is_unknown(name: str, pairs: list[tuple[float, float]]) -> None:
    similarity, h = row(pairs)
    similarity = similarity.float().requires_grad_()
    ALL[name](similarity, h.float()).sum().backward()
    assert torch.isfinite(similarity.grad).all()
    assert (similarity.grad[h.isnan()] == 0).all()


@pytest.mark.parametrize("name", ALL)
def test_rows_and_rollouts_are_told_apart(name: str) -> None:
    drawn = torch.Generator().manual_seed(0)
    similarity = torch.rand(2, 3, 5, generator=drawn)
    h = torch.randint(0, 4, (3, 5), generator=drawn).float().expand(2, -1, -1)
    whole = ALL[name](similarity, h)
    if name == "regression":  # one weighted mean over everything
        assert whole.shape == ()
        return
    assert whole.shape == (2, 3)
    torch.testing.assert_close(whole[1, 2], ALL[name](similarity[1, 2:], h[1, 2:])[0])
