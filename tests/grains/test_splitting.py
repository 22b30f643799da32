"""Free text split into grains by rule, and what is left of a text without each."""

from __future__ import annotations

import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from elva.data.world import lexicon
from elva.errors import InputError
from elva.grains.masking import ANYTHING, mend
from elva.grains.splitting import CHOSEN, MOST, choose_grains, split_text

WORLD = lexicon()
GLUE = [
    "a",
    "an",
    "the",
    "with",
    "without",
    "no",
    "and",
    "or",
    ",",
    "/",
    ".",
    '"',
    "is",
    "that",
    "has",
    "but",
    "in",
    "of",
]
SAYING = [
    "red",
    "light",
    "very",
    "striped",
    "silver",
    "dress",
    "buttons",
    "above",
    "on",
    "next",
    "to",
    "chasing",
    "running",
]
ODD = ["two", "10", "cm", "size", "Nike", "Air", "it", "make", "same", "ö", "红色", "🔥"]
words = st.sampled_from(GLUE + SAYING + ODD)
texts = st.one_of(st.text(max_size=60), st.lists(words, max_size=14).map(" ".join))


def named(text: str) -> list[tuple[str, str]]:
    return [(grain.kind, grain.text) for grain in split_text(text).grains]


def without(text: str, words: str) -> str | None:
    return next(grain.masked_txt for grain in split_text(text).grains if grain.text == words)


@pytest.mark.parametrize(
    ("text", "grains"),
    [
        ("a red dress with silver buttons and long sleeves",
         ["colour red", "entity dress", "colour silver", "entity buttons", "size long", "entity sleeves"]),
        ("two dogs chasing a ball on the beach",
         ["count two", "entity dogs", "action chasing", "entity ball", "relation on", "entity beach"]),
        ("same shirt but in green, without the logo",
         ["entity shirt", "colour green", "negation without the logo"]),
        ("Nike Air Max 90, black/white, size 10",
         ["name Nike Air Max 90", "colour black", "colour white", "size size 10"]),
        ("A man riding a wave on top of a surfboard.",
         ["entity man", "action riding", "entity wave", "relation on top of", "entity surfboard"]),
        ("light blue running shoes with very thick soles",
         ["colour light blue", "attribute running", "entity shoes", "size very thick", "entity soles"]),
        ('a sign that says "NO EXIT" in neon letters',
         ["entity sign", 'quote "NO EXIT"', "attribute neon", "entity letters"]),
        ("find me a picture of an old wooden boat", ["attribute old", "material wooden", "entity boat"]),
        ("500 ml bottle, 10cm tall, without label or cap",
         ["size 500 ml", "entity bottle", "size 10cm", "size tall", "negation without label or cap"]),
        ("make it red and remove the stripes", ["colour red", "negation remove the stripes"]),
        ("is shorter and has a floral print", ["size shorter", "pattern floral", "pattern print"]),
        ("boots not made of leather", ["entity boots", "negation not made of leather"]),
        ("a little red hat", ["size little", "colour red", "entity hat"]),
        ("rotes Kleid mit silbernen Knöpfen",
         ["word rotes", "word Kleid", "word mit", "word silbernen", "word Knöpfen"]),
        ("coffee mug", ["word coffee", "word mug"]),
        ("the, with a", []),
        ("", []),
    ],
)  # fmt: skip
def test_a_query_is_split_into_what_it_says(text: str, grains: list[str]) -> None:
    assert [f"{kind} {words}" for kind, words in named(text)] == grains


@pytest.mark.parametrize(
    ("text", "words", "left"),
    [
        ("a red dress with silver buttons", "dress", "a red thing with silver buttons"),
        ("a red dress with silver buttons", "buttons", "a red dress with silver things"),
        ("a red and white dress", "red", "a white dress"),
        ("a red and white dress", "white", "a red dress"),
        ("an old wooden boat", "old", "a wooden boat"),
        ("two dogs chasing a ball on the beach", "chasing", "two dogs with a ball on the beach"),
        ("two dogs chasing a ball on the beach", "ball", "two dogs chasing something on the beach"),
        ("two dogs chasing a ball on the beach", "on", "two dogs chasing a ball and the beach"),
        ("a woman is holding an umbrella", "holding", "a woman with an umbrella"),
        ("a cat that is sleeping", "sleeping", "a cat"),
        ("same shirt but in green, without the logo", "green", "same shirt, without the logo"),
        ("same shirt but in green, without the logo", "without the logo", "same shirt but in green"),
        ("Nike Air Max 90, black/white, size 10", "white", "Nike Air Max 90, black, size 10"),
        ("Nike Air Max 90, black/white, size 10", "Nike Air Max 90", "Something, black/white, size 10"),
        ("A kitchen with a stove, a sink and a fridge.", "stove", "A kitchen with a sink and a fridge."),
        ("A kitchen with a stove, a sink and a fridge.", "sink", "A kitchen with a stove and a fridge."),
        ("A kitchen with a stove, a sink and a fridge.", "fridge", "A kitchen with a stove, a sink."),
        ("a group of people", "people", "a group of things"),
        ("make it red and remove the stripes", "red", "remove the stripes"),
        ("has a floral print", "print", "has a floral thing"),
        ("a house on white", "white", "a house on something"),
        ("a dress", "dress", ANYTHING),
        ("rotes Kleid mit silbernen Knöpfen", "silbernen", "rotes Kleid mit Knöpfen"),
    ],
)  # fmt: skip
def test_a_text_without_a_grain_can_still_be_read(text: str, words: str, left: str) -> None:
    assert without(text, words) == left


@given(text=texts)
@example("a")
@example('"" \'\' ""x""')
@example("the red, and, or")
def test_any_text_is_split_into_parts_of_itself(text: str) -> None:
    for known in (None, WORLD):
        found = split_text(text, known)
        end = 0
        for grain in found.grains:
            assert grain.span is not None
            assert end <= grain.span[0] < grain.span[1] <= len(text), "in order, and no two overlap"
            end = grain.span[1]
            assert text[slice(*grain.span)] == grain.text
            assert grain.masked_txt and grain.masked_txt.strip()
            if known is None:
                assert mend(grain.masked_txt) == grain.masked_txt, "nothing is left to mend"
        assert split_text(text, known) == found


@given(text=texts)
def test_a_grain_that_is_found_can_be_chosen(text: str) -> None:
    for grain in split_text(text).grains:
        first = choose_grains(text, [grain.text])[0]
        assert first.text.lower() == grain.text.lower()
        if first.span == grain.span:
            assert first == grain


@pytest.mark.parametrize(
    ("text", "words", "left"),
    [("a very red red dress", "red", "a very red dress"), ("size 38 or 38", "38", "size or 38")],
)
def test_a_part_of_what_belongs_together_can_be_chosen(text: str, words: str, left: str) -> None:
    (grain,) = choose_grains(text, [words])
    assert (grain.text, grain.masked_txt) == (words, left)


def test_words_of_the_data_come_first_and_keep_its_names() -> None:
    text = "a small red striped triangle above a house"
    assert split_text(text, WORLD).grains == WORLD.split(text), "a text that the data knows whole is its own"
    mixed = split_text(text + " with a wooden door", WORLD).grains
    assert [(grain.kind, grain.text) for grain in mixed] == [
        ("size", "small"), ("colour", "red"), ("fill", "striped"), ("shape", "triangle"), ("relation", "above"),
        ("shape", "house"), ("material", "wooden"), ("entity", "door"),
    ]  # fmt: skip
    assert mixed[5].masked_txt == "a small red striped triangle above something with a wooden door"


def test_chosen_words_are_the_grains() -> None:
    text = "a red dress with silver buttons and long sleeves"
    grains = choose_grains(text, ["Silver  buttons", "red"])
    assert [(grain.kind, grain.text, grain.masked_txt) for grain in grains] == [
        ("colour", "red", "a dress with silver buttons and long sleeves"),
        (CHOSEN, "silver buttons", "a red dress with long sleeves"),
    ]
    assert [grain.span for grain in choose_grains("red on red", ["red", "red"])] == [(0, 3), (7, 10)]
    assert choose_grains("红色连衣裙", ["连衣裙"])[0].masked_txt == "红色", (
        "where no space divides words, any part is one"
    )


@pytest.mark.parametrize(
    ("chosen", "told"),
    [
        (["silver buton"], "'silver buton' is not in the text.*did you mean 'silver buttons'"),
        (["dres"], "did you mean 'dress'"),
        (["quartz"], "give words as they stand there"),
        (["red", "red"], "overlaps another"),
        (["silver buttons", "buttons"], "overlaps another"),
        ([" "], "without words"),
    ],
)
def test_words_that_are_not_there_are_refused(chosen: list[str], told: str) -> None:
    with pytest.raises(InputError, match=told):
        choose_grains("a red dress with silver buttons", chosen)


@pytest.mark.parametrize("piece", ["red dress and ", "x", '"a', "the ", "a , ", "A B ", "very ", "without "])
def test_a_text_of_a_hundred_thousand_characters_takes_seconds(piece: str) -> None:
    text = piece * (100_000 // len(piece))
    started = time.process_time()
    found = split_text(text, WORLD)
    assert time.process_time() - started < 20
    assert len(found.grains) <= MOST
    if piece == "red dress and ":
        assert found.more == 2 * (100_000 // len(piece)) - MOST, "what is left out is counted"


def test_what_the_data_knows_whole_is_cut_and_counted_too() -> None:
    found = split_text("a red triangle and " * 5000, WORLD)
    assert (len(found.grains), found.more) == (MOST, 10_000 - MOST)
    assert found.grains[:2] == WORLD.split("a red triangle and " * 5000, 2)
