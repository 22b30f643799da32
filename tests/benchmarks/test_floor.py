"""The floor of a step of stage 3 against numbers worked by hand."""

from __future__ import annotations

import pytest

from floor import Counts, Part, Sizes, floor, table

SIZES = Sizes(
    hidden=4,
    layers=1,
    intermediate=8,
    heads=2,
    kv_heads=1,
    head_dim=2,
    vocabulary=10,
    vision_layers=1,
    vision_width=2,
    vision_ratio=2,
    patch=1,
    merge=1,
    number=2,
)
COUNTS = Counts(items=2, text=1, visual=2, pictures=2, group=2, written=2)


def test_the_matrices_of_a_layer_are_counted_once_each() -> None:
    queries = output = 4 * 4
    keys = values = 4 * 2
    gate = up = down = 4 * 8
    assert SIZES.layer_weights == queries + output + keys + values + gate + up + down == 144


def test_a_published_model_has_its_published_number_of_weights() -> None:
    # 1.54 billion of the 2.2 are the language model's, its table of tokens among them
    assert Sizes().language_weights + Sizes().head_weights == pytest.approx(1.54e9, rel=0.01)


def test_turns_are_read_once_and_see_themselves() -> None:
    # 2 turns of 3 tokens; in each the first sees 1 place, then 2, then 3; a pair costs 2 x 2 heads x 2 numbers, twice
    assert floor(SIZES, COUNTS)["prefill"] == Part(6, 2 * 144 * 6 + 16 * 2 * (1 + 2 + 3))


def test_written_tokens_see_the_turn_and_their_own_summary() -> None:
    part = floor(SIZES, COUNTS)["decode"]
    assert part.tokens == 2 * 2 * 2
    assert part.flops == 2 * (144 + 4 * 10) * 8 + 16 * 4 * ((3 + 1) + (3 + 2))


def test_decoding_moves_weights_once_a_token_and_the_cache_of_all_items() -> None:
    weights = 2 * (144 + 40) * 2  # 2 steps, 2 bytes a number
    cache = 2 * ((3 + 2 * 1) + (3 + 2 * 2)) * 8  # 2 items; a turn once, and 1 then 2 tokens of each of 2 rollouts
    assert floor(SIZES, COUNTS)["decode"].moved == weights + cache


def test_the_tower_sees_every_picture_once() -> None:
    cut, block, merger = 3 * 2 * 1 * 2, (4 + 2 * 2) * 2 * 2, 2 * (2 + 4)
    attention = 4 * 2 * 2**2
    assert floor(SIZES, COUNTS)["vision"] == Part(4, 2 * (2 * 2 * (cut + block + merger) + attention))


@pytest.mark.parametrize(("lora", "times"), [(False, 2), (True, 1)])
def test_going_back_costs_two_forward_passes_or_one_with_an_adapter(lora: bool, times: int) -> None:
    parts = floor(SIZES, COUNTS, lora)
    assert parts["forward"].flops == parts["reference"].flops == parts["prefill"].flops + parts["decode"].flops
    assert parts["backward"].flops == times * parts["forward"].flops


def test_a_part_takes_as_long_as_what_limits_it() -> None:
    assert Part(1, flops=50, moved=10).seconds(flops=10, moved=10) == 5
    assert Part(1, flops=50, moved=90).seconds(flops=10, moved=10) == 9


def test_what_was_measured_stands_beside_its_part() -> None:
    shown, figures = table({"prefill": Part(6, 100.0)}, 10.0, 1.0, {"prefill": 12.5, "the rest": 1.0})
    assert "| prefill | 6 | 0.0 |  | 10 | 100% | 12.5 |" in shown
    assert "| the rest |  |  |  |  |  | 1 |" in shown
    assert figures["prefill"] == {"tokens": 6, "flops": 100.0, "bytes": 0.0, "seconds": 10.0, "measured": 12.5}
