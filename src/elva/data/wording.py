"""How a set of grains is said: "red nike sports shoes for men", in more than one way.

A wording is a list of pieces around the noun that says what the thing is. Every kind may stand
before the noun; kinds with a phrase of their own (`BEHIND`) may stand behind it.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from elva.grains import Grain, Lexicon

PLACEHOLDER = "item"
"""Stands for the thing when the grain that names it is masked."""

BEHIND = {
    "gender": "for {}",
    "colour": "in {}",
    "color": "in {}",
    "brand": "by {}",
    "usage": "for {} wear",
    "season": "for {}",
    "material": "made of {}",
}
"""Kind -> how it may be said behind the noun."""

ONLY_BEFORE = frozenset({"unisex"})
"""Adjectives that no such phrase can hold."""

POSSESSIVES = {
    "men": "men's",
    "women": "women's",
    "boys": "boys'",
    "girls": "girls'",
    "kids": "kids'",
}
SPELLINGS = {"tshirts": ("t-shirts", "t-shirt", "t shirt", "tee"), "tshirt": ("t-shirt", "t shirt")}
"""Further ways to write a value, read but never written."""

ALWAYS_PLURAL = {"bottoms", "capris", "glasses", "jeans", "jeggings", "leggings", "pants"}
ALWAYS_PLURAL |= {"pyjamas", "shorts", "sunglasses", "tights", "trousers"}
BEHIND_SHARE = 0.35
VARIANT_SHARE = 0.25
_SINGULARS = {
    "ches": "ch",
    "shes": "sh",
    "sses": "ss",
    "xes": "x",
    "ories": "ory",
    "rves": "rf",
    "s": "",
}


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The kinds of a table in the order in which they stand before the noun.

    Attributes:
        entity: the kind that says what the thing is.
        kinds: every kind in canonical order.
    """

    entity: str
    kinds: tuple[str, ...]

    def caption(self, values: Mapping[str, str]) -> str:
        """The one canonical way: every value, in the order of the kinds."""
        return " ".join(values[kind] for kind in self.kinds if kind in values)

    def lexicon(self, values: Mapping[str, Sequence[str]]) -> Lexicon:
        """The words for every value of every kind."""
        kinds = {kind: {value: self._forms(kind, value) for value in values[kind]} for kind in self.kinds}
        return Lexicon(
            entity_kind=self.entity,
            kinds=kinds,
            dominant=(self.entity,),
            placeholder=PLACEHOLDER,
        )

    def draw(self, values: Mapping[str, str], rng: random.Random) -> Wording:
        """One way to say these values; `values` must name the entity."""
        said = [kind for kind in self.kinds if kind in values and kind != self.entity]
        behind = {
            kind for kind in said if kind in BEHIND and values[kind] not in ONLY_BEFORE and rng.random() < BEHIND_SHARE
        }
        noun = _variant(singular(values[self.entity]), values[self.entity], rng)
        before = [
            Piece(kind, _variant(POSSESSIVES.get(values[kind]), values[kind], rng))
            for kind in said
            if kind not in behind
        ]
        after = [Piece(kind, values[kind], BEHIND[kind]) for kind in reversed(said) if kind in behind]
        return Wording((*before, Piece(self.entity, noun), *after), self.entity)

    def draw_another(self, first: Wording, values: Mapping[str, str], rng: random.Random) -> str:
        """Another wording of the same values, as text; the first one's where there is no other."""
        for _ in range(20):
            other = self.draw(values, rng).text
            if other != first.text:
                return other
        return first.text

    def _forms(self, kind: str, value: str) -> list[str]:
        other = singular(value) if kind == self.entity else POSSESSIVES.get(value)
        return [value, *([other] if other else []), *SPELLINGS.get(value, ())]

    def telling(self, values: Mapping[str, str]) -> dict[str, str]:
        """The entity, and the values that say more than its own words."""
        kinds = [kind for kind in values if kind == self.entity or self.adds(values, kind)]
        return {kind: values[kind] for kind in kinds}

    def adds(self, values: Mapping[str, str], kind: str) -> bool:
        """Whether a value says more than the entity's own words.

        "sports" adds nothing to "sports shoes": no one could tell what masking it changes.
        """
        if kind == self.entity or kind not in values:
            return False
        return not set(values[kind].split()) <= set(values.get(self.entity, "").split())


@dataclass(frozen=True, slots=True)
class Piece:
    """One grain inside a wording: its words, and the phrase they stand in."""

    kind: str
    words: str
    phrase: str = "{}"


@dataclass(frozen=True, slots=True)
class Wording:
    """Pieces in the order in which they are said; `entity` is the kind of the noun."""

    pieces: tuple[Piece, ...]
    entity: str

    @property
    def text(self) -> str:
        """The words."""
        return self._say(self.pieces)

    def grains(self) -> tuple[Grain, ...]:
        """Each grain with its span in `text` and the text without it."""
        grains, start = [], 0
        for piece in self.pieces:
            first = start + piece.phrase.index("{}")
            span = (first, first + len(piece.words))
            grains.append(Grain(piece.kind, piece.words, span, self._without(piece)))
            start += len(piece.phrase.format(piece.words)) + 1
        return tuple(grains)

    def _without(self, masked: Piece) -> str:
        stand_in = [Piece(self.entity, PLACEHOLDER)] if masked.kind == self.entity else []
        at = self.pieces.index(masked)
        return self._say((*self.pieces[:at], *stand_in, *self.pieces[at + 1 :]))

    @staticmethod
    def _say(pieces: Sequence[Piece]) -> str:
        return " ".join(piece.phrase.format(piece.words) for piece in pieces)


def singular(value: str) -> str | None:
    """The singular of a plural noun by rule; None where none is seen."""
    if value.split()[-1] in ALWAYS_PLURAL or value.endswith(("ss", "us")):
        return None
    for plural, one in _SINGULARS.items():
        if value.endswith(plural):
            return value.removesuffix(plural) + one
    return None


def _variant(other: str | None, usual: str, rng: random.Random) -> str:
    return other if other is not None and rng.random() < VARIANT_SHARE else usual
