"""The rows of a batch: a function of seed and number, each row once an epoch."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from elva.training.epochs import batch_places, batches_of


@given(st.integers(1, 40), st.integers(1, 10), st.integers(0, 5))
def test_an_epoch_holds_every_row_at_most_once(total: int, size: int, seed: int) -> None:
    count = batches_of(total, size)
    for epoch in (0, 1):
        numbers = range(epoch * count, (epoch + 1) * count)
        places = [place for number in numbers for place in batch_places(seed, number, total, size).tolist()]
        assert len(places) == len({*places}) == min(total, count * size)
        assert all(0 <= place < total for place in places)


def test_the_order_is_that_of_seed_and_epoch() -> None:
    first, again, other, later = (
        batch_places(seed, number, 30, 30).tolist() for seed, number in ((0, 0), (0, 0), (1, 0), (0, 1))
    )
    assert first == again
    assert len({*map(tuple, (first, other, later))}) == 3
