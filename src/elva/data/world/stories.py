"""What a clip with a question shows: one or two things on a ground of nine places, and what each does, beat by beat."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise, product
from random import Random

from elva.data.world.shots import STEPS, TURNING
from elva.data.world.words import POSED, VALUES

STILL = "still"
"""What a thing does in a beat in which it does nothing."""
INVERSES = {
    "moving left": "moving right",
    "moving right": "moving left",
    "moving up": "moving down",
    "moving down": "moving up",
    "growing": "shrinking",
    "shrinking": "growing",
}
"""Which action takes back which; a turn always goes the same way round."""
SIDE = 3  # places a side
APART = 2  # places between two things, along an axis at least: whatever their sizes, they don't touch

Place = tuple[int, int]  # column, row; from the upper left


@dataclass(frozen=True, slots=True)
class State:
    """How a thing stands between two beats.

    Attributes:
        place: column and row.
        size: "small", "medium" or "large".
        turns: quarters of a turn, clockwise.
    """

    place: Place
    size: str
    turns: int


@dataclass(frozen=True, slots=True)
class Role:
    """A thing, where it starts, and what it does in each beat: an action or `STILL`."""

    shape: str
    colour: str
    fill: str
    actions: tuple[str, ...]
    start: Place

    @property
    def name(self) -> str:
        """All that can be said of its looks: "red striped circle"."""
        return f"{self.colour} {self.fill} {self.shape}"

    @property
    def states(self) -> tuple[State, ...]:
        """How it stands before, between and after its beats."""
        states = [State(self.start, _first_size(self.actions), 0)]
        for action in self.actions:
            (column, row), (right, down) = states[-1].place, STEPS.get(action, (0, 0))
            size = {"growing": "large", "shrinking": "small"}.get(action, states[-1].size)
            states.append(State((column + right, row + down), size, states[-1].turns + (action == TURNING)))
        return tuple(states)


@dataclass(frozen=True, slots=True)
class Story:
    """Things, their beats, and a background."""

    roles: tuple[Role, ...]
    background: str

    @property
    def beats(self) -> int:
        """How many there are."""
        return len(self.roles[0].actions)


def actions_of(shape: str) -> list[str]:
    """What can be seen of a thing of this shape: of a circle no turn."""
    return [action for action in VALUES["action"] if action != TURNING or shape in POSED]


def place_name(place: Place) -> str:
    """Where that is: "top left", "top", "middle"."""
    column, row = place
    words = [("top", "", "bottom")[row], ("left", "", "right")[column]]
    return " ".join(word for word in words if word) or "middle"


def starts(actions: Sequence[tuple[str, ...]], rng: Random) -> tuple[Place, ...]:
    """Where things that do this start, all ways alike in which they stay on the ground and apart."""
    return rng.choice(_all_starts(tuple(actions)))


def fit(actions: Sequence[tuple[str, ...]]) -> bool:
    """Whether things that do this find any place to start."""
    return bool(_all_starts(tuple(actions)))


@cache
def _all_starts(actions: tuple[tuple[str, ...], ...]) -> list[tuple[Place, ...]]:
    places = [(column, row) for column, row in product(range(SIDE), repeat=2)]
    return [found for found in product(places, repeat=len(actions)) if _fits(actions, found)]


def _fits(actions: tuple[tuple[str, ...], ...], found: tuple[Place, ...]) -> bool:
    ways = [
        [state.place for state in Role("", "", "", done, start).states]
        for done, start in zip(actions, found, strict=True)
    ]
    inside = all(0 <= part < SIDE for way in ways for place in way for part in place)
    return inside and all(_apart(*moment) for moment in zip(*ways, strict=True))


def _apart(first: Place, *others: Place) -> bool:
    """Whether the second thing, if there is one, is far enough from the first."""
    return all(max(abs(a - b) for a, b in zip(first, other, strict=True)) >= APART for other in others)


def follows(actions: Sequence[str]) -> bool:
    """Whether one thing can do this one after the other: nothing grows twice, nor turns twice."""
    sizes = [action for action in actions if action in ("growing", "shrinking")]
    again = any(one == two for one, two in pairwise(sizes))
    return not again and actions.count(TURNING) < 2 and fit([tuple(actions)])


def _first_size(actions: Sequence[str]) -> str:
    changes = [action for action in actions if action in ("growing", "shrinking")]
    return {"growing": "small", "shrinking": "large"}[changes[0]] if changes else "medium"
