"""Stories as frames: every beat begins and ends slowly, as in `film.py`, so that a temporal patch shows one state.

Two frames show each state, the second of them a tenth into the next beat: what happens lies between two patches of the
vision tower, and no single one shows it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from PIL import Image

from elva.data.world.film import JITTER, LARGE, PLACES, RADIUS, SHARES, SHIFT, SMALL, turned
from elva.data.world.render import BACKGROUNDS, COLOURS, FINE, REACH, SIDE, Colour, jittered, stamp, stamps
from elva.data.world.stories import Role, State, Story

_BEGUN = SHARES[1]  # how much of a beat has happened in the last frame before it
_RADII = {"small": SMALL, "medium": RADIUS, "large": LARGE}


@dataclass(frozen=True, slots=True)
class _Look:
    """What no words say of a thing: paint, fine pixels that its radius is off, pixels that it is astray."""

    paint: Colour
    jitter: int
    shift: tuple[int, int]


def moments(beats: int) -> list[float]:
    """When the frames of a clip of so many beats are taken, counted in beats from its start: two per state."""
    return [min(max(state + begun, 0.0), float(beats)) for state in range(beats + 1) for begun in (-_BEGUN, _BEGUN)]


def film_story(story: Story, at: Sequence[float], rng: Random) -> list[Image.Image]:
    """The frames at these moments, in beats: RGB, 64 x 64; ``rng`` draws what no words say, alike in all of them."""
    paper = jittered(BACKGROUNDS[story.background], rng)
    looks = [_look(role, rng) for role in story.roles]
    frames = []
    for moment in at:
        frame = Image.new("RGB", (SIDE, SIDE), paper)
        for role, look in zip(story.roles, looks, strict=True):
            _stamp(frame, role, look, moment)
        frames.append(frame)
    return frames


def middle(role: Role, moment: float) -> tuple[float, float, float]:
    """Where the middle of a thing is, and how large its radius, in pixels, but for what is astray."""
    before, after, share = _between(role, moment)
    x, y = (
        PLACES[one] + share * (PLACES[two] - PLACES[one]) for one, two in zip(before.place, after.place, strict=True)
    )
    return x, y, _RADII[before.size] + share * (_RADII[after.size] - _RADII[before.size])


def _look(role: Role, rng: Random) -> _Look:
    paint, jitter = jittered(COLOURS[role.colour], rng), rng.randint(-JITTER, JITTER)
    return _Look(paint, jitter, (rng.randint(-SHIFT, SHIFT), rng.randint(-SHIFT, SHIFT)))


def _between(role: Role, moment: float) -> tuple[State, State, float]:
    """The states around a moment, and how far it is from the first to the second."""
    beat = min(int(moment), len(role.actions) - 1)
    return role.states[beat], role.states[beat + 1], moment - beat


def _stamp(frame: Image.Image, role: Role, look: _Look, moment: float) -> None:
    x, y, radius = middle(role, moment)
    masks = stamps(role.shape, False, role.fill, round(radius * FINE) + look.jitter)
    before, after, share = _between(role, moment)
    quarters = before.turns + share * (after.turns - before.turns)
    masks = turned(masks, quarters) if quarters else masks
    right, down = look.shift
    stamp(frame, (round(x) + right - REACH, round(y) + down - REACH), look.paint, masks)
