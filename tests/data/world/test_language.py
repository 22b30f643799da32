"""Every text of the world is read back exactly, and masking removes exactly one grain."""

from __future__ import annotations

import re
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from elva.data.world import lexicon
from elva.data.world.edits import apply, changed, draw_kinds
from elva.data.world.facts import facts, some, statements
from elva.data.world.language import caption, describe, full_caption, other_words, reword
from elva.data.world.requests import modification, question
from elva.data.world.scenes import Scene, Thing, draw_scene
from elva.data.world.words import INVERSE
from elva.grains import Facts, grain_distance_matrix

WORDS = lexicon()
seeds = st.integers(0, 2**32)


def same(first: Facts, second: Facts) -> bool:
    """The same facts, in whatever order they were said."""
    return statements(first) == statements(second)


def count(said: Facts) -> int:
    return sum(len(entity) for entity in said.entities) + len(said.relations) + len(said.scene)


@given(seeds)
def test_a_description_says_exactly_the_mentioned_facts(seed: int) -> None:
    rng = Random(seed)
    scene = draw_scene(rng)
    mention = some(scene, rng)
    assert same(WORDS.parse(describe(scene, rng, mention)), facts(scene, mention))
    assert same(WORDS.parse(describe(scene, rng)), facts(scene))


@given(seeds)
def test_masking_a_grain_leaves_the_other_facts(seed: int) -> None:
    rng = Random(seed)
    scene = draw_scene(rng)
    text = describe(scene, rng, some(scene, rng))
    said = WORDS.parse(text)
    grains = WORDS.split(text)
    assert len(grains) == count(said)
    for grain in grains:
        assert grain.masked_txt and grain.masked_txt != text
        left = WORDS.parse(grain.masked_txt)
        assert count(left) == count(said) - 1
        assert len(left.entities) == len(said.entities)
        # what is left contradicts nothing
        assert grain_distance_matrix([left], [said], WORDS)[0, 0] == 0


@given(seeds)
def test_a_paraphrase_says_the_same_in_other_words(seed: int) -> None:
    rng = Random(seed)
    scene = draw_scene(rng)
    said = facts(scene, some(scene, rng))
    text = reword(said, rng)
    paraphrase = other_words(said, text, rng)
    assert paraphrase != text
    assert same(WORDS.parse(paraphrase), said)


@given(seeds)
def test_the_caption_is_one_wording_per_scene_however_it_was_told(seed: int) -> None:
    rng = Random(seed)
    scene = draw_scene(rng)
    text = full_caption(scene)
    assert same(WORDS.parse(text), facts(scene))
    assert caption(WORDS.parse(text)) == text
    assert caption(WORDS.parse(describe(scene, rng))) == text


def test_the_caption_reads_as_promised() -> None:
    scene = Scene.of(
        (
            Thing("circle", "blue", "large", "solid", None),
            Thing("triangle", "red", "small", "striped", "upright"),
        ),
        ("right of",),
        "gray",
    )
    expected = "small red striped upright triangle left of large blue solid circle on gray"
    assert full_caption(scene) == expected
    said = "a box and a red disc below a hut"
    assert caption(WORDS.parse(said)) == "square and house above red circle"


def test_captions_stay_short_and_the_vocabulary_small() -> None:
    rng = Random(0)
    captions, words = [], set[str]()
    for _ in range(500):
        scene = draw_scene(rng)
        captions.append(full_caption(scene).split())
        words.update(describe(scene, rng).split(), captions[-1])
    assert 13 <= sum(map(len, captions)) / len(captions) <= 16
    assert max(map(len, captions)) <= 21
    assert len(words) < 120


@given(seeds, st.booleans())
def test_a_modification_names_each_change_once(seed: int, ask: bool) -> None:
    rng = Random(seed)
    scene = draw_scene(rng)
    _, done = changed(scene, draw_kinds(rng), rng, banned=set())
    request = modification(done, rng, ask=ask)
    assert sorted(grain.kind for grain in request.grains) == sorted(edit.kind for edit in done)
    for grain in request.grains:
        assert grain.span is not None and request.text[slice(*grain.span)] == grain.text
        assert grain.masked_txt is not None
        assert not re.search(rf"\b{re.escape(grain.text)}\b", grain.masked_txt)  # "tan" does stand in "standing"
        others = [other.text for other in request.grains if other is not grain]
        assert all(other in grain.masked_txt for other in others)


@given(seeds)
def test_a_question_points_at_its_answer(seed: int) -> None:
    rng = Random(seed)
    scene = draw_scene(rng)
    request, asked = question(scene, rng)
    relation, shape = request.grains
    known = next(iter(WORDS.parse(shape.text).entities))["shape"]
    value = next(v for v, r in WORDS.relations.items() if relation.text in r["forms"])
    claim = facts(scene).relations
    names = [thing.shape for thing in scene.things]
    told = {(names[i], v, names[j]) for i, v, j in claim}
    told |= {(b, INVERSE[v], a) for a, v, b in told}
    assert (names[asked], value, known) in told


def test_adjectives_of_one_thing_share_a_clause() -> None:
    rng = Random(1)
    scene = draw_scene(rng)
    while True:
        _, done = changed(scene, ["colour", "fill"], rng, banned=set())
        if done[0].shape == done[1].shape:
            break
    text = modification(done, rng).text
    assert text.count(" the ") == 1
    assert text.split(" and ")[1] in text
    assert apply(apply(scene, done[0]), done[1]) != scene
