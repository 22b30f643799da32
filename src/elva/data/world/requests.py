"""Texts that go with a picture: what to change in it, and what to look for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from elva.data.world.edits import Edit
from elva.data.world.language import article
from elva.data.world.scenes import Scene
from elva.data.world.words import ADJECTIVES, BACKGROUNDS, INVERSE, NOUNS, RELATIONS
from elva.grains import Grain

_ORDERS = {
    "background": ("change the {} to", "make the {}"),
    "relation": ("move the {}", "put the {}"),
    "shape": ("replace the {} with", "turn the {} into"),
}
_ORDER_LOOKS = ("make the {}", "turn the {}")
# What is left of an order whose only grain is masked.
_MASKED = {"relation": "move the {}", "shape": "replace the {}"}
_MASKED_LOOKS = "change the {}"


@dataclass(frozen=True, slots=True)
class Request:
    """A text with the grains it names."""

    text: str
    grains: tuple[Grain, ...]


@dataclass(frozen=True, slots=True)
class _Clause:
    """Part of a request: a head, then one phrase per grain; ``masked`` says it without any."""

    head: str
    phrases: tuple[tuple[str, str], ...]  # (kind, words)
    masked: str

    def words(self, leave_out: int | None = None) -> str:
        kept = [words for at, (_, words) in enumerate(self.phrases) if at != leave_out]
        return f"{self.head} {' and '.join(kept)}" if kept else self.masked


def modification(changes: Sequence[Edit], rng: Random, ask: bool = False) -> Request:
    """Say what to change: "make the triangle blue and striped and move the circle above it".

    Args:
        changes: at most one edit per grain; all name things by their shapes in the same scene.
        rng: draws the wording.
        ask: as a question: "what if the triangle were blue".
    """
    clauses = [_clause(group, rng, ask) for group in _by_clause(changes)]
    return _joined("what if " if ask else "", clauses)


def _by_clause(changes: Sequence[Edit]) -> list[list[Edit]]:
    """Adjectives of one thing go together; shape, relation and background stand alone."""
    groups: list[list[Edit]] = []
    for edit in changes:
        last = groups[-1][-1] if groups else None
        joins = last and {edit.kind, last.kind} <= ADJECTIVES.keys() and last.shape == edit.shape
        if joins:
            groups[-1].append(edit)
        else:
            groups.append([edit])
    return groups


def _clause(group: Sequence[Edit], rng: Random, ask: bool) -> _Clause:
    kind = group[0].kind
    subject = kind if kind == "background" else rng.choice(NOUNS[group[0].shape])
    phrases = tuple((edit.kind, _phrase(edit, rng)) for edit in group)
    if ask:
        return _Clause(f"the {subject} were", phrases, f"the {subject} changed")
    head = rng.choice(_ORDERS.get(kind, _ORDER_LOOKS)).format(subject)
    return _Clause(head, phrases, _MASKED.get(kind, _MASKED_LOOKS).format(subject))


def _phrase(edit: Edit, rng: Random) -> str:
    """The words for the new value."""
    if edit.kind == "background":
        return rng.choice(BACKGROUNDS[edit.value])
    if edit.kind == "relation":
        return f"{rng.choice(RELATIONS[edit.value])} the {rng.choice(NOUNS[edit.other])}"
    if edit.kind == "shape":
        noun = rng.choice(NOUNS[edit.value])
        return f"{article(noun)} {noun}"
    return rng.choice(ADJECTIVES[edit.kind][edit.value])


def _joined(opening: str, clauses: Sequence[_Clause]) -> Request:
    """The clauses in one text; each grain with its span and the text that leaves it out."""
    text, grains = opening, []
    for at, clause in enumerate(clauses):
        text += " and " if at else ""
        start = len(text) + len(clause.head) + 1
        for number, (kind, words) in enumerate(clause.phrases):
            masked = opening + " and ".join(
                each.words(number if other == at else None) for other, each in enumerate(clauses)
            )
            grains.append(Grain(kind, words, (start, start + len(words)), masked))
            start += len(words) + len(" and ")
        text += clause.words()
    return Request(text, tuple(grains))


def question(scene: Scene, rng: Random) -> tuple[Request, int]:
    """Ask for a thing by where it stands: "what is left of the circle".

    Returns:
        The request, and the index of the thing that is the answer.
    """
    link = rng.randrange(len(scene.relations))
    forward = rng.random() < 0.5
    asked, known = (link, link + 1) if forward else (link + 1, link)
    value = scene.relations[link] if forward else INVERSE[scene.relations[link]]
    where, noun = rng.choice(RELATIONS[value]), rng.choice(NOUNS[scene.things[known].shape])
    text = f"what is {where} the {noun}"
    start, end = len("what is "), len(text)
    grains = (
        Grain("relation", where, (start, start + len(where)), f"what is near the {noun}"),
        Grain("shape", noun, (end - len(noun), end), f"what is {where} the object"),
    )
    return Request(text, grains), asked
