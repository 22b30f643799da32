"""How the world is described: terse captions and varied descriptions.

`caption` is the one canonical wording (what the tiny base learns to write); `describe` says the
same facts in many ways. Both are read back exactly by `Lexicon.parse`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from elva.data.world.facts import Mention, everything, facts
from elva.data.world.scenes import Scene, inverted, reads_backwards
from elva.data.world.words import (
    ACTIONS,
    ADJECTIVES,
    AFTER_NOUN,
    BACKGROUND_PHRASES,
    BACKGROUNDS,
    NOUNS,
    RELATIONS,
)
from elva.grains import Facts

_ADJECTIVE_ORDER = ("size", "colour", "fill", "pose")
_OPENINGS = ("", "", "", "a picture of ", "there is ")
_AFTER_NOUN_SHARE = 0.4  # how often a fill that can be said after the noun is


@dataclass(frozen=True, slots=True)
class _Group:
    """Entities linked by relations, told one after the other."""

    entities: tuple[dict[str, str], ...]
    relations: tuple[str, ...]

    def turned(self) -> _Group:
        return _Group(self.entities[::-1], inverted(self.relations))


def _groups(said: Facts) -> list[_Group]:
    """Split the entities where no relation is said."""
    links = {first: value for first, value, _ in said.relations}
    groups: list[_Group] = []
    for at, entity in enumerate(said.entities):
        if at - 1 in links:
            last = groups.pop()
            relations = (*last.relations, links[at - 1])
            groups.append(_Group((*last.entities, dict(entity)), relations))
        else:
            groups.append(_Group((dict(entity),), ()))
    return groups


def caption(said: Facts) -> str:
    """The canonical text of these facts: fixed words, fixed order, chains in reading order.

    Relations must link entities that follow each other, as `Lexicon.parse` gives them.
    """
    groups = [g.turned() if reads_backwards(g.relations) else g for g in _groups(said)]
    told = " and ".join(_tell(group, [_terse(e) for e in group.entities]) for group in groups)
    background = said.scene.get("background")
    return f"{told} on {background}" if background else told


def full_caption(scene: Scene) -> str:
    """The canonical caption of everything in the scene."""
    return caption(facts(scene))


def _terse(entity: dict[str, str]) -> str:
    return " ".join(entity[kind] for kind in (*_ADJECTIVE_ORDER, "shape", "action") if kind in entity)


def _tell(group: _Group, phrases: Sequence[str], links: Sequence[str] | None = None) -> str:
    links = group.relations if links is None else links
    return " ".join(part for pair in zip(phrases, (*links, ""), strict=True) for part in pair if part)


def describe(scene: Scene, rng: Random, mention: Mention | None = None) -> str:
    """Say the mentioned grains (all when None) in one of many ways."""
    return reword(facts(scene, everything(scene) if mention is None else mention), rng)


def reword(said: Facts, rng: Random) -> str:
    """Say these facts in one of many ways: other words, other order, the same facts."""
    groups = [group.turned() if rng.random() < 0.5 else group for group in _groups(said)]
    rng.shuffle(groups)
    articles = rng.random() < 0.7
    told = " and ".join(_freely(group, rng, articles) for group in groups)
    opening = rng.choice(_OPENINGS) if articles else ""
    value = said.scene.get("background")
    if value is None:
        return opening + told
    background = rng.choice(BACKGROUND_PHRASES).format(rng.choice(BACKGROUNDS[value]))
    return f"{background}, {told}" if rng.random() < 0.3 else f"{opening}{told} {background}"


def other_words(said: Facts, text: str, rng: Random) -> str:
    """The same facts in a text that differs from the given one."""
    while (paraphrase := reword(said, rng)) == text:
        pass
    return paraphrase


def _freely(group: _Group, rng: Random, articles: bool) -> str:
    phrases = [noun_phrase(entity, rng, articles) for entity in group.entities]
    return _tell(group, phrases, [rng.choice(RELATIONS[value]) for value in group.relations])


def noun_phrase(entity: dict[str, str], rng: Random, with_article: bool = True) -> str:
    """One thing in words: adjectives in any order, the noun, perhaps "with stripes", what it does in a clip."""
    before = [rng.choice(ADJECTIVES[kind][entity[kind]]) for kind in _ADJECTIVE_ORDER if kind in entity]
    after = AFTER_NOUN.get(entity.get("fill", ""), ())
    tail = ""
    if after and rng.random() < _AFTER_NOUN_SHARE:
        before = [word for word in before if word not in ADJECTIVES["fill"][entity["fill"]]]
        tail = " " + rng.choice(after)
    rng.shuffle(before)
    if "action" in entity:
        tail += " " + rng.choice(ACTIONS[entity["action"]])
    phrase = " ".join([*before, rng.choice(NOUNS[entity["shape"]])]) + tail
    return f"{article(phrase)} {phrase}" if with_article else phrase


def article(phrase: str) -> str:
    """The article of a phrase of this vocabulary."""
    return "an" if phrase[0] in "aeiou" else "a"
