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
from elva.data.world.render import BACKGROUNDS, COLOURS, FINE, REACH, SIDE, Colour, Masks, jittered, stamp, stamps
from elva.data.world.stories import Role, Story

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
    paper, looks = _drawn(story, rng)
    frames = []
    for moment in at:
        frame = Image.new("RGB", (SIDE, SIDE), paper)
        for role, look in zip(story.roles, looks, strict=True):
            _stamp(frame, role, look, moment)
        frames.append(frame)
    return frames


def box(story: Story, which: int, moment: float, rng: Random) -> tuple[int, int, int, int]:
    """Where one of the things is at a moment: left, top, right and lower edge in pixels, the latter two outside.

    ``rng`` as it was handed to `film_story`.
    """
    _, looks = _drawn(story, rng)
    (x, y), masks = _placed(story.roles[which], looks[which], moment)
    left, top, right, bottom = masks[0].getbbox() or (0, 0, 0, 0)
    return x + left, y + top, x + right, y + bottom


def _drawn(story: Story, rng: Random) -> tuple[Colour, list[_Look]]:
    """The paper, and the looks of each thing."""
    return jittered(BACKGROUNDS[story.background], rng), [_look(role, rng) for role in story.roles]


def _look(role: Role, rng: Random) -> _Look:
    paint, jitter = jittered(COLOURS[role.colour], rng), rng.randint(-JITTER, JITTER)
    return _Look(paint, jitter, (rng.randint(-SHIFT, SHIFT), rng.randint(-SHIFT, SHIFT)))


def _stamp(frame: Image.Image, role: Role, look: _Look, moment: float) -> None:
    corner, masks = _placed(role, look, moment)
    stamp(frame, corner, look.paint, masks)


def _placed(role: Role, look: _Look, moment: float) -> tuple[tuple[int, int], Masks]:
    """The upper left corner of a thing's stamp, in pixels, and the stamp."""
    beat = min(int(moment), len(role.actions) - 1)
    before, after, share = role.states[beat], role.states[beat + 1], moment - beat

    def between(one: float, two: float) -> float:
        return one + share * (two - one)

    radius = round(between(_RADII[before.size], _RADII[after.size]) * FINE) + look.jitter
    masks, quarters = stamps(role.shape, False, role.fill, radius), between(before.turns, after.turns)
    x, y = (
        round(between(PLACES[one], PLACES[two])) + astray - REACH
        for one, two, astray in zip(before.place, after.place, look.shift, strict=True)
    )
    return (x, y), turned(masks, quarters) if quarters else masks
