"""What a clip shows: one thing, what it does, and a background."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from random import Random

from elva.data.world.words import CLIP_KINDS, POSED, VALUES
from elva.grains import Facts

TURNING = "turning"
STEPS = {"moving left": (-1, 0), "moving right": (1, 0), "moving up": (0, -1), "moving down": (0, 1)}
"""Places to the right and down that an action leads on."""


@dataclass(frozen=True, slots=True)
class Shot:
    """One clip's truth: a value of each of `CLIP_KINDS`."""

    shape: str
    colour: str
    fill: str
    action: str
    background: str

    def grains(self) -> dict[str, str]:
        """Kind to value."""
        return {kind: getattr(self, kind) for kind in CLIP_KINDS}

    def facts(self) -> Facts:
        """The same as facts."""
        thing = self.grains()
        return Facts((thing,), (), {"background": thing.pop("background")})

    @property
    def shows(self) -> bool:
        """Whether its action can be seen: a circle that turns can't, nor can a square at every quarter turn."""
        return self.action != TURNING or self.shape in POSED


def draw_shot(rng: Random) -> Shot:
    """A shot, every value alike among those that show."""
    while not (shot := Shot(*(rng.choice(VALUES[kind]) for kind in CLIP_KINDS))).shows:
        pass
    return shot


def neighbours(shot: Shot, kind: str) -> Iterator[Shot]:
    """Every shot that differs in just the grain of this kind."""
    others = (replace(shot, **{kind: value}) for value in VALUES[kind] if value != getattr(shot, kind))
    return (other for other in others if other.shows)
