"""Clips of shots: four frames in which one thing moves, turns, grows or shrinks.

Things start and stop slowly: the vision tower looks at two frames at a time, and of a thing in two places it sees
neither. They stand where the things of pictures do, in the middle or in the middle of a half: where a thing in the
middle goes is seen in no single frame.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from PIL import Image

from elva.data.world.render import BACKGROUNDS, COLOURS, FINE, REACH, SIDE, Masks, jittered, stamp, stamps
from elva.data.world.shots import STEPS, TURNING, Shot

SHARES = (0.0, 0.1, 0.9, 1.0)
"""How much of what happens has happened in each frame."""
FRAME_MILLISECONDS = 500
"""How long a frame is shown: two a second."""
RADIUS, SMALL, LARGE = 9.5, 6.0, 12.5  # pixels: at rest, and between which it grows and shrinks
JITTER = 2  # fine pixels that a radius varies by
PLACES = (16, 32, 48)  # of the middle of a thing along an axis, in pixels; it moves from one to the next
SHIFT = 2  # pixels that a thing is astray
_QUARTER = 90.0  # degrees that a thing turns, clockwise


def film(shot: Shot, rng: Random) -> list[Image.Image]:
    """The frames: RGB, 64 x 64; ``rng`` draws what the caption can't say."""
    paper, paint = jittered(BACKGROUNDS[shot.background], rng), jittered(COLOURS[shot.colour], rng)
    jitter = rng.randint(-JITTER, JITTER)
    ways = [_way(step, rng) for step in STEPS.get(shot.action, (0, 0))]
    frames = []
    for share in SHARES:
        radius = round(_radius(shot.action, share) * FINE) + jitter
        masks = stamps(shot.shape, False, shot.fill, radius)
        if shot.action == TURNING:
            masks = turned(masks, share)
        x, y = (round(start + share * length) for start, length in ways)
        frame = Image.new("RGB", (SIDE, SIDE), paper)
        stamp(frame, (x - REACH, y - REACH), paint, masks)
        frames.append(frame)
    return frames


def _way(step: int, rng: Random) -> tuple[int, int]:
    """Start and length of the way along one axis, in pixels."""
    starts = range(max(0, -step), len(PLACES) - max(0, step))
    at = rng.choice(starts)
    start = PLACES[at] + rng.randint(-SHIFT, SHIFT)
    return start, PLACES[at + step] - PLACES[at]


def _radius(action: str, share: float) -> float:
    if action == "growing":
        return SMALL + share * (LARGE - SMALL)
    return LARGE - share * (LARGE - SMALL) if action == "shrinking" else RADIUS


def turned(masks: Masks, quarters: float) -> Masks:
    """The masks of a thing after so many quarters of a turn, clockwise."""
    each: Iterator[Image.Image] = (mask.rotate(-quarters * _QUARTER, Image.Resampling.BILINEAR) for mask in masks)
    return next(each), next(each), next(each)
