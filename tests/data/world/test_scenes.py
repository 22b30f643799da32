"""Scenes, their edits, and what is true of them."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elva.data.world.edits import apply, changed, draw_kinds, edits, undo, undone
from elva.data.world.facts import broken, carried, facts, key, slot_of, slots, some, statements
from elva.data.world.scenes import Scene, Thing, draw_scene
from elva.data.world.words import KINDS, POSED

seeds = st.integers(0, 2**32)
CIRCLE = Thing("circle", "red", "small", "solid", None)
HOUSE = Thing("house", "blue", "large", "hollow", "upright")
MOON = Thing("moon", "pink", "small", "dotted", "upside-down")


def test_two_tellings_of_one_picture_are_one_scene() -> None:
    told = Scene.of((CIRCLE, HOUSE), ("right of",), "tan")
    assert told == Scene.of((HOUSE, CIRCLE), ("left of",), "tan")
    assert told.things[0] == HOUSE
    three = Scene.of((CIRCLE, HOUSE, MOON), ("right of", "below"), "tan")
    assert three == Scene.of((MOON, HOUSE, CIRCLE), ("above", "left of"), "tan")


@given(seeds)
def test_drawn_scenes_keep_the_rules(seed: int) -> None:
    scene = draw_scene(Random(seed))
    assert len({thing.shape for thing in scene.things}) == len(scene.things) in (2, 3)
    assert all((thing.pose is not None) == (thing.shape in POSED) for thing in scene.things)
    assert len(set(scene.cells)) == len(scene.things)
    assert all(0 <= column <= 1 and 0 <= row <= 1 for column, row in scene.cells)
    assert Scene.of(scene.things, scene.relations, scene.background) == scene


@given(seeds, st.sampled_from(KINDS))
def test_an_edit_changes_one_grain_and_can_be_undone(seed: int, kind: str) -> None:
    scene = draw_scene(Random(seed))
    for edit in edits(scene, kind):
        after = apply(scene, edit)
        assert apply(after, undo(scene, edit)) == scene
        if kind == "shape":
            continue  # statements are kept by shape
        wrong = broken(statements(facts(scene)), statements(facts(after)))
        assert [about[0] for about in wrong] == [kind]


@given(seeds)
def test_a_new_shape_keeps_everything_else(seed: int) -> None:
    scene = draw_scene(Random(seed))
    for edit in edits(scene, "shape"):
        after = apply(scene, edit)
        assert len({thing.shape for thing in after.things}) == len(scene.things)
        kept = [(t.colour, t.size, t.fill, t.pose) for t in scene.things]
        assert [(t.colour, t.size, t.fill, t.pose) for t in after.things] == kept
        assert after.relations == scene.relations


@given(seeds)
def test_several_edits_lead_there_and_back(seed: int) -> None:
    rng = Random(seed)
    scene = draw_scene(rng)
    result, done = changed(scene, draw_kinds(rng), rng, banned={scene})
    there, back = scene, result
    for edit in done:
        there = apply(there, edit)
    for edit in undone(scene, done):
        back = apply(back, edit)
    assert (there, back) == (result, scene) != (scene, result)


@given(seeds, st.sampled_from(KINDS))
def test_a_mention_is_carried_over_an_edit(seed: int, kind: str) -> None:
    rng = Random(seed)
    scene = draw_scene(rng)
    choices = edits(scene, kind)
    if not choices:
        return
    edit = rng.choice(choices)
    after = apply(scene, edit)
    mention = some(scene, rng)
    before, now = (
        [sorted(k for k in entity if k != "shape") for entity in sorted(
            facts(each, said).entities, key=lambda e: (e["colour"], sorted(e)))]
        for each, said in ((scene, mention), (after, carried(mention, scene, edit, after)))
    )  # fmt: skip
    if kind != "colour":
        assert before == now
    assert slot_of(after, edit) in slots(after)


@given(seeds)
def test_some_mentions_every_dominant_grain_and_what_it_must(seed: int) -> None:
    rng = Random(seed)
    scene = draw_scene(rng)
    mention = some(scene, rng, must=[(0, "fill")])
    assert {slot for slot in slots(scene) if slot[1] in ("shape", "colour")} <= mention
    assert (0, "fill") in mention <= set(slots(scene))
    assert key(statements(facts(scene, mention))) == key(statements(facts(scene)))


def test_broken_tells_contradiction_and_silence_alike_but_truth_keeps_them_apart() -> None:
    scene = Scene.of((CIRCLE, HOUSE), ("above",), "tan")
    truth = statements(facts(scene))
    assert broken({("background",): "gray"}, truth) == [("background",)]
    assert broken({("pose", "circle"): "upright"}, truth) == [("pose", "circle")]
    assert ("pose", "circle") not in truth


def test_a_shape_that_is_not_there_is_an_error() -> None:
    with pytest.raises(ValueError, match="moon"):
        Scene.of((CIRCLE, HOUSE), ("above",), "tan").thing("moon")
