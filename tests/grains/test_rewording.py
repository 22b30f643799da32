"""The same text in other words, by rule."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elva.data.world import lexicon
from elva.data.world.language import describe
from elva.data.world.scenes import draw_scene
from elva.grains import grain_distance_matrix
from elva.grains.rewording import rewordings

WORLD = lexicon()


@pytest.mark.parametrize(
    ("text", "other"),
    [
        ("a red dress with silver buttons and long sleeves", "a red dress with long sleeves and silver buttons"),
        ("a red dress with silver buttons", "a red dress that has silver buttons"),
        ("shoes that have thick soles", "shoes with thick soles"),
        ("a red and white dress", "a white and red dress"),
        ("a small red hat", "a red small hat"),
        ("a small hat", "a little hat"),
        ("a violet orange", "a purple orange"),
        ("a cat next to a sofa", "a cat beside a couch"),
        ("a cat on a mat", "cat on mat"),
        ("red hat", "a red hat"),
        ("red hat", "Red hat."),
        ("A cat.", "A cat"),
        ("Nike Air Max 90, black/white", "Nike Air Max 90, white/black."),
        ("rotes Kleid", "Rotes Kleid."),
    ],
)
def test_a_text_is_said_in_other_words(text: str, other: str) -> None:
    assert other in rewordings(text)


@pytest.mark.parametrize(
    ("text", "never"),
    [
        ("a cat and a dog with spots", "a dog and a cat with spots"),
        ("a hat above a cat and a dog", "a hat above a dog and a cat"),
        ("brown leather boots", "leather brown boots"),
        ("two hats", "a two hats"),
        ("Barack Obama", "a Barack Obama"),
    ],
)
def test_a_rule_is_left_out_where_it_would_change_the_meaning(text: str, never: str) -> None:
    assert never not in rewordings(text)


@given(text=st.text(max_size=60))
def test_rewordings_of_any_text_are_distinct_and_no_copies(text: str) -> None:
    for known in (None, WORLD):
        found = rewordings(text, known)
        assert len(set(found)) == len(found)
        assert text not in found
        assert all(each.strip() for each in found)


@given(seed=st.integers(0, 2**32))
def test_no_grain_of_the_world_changes_in_other_words(seed: int) -> None:
    from random import Random

    rng = Random(seed)
    text = describe(draw_scene(rng), rng)
    found = rewordings(text, WORLD)
    assert len(found) >= 3
    said = WORLD.parse(text)
    assert grain_distance_matrix([said], [WORLD.parse(each) for each in found], WORLD).max() == 0, found
