"""Scenes one grain apart: which edits there are, doing and undoing them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from random import Random

from elva.data.world.scenes import Scene, Thing
from elva.data.world.words import INVERSE, KINDS, POSED, VALUES


@dataclass(frozen=True, slots=True)
class Edit:
    """One grain set to another value: of the thing of this ``shape``, or of the whole scene.

    For a relation the thing is put ``value`` (say "left of") the thing of shape ``other``.
    """

    kind: str
    value: str
    shape: str = ""
    other: str = ""


def edits(scene: Scene, kind: str) -> list[Edit]:
    """Every edit of this kind that changes exactly one grain of the scene."""
    if kind == "background":
        return [Edit(kind, value) for value in VALUES[kind] if value != scene.background]
    if kind == "relation":
        return _relation_edits(scene)
    found = []
    for thing in scene.things:
        old = getattr(thing, kind)
        values = _free_shapes(scene, thing) if kind == "shape" else VALUES[kind]
        found += [Edit(kind, v, thing.shape) for v in values if old is not None and v != old]
    return found


def _free_shapes(scene: Scene, thing: Thing) -> list[str]:
    """Shapes not in the scene that show a pose just when this one does."""
    taken = {each.shape for each in scene.things}
    posed = thing.pose is not None
    return [s for s in VALUES["shape"] if s not in taken and (s in POSED) == posed]


def _relation_edits(scene: Scene) -> list[Edit]:
    """Two things may be put any other way; in a chain of three only the mirror keeps the grid."""
    found = []
    for index, old in enumerate(scene.relations):
        values = VALUES["relation"] if len(scene.things) == 2 else (INVERSE[old],)
        first, second = scene.things[index], scene.things[index + 1]
        found += [Edit("relation", v, first.shape, second.shape) for v in values if v != old]
    return found


def apply(scene: Scene, edit: Edit) -> Scene:
    """The scene after the edit, in reading order again."""
    if edit.kind == "background":
        return replace(scene, background=edit.value)
    if edit.kind == "relation":
        index, value = _link(scene, edit)
        relations = (*scene.relations[:index], value, *scene.relations[index + 1 :])
        return Scene.of(scene.things, relations, scene.background)
    at = scene.thing(edit.shape)
    changed = replace(scene.things[at], **{edit.kind: edit.value})
    return replace(scene, things=(*scene.things[:at], changed, *scene.things[at + 1 :]))


def undo(scene: Scene, edit: Edit) -> Edit:
    """The edit that leads from ``apply(scene, edit)`` back to ``scene``."""
    if edit.kind == "background":
        return replace(edit, value=scene.background)
    if edit.kind == "shape":
        return replace(edit, value=edit.shape, shape=edit.value)
    if edit.kind == "relation":
        index, _ = _link(scene, edit)
        old = scene.relations[index]
        forward = scene.things[index].shape == edit.shape
        return replace(edit, value=old if forward else INVERSE[old])
    return replace(edit, value=getattr(scene.things[scene.thing(edit.shape)], edit.kind))


def _link(scene: Scene, edit: Edit) -> tuple[int, str]:
    """Which relation of the chain the edit sets, and its value told in chain order."""
    first, second = scene.thing(edit.shape), scene.thing(edit.other)
    value = edit.value if first < second else INVERSE[edit.value]
    return min(first, second), value


def changed(scene: Scene, kinds: Iterable[str], rng: Random, banned: set[Scene]) -> tuple[Scene, list[Edit]]:
    """A scene that differs in one grain of each kind, and the edits that lead there, in order.

    Kinds the scene can't change are passed over; a result in ``banned`` is drawn
    again, with other kinds.
    """
    while True:
        result, done = scene, []
        for kind in kinds:
            choices = edits(result, kind)
            if choices:
                done.append(rng.choice(choices))
                result = apply(result, done[-1])
        if done and result not in banned:
            return result, done
        kinds = draw_kinds(rng)


def undone(scene: Scene, done: Iterable[Edit]) -> list[Edit]:
    """The edits that lead back to ``scene`` after these were done, in order."""
    back: list[Edit] = []
    for edit in done:
        back.insert(0, undo(scene, edit))
        scene = apply(scene, edit)
    return back


def draw_kinds(rng: Random) -> list[str]:
    """One or two kinds to change, every kind alike; shape never with another."""
    kinds = [rng.choice(KINDS)]
    if kinds != ["shape"] and rng.random() < 0.5:
        kinds.append(rng.choice([k for k in KINDS if k not in (*kinds, "shape")]))
    return sorted(kinds, key=KINDS.index)
