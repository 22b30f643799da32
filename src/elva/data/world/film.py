"""Clips of shots: four frames in which one thing moves, turns, grows or shrinks.

Where a thing starts is drawn so that few first frames tell where it goes: that takes two frames.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from PIL import Image

from elva.data.world.render import BACKGROUNDS, COLOURS, FINE, REACH, SIDE, Masks, jittered, stamp, stamps
from elva.data.world.shots import TURNING, Shot

FRAMES = 4
FRAME_MILLISECONDS = 500
"""How long a frame is shown: two a second."""
_RADIUS, _SMALL, _LARGE = 9.5, 6.0, 12.5  # pixels: at rest, and between which it grows and shrinks
_JITTER = 2  # fine pixels that a radius varies by
_WAY = 18  # pixels that a thing moves
_NEAREST = 11  # pixels from the border to the middle of a thing
_MIDDLE = (22, 42)  # where a thing is that does not move that way, in pixels
_QUARTER = 90.0  # degrees that a thing turns, clockwise
_STEP = {"moving left": (-1, 0), "moving right": (1, 0), "moving up": (0, -1), "moving down": (0, 1)}


def film(shot: Shot, rng: Random) -> list[Image.Image]:
    """The frames: RGB, 64 x 64; ``rng`` draws what the caption can't say."""
    paper, paint = jittered(BACKGROUNDS[shot.background], rng), jittered(COLOURS[shot.colour], rng)
    jitter = rng.randint(-_JITTER, _JITTER)
    ways = [_way(step, rng) for step in _STEP.get(shot.action, (0, 0))]
    frames = []
    for share in (frame / (FRAMES - 1) for frame in range(FRAMES)):
        radius = round(_radius(shot.action, share) * FINE) + jitter
        masks = stamps(shot.shape, False, shot.fill, radius)
        if shot.action == TURNING:
            masks = _turned(masks, share)
        x, y = (round(start + share * length) for start, length in ways)
        frame = Image.new("RGB", (SIDE, SIDE), paper)
        stamp(frame, (x - REACH, y - REACH), paint, masks)
        frames.append(frame)
    return frames


def _way(step: int, rng: Random) -> tuple[int, int]:
    """Start and length of the way along one axis, in pixels."""
    if not step:
        return rng.randint(*_MIDDLE), 0
    start = rng.randint(_NEAREST, SIDE - _NEAREST - _WAY)
    return (start, _WAY) if step > 0 else (SIDE - start, -_WAY)


def _radius(action: str, share: float) -> float:
    if action == "growing":
        return _SMALL + share * (_LARGE - _SMALL)
    return _LARGE - share * (_LARGE - _SMALL) if action == "shrinking" else _RADIUS


def _turned(masks: Masks, share: float) -> Masks:
    turned: Iterator[Image.Image] = (mask.rotate(-share * _QUARTER, Image.Resampling.BILINEAR) for mask in masks)
    return next(turned), next(turned), next(turned)
