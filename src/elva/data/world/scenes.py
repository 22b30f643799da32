"""Scenes of the built-in world: two or three things, their places, and a background.

A scene is written in reading order: of two ways to tell the same picture ("A left of B", "B right
of A") only one exists as a value, so equal scenes compare equal.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from elva.data.world.words import INVERSE, POSED, VALUES

# How far the second thing lies from the first, in cells (columns, rows).
STEP = {"left of": (1, 0), "right of": (-1, 0), "above": (0, 1), "below": (0, -1)}
THING_KINDS = ("shape", "colour", "size", "fill", "pose")
SHARE_OF_THREE = 0.2


@dataclass(frozen=True, slots=True)
class Thing:
    """One object; ``pose`` is None where turning it over would not show (circle, square)."""

    shape: str
    colour: str
    size: str
    fill: str
    pose: str | None

    def grains(self) -> dict[str, str]:
        """Kind to value, without a pose that does not show."""
        named = {kind: getattr(self, kind) for kind in THING_KINDS}
        return {kind: value for kind, value in named.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Scene:
    """Things of different shapes in a chain: ``things[i]`` stands ``relations[i]`` its successor.

    Build it with `Scene.of`, which brings it into reading order.
    """

    things: tuple[Thing, ...]
    relations: tuple[str, ...]
    background: str

    @classmethod
    def of(cls, things: tuple[Thing, ...], relations: tuple[str, ...], background: str) -> Scene:
        """The scene in reading order: the chain starts at its upper, then left, end."""
        if reads_backwards(relations):
            things, relations = things[::-1], inverted(relations)
        return cls(things, relations, background)

    @property
    def cells(self) -> tuple[tuple[int, int], ...]:
        """Column and row of each thing, the smallest being 0."""
        cells = [(0, 0)]
        for relation in self.relations:
            (column, row), (right, down) = cells[-1], STEP[relation]
            cells.append((column + right, row + down))
        left, top = min(c for c, _ in cells), min(r for _, r in cells)
        return tuple((column - left, row - top) for column, row in cells)

    def thing(self, shape: str) -> int:
        """Index of the thing of this shape; ValueError when there is none."""
        return [thing.shape for thing in self.things].index(shape)


def reads_backwards(relations: tuple[str, ...]) -> bool:
    """Whether the chain ends above, or left of, where it starts."""
    down = sum(STEP[relation][1] for relation in relations)
    right = sum(STEP[relation][0] for relation in relations)
    return (down, right) < (0, 0)


def inverted(relations: tuple[str, ...]) -> tuple[str, ...]:
    """The relations of the same chain told from its other end."""
    return tuple(INVERSE[relation] for relation in reversed(relations))


def draw_dominant(rng: Random) -> tuple[tuple[str, str], ...]:
    """Shape and colour of each thing of a scene: two things, or three in a fifth of the draws."""
    count = 3 if rng.random() < SHARE_OF_THREE else 2
    shapes = rng.sample(VALUES["shape"], count)
    return tuple((shape, rng.choice(VALUES["colour"])) for shape in shapes)


def draw_scene(rng: Random, dominant: tuple[tuple[str, str], ...] | None = None) -> Scene:
    """A scene with these shapes and colours (drawn too when not given), all else drawn evenly."""
    dominant = dominant or draw_dominant(rng)
    things = [
        Thing(
            shape,
            colour,
            rng.choice(VALUES["size"]),
            rng.choice(VALUES["fill"]),
            rng.choice(VALUES["pose"]) if shape in POSED else None,
        )
        for shape, colour in dominant
    ]
    rng.shuffle(things)
    return Scene.of(tuple(things), _draw_relations(len(things), rng), rng.choice(_backgrounds()))


def _draw_relations(count: int, rng: Random) -> tuple[str, ...]:
    """A chain on a 2 x 2 grid: the second step turns a corner."""
    relations = [rng.choice(VALUES["relation"])]
    if count == 3:
        across = ("above", "below") if STEP[relations[0]][1] == 0 else ("left of", "right of")
        relations.append(rng.choice(across))
    return tuple(relations)


def _backgrounds() -> tuple[str, ...]:
    return VALUES["background"]
