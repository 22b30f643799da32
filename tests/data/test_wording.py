from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elva.data.brands import Brands
from elva.data.wording import PLACEHOLDER, Vocabulary, singular

VALUES = {
    "gender": ["men", "women", "unisex"],
    "colour": ["red", "navy blue"],
    "brand": ["nike", "red tape"],
    "type": ["sports shoes", "watches", "tshirts"],
    "usage": ["sports", "casual"],
}
SHOP = Vocabulary("type", tuple(VALUES))
LEXICON = SHOP.lexicon(VALUES)


@st.composite
def grain_sets(draw: st.DrawFn) -> dict[str, str]:
    kinds = {"type", *draw(st.sets(st.sampled_from(list(VALUES))))}
    return {kind: draw(st.sampled_from(VALUES[kind])) for kind in VALUES if kind in kinds}


def test_the_caption_is_in_the_order_of_the_kinds() -> None:
    values = {"usage": "casual", "type": "watches", "gender": "men", "colour": "red"}
    assert SHOP.caption(values) == "men red watches casual"


@given(grain_sets(), st.integers(0, 10**6))
def test_spans_are_the_words_and_masking_takes_just_them(values: dict[str, str], seed: int) -> None:
    wording = SHOP.draw(values, random.Random(seed))
    grains = wording.grains()
    assert {grain.kind for grain in grains} == set(values)
    for grain in grains:
        assert grain.span is not None
        assert wording.text[slice(*grain.span)] == grain.text
        assert grain.masked_txt
        assert len(grain.masked_txt.split()) < len(wording.text.split()) + (grain.kind == "type")
        assert (PLACEHOLDER in grain.masked_txt.split()) == (grain.kind == "type")


@given(grain_sets(), st.integers(0, 10**6))
def test_the_lexicon_reads_back_what_a_wording_says(values: dict[str, str], seed: int) -> None:
    text = SHOP.draw(SHOP.telling(values), random.Random(seed)).text
    assert [dict(entity) for entity in LEXICON.parse(text).entities] == [SHOP.telling(values)]


@given(grain_sets(), st.integers(0, 10**6))
def test_another_wording_says_the_same(values: dict[str, str], seed: int) -> None:
    rng, said = random.Random(seed), SHOP.telling(values)
    first = SHOP.draw(said, rng)
    second = SHOP.draw_another(first, said, rng)
    assert LEXICON.parse(second) == LEXICON.parse(first.text)
    assert second != first.text or said.keys() == {"type"} or said.get("gender") == "unisex"


def test_a_value_that_the_noun_says_adds_nothing() -> None:
    values = {"type": "sports shoes", "usage": "sports", "gender": "men"}
    assert SHOP.telling(values) == {"type": "sports shoes", "gender": "men"}


@pytest.mark.parametrize(
    ("plural", "one"),
    [
        ("tshirts", "tshirt"),
        ("watches", "watch"),
        ("dresses", "dress"),
        ("flip flops", "flip flop"),
        ("shoe accessories", "shoe accessory"),
        ("scarves", "scarf"),
        ("track pants", None),
        ("jeans", None),
        ("dress", None),
        ("bra", None),
    ],
)
def test_singulars(plural: str, one: str | None) -> None:
    assert singular(plural) == one


TITLES = [
    *["Nike Air Men Shoes", "Nike Blue Shirt", "Nike Run Shoes"] * 4,
    *["Red Tape Men Brown Shoes", "Red Tape Shirt", "Red Rose Bra", "Red Rose Top"] * 5,
    *["United Colors of Benetton Men Tie", "United Colors of Benetton Scarf"] * 6,
    *["Blue Shirt", "Men Shirt"] * 9,
]
BRANDS = Brands(TITLES, {"red", "blue", "brown", "men", "women"}, minimum=10)


@pytest.mark.parametrize(
    ("title", "brand"),
    [
        ("Nike Women Blue Shoes", "nike"),
        ("NIKE Air Max", "nike"),
        ("Red Tape Women Shoes", "red tape"),
        ("Red Rose Nightdress", "red rose"),
        ("Red Shirt", None),
        ("Blue Shirt", None),
        ("United Colors of Benetton Women Top", "united colors of benetton"),
        ("Unheard Of Shirt", None),
    ],
)
def test_brands_are_read_off_the_beginnings(title: str, brand: str | None) -> None:
    assert BRANDS.find(title) == brand
