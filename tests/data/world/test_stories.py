"""What things can do on nine places, and how it is told."""

from __future__ import annotations

from itertools import product
from random import Random

from elva.data.world.step_items import BEATS, DIMENSIONS, draw_item
from elva.data.world.stories import STILL, Role, Story, actions_of, fit, follows, place_name
from elva.data.world.telling import told
from elva.data.world.words import VALUES


def test_whatever_two_things_do_in_one_beat_there_is_a_place_for_them() -> None:
    for pair in product([*VALUES["action"], STILL], repeat=2):
        assert fit([(action,) for action in pair]), pair


def test_different_actions_follow_each_other_and_nothing_grows_or_turns_twice() -> None:
    assert follows(("moving left", "growing", "moving left", "turning", "shrinking"))
    for twice in ("growing", "shrinking", "turning"):
        assert not follows((twice, twice)) and not follows((twice, "moving up", twice))
    assert not follows(("moving up",) * 3), "out of the picture"
    assert follows(("growing", "shrinking", "growing"))


def test_a_turn_of_a_circle_is_never_asked_for() -> None:
    assert "turning" not in actions_of("circle") and "turning" in actions_of("house")


def test_a_thing_ends_where_its_steps_lead() -> None:
    role = Role("house", "red", "solid", ("moving left", "turning", "growing", "moving up"), (2, 2))
    assert [place_name(state.place) for state in role.states] == [
        "bottom right",
        "bottom",
        "bottom",
        "bottom",
        "middle",
    ]
    assert [state.size for state in role.states] == ["small", "small", "small", "large", "large"]
    assert [state.turns for state in role.states] == [0, 0, 1, 1, 1]


def test_a_story_is_told_thing_by_thing() -> None:
    house = Role("house", "red", "solid", ("moving left", "growing"), (2, 2))
    moon = Role("moon", "blue", "dotted", (STILL, STILL), (0, 0))
    assert told(Story((moon, house), "tan")) == (
        "The blue dotted moon is still. The red solid house is bottom right, then bottom: moving left. "
        "Now it is large: growing. The background is tan."
    )


def test_every_dimension_can_be_asked_whatever_is_drawn() -> None:
    rng = Random(0)
    for n, dimension in product(range(200), DIMENSIONS):
        item = draw_item(dimension, n, rng, "look")
        assert item.story.beats == BEATS and len(item.steps()) > BEATS
