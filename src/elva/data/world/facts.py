"""What is true of a scene, what of it a text mentions, and when one satisfies the other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from random import Random

from elva.data.world.edits import Edit
from elva.data.world.scenes import Scene
from elva.data.world.words import DOMINANT, INVERSE
from elva.grains import Facts

# (index, kind): a grain of thing ``index``, the ``index``-th relation, or (0, "background").
Slot = tuple[int, str]
Mention = frozenset[Slot]
# Facts keyed by what they are about, whatever the order of the things: shapes differ in a scene.
Statements = Mapping[tuple[str, ...], str]


def slots(scene: Scene) -> list[Slot]:
    """Every grain of the scene, in the order of its caption's things."""
    things = [(at, kind) for at, thing in enumerate(scene.things) for kind in thing.grains()]
    links = [(at, "relation") for at in range(len(scene.relations))]
    return [*things, *links, (0, "background")]


def everything(scene: Scene) -> Mention:
    """A mention of every grain."""
    return frozenset(slots(scene))


def some(scene: Scene, rng: Random, must: Iterable[Slot] = ()) -> Mention:
    """All dominant grains, those of ``must``, and each other grain with probability one half."""
    drawn = [slot for slot in slots(scene) if slot[1] in DOMINANT or rng.random() < 0.5]
    return frozenset(drawn) | frozenset(must)


def without_kind(scene: Scene, kind: str) -> Mention:
    """A mention of every grain but those of one kind."""
    return frozenset(slot for slot in slots(scene) if slot[1] != kind)


def facts(scene: Scene, mention: Mention | None = None) -> Facts:
    """The mentioned facts of the scene (all when no mention is given)."""
    mention = everything(scene) if mention is None else mention
    return Facts(
        tuple(
            {kind: value for kind, value in thing.grains().items() if (at, kind) in mention}
            for at, thing in enumerate(scene.things)
        ),
        tuple((at, value, at + 1) for at, value in enumerate(scene.relations) if (at, "relation") in mention),
        {"background": scene.background} if (0, "background") in mention else {},
    )


def statements(said: Facts) -> dict[tuple[str, ...], str]:
    """Facts free of the order in which they were said; every entity must name its shape.

    A relation is kept from the side of the shape that comes first in the alphabet.
    """
    names = [entity["shape"] for entity in said.entities]
    found: dict[tuple[str, ...], str] = {}
    for name, entity in zip(names, said.entities, strict=True):
        found |= {(kind, name): value for kind, value in entity.items()}
    for first, value, second in said.relations:
        pair = (names[first], names[second])
        forward = pair[0] < pair[1]
        found["relation", min(pair), max(pair)] = value if forward else INVERSE[value]
    return found | {(kind,): value for kind, value in said.scene.items()}


def broken(claims: Statements, truth: Statements) -> list[tuple[str, ...]]:
    """The claims that do not hold in the truth: none means satisfied."""
    return [about for about, value in claims.items() if truth.get(about) != value]


def key(said: Statements) -> tuple[tuple[str, str], ...]:
    """Shape and colour of every thing said: equal for texts and scenes of one family."""
    return tuple(sorted((k[1], said["colour", k[1]]) for k in said if k[0] == "shape"))


def slot_of(scene: Scene, edit: Edit) -> Slot:
    """Where the edited grain sits in the scene that results from the edit."""
    if edit.kind == "background":
        return (0, edit.kind)
    if edit.kind == "relation":
        return (min(scene.thing(edit.shape), scene.thing(edit.other)), edit.kind)
    return (scene.thing(edit.value if edit.kind == "shape" else edit.shape), edit.kind)


def carried(mention: Mention, before: Scene, edit: Edit, after: Scene) -> Mention:
    """The same mention for the scene after an edit, which may have turned the reading order."""
    if edit.kind != "relation" or before.things == after.things:
        return mention
    last = {True: len(before.relations) - 1, False: len(before.things) - 1}
    return frozenset((at if kind == "background" else last[kind == "relation"] - at, kind) for at, kind in mention)
