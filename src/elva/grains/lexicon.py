"""The words for grains, and reading, splitting and masking texts with them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from elva.grains.facts import Facts, Grain
from elva.grains.reading import BREAK, HEAD, RELATION, Match, Reader


@dataclass(frozen=True)
class Lexicon:
    """The words for grains. An empty lexicon is allowed: it reads no facts.

    Attributes:
        entity_kind: the kind whose words name an entity ("shape"); "" reads a text as one entity.
        kinds: kind -> value -> the ways to say it, the canonical one first.
        relations: value -> {"forms": [...], "inverse": value}.
        scene_kinds: kinds of the whole picture rather than of an entity.
        dominant: kinds that mostly suffice to tell items apart (shape and colour).
        entities: how many entities a usual full caption names: sets the scale of grain distances.
        placeholder: the word that stands in for a masked entity word.
    """

    entity_kind: str = ""
    kinds: Mapping[str, Mapping[str, Sequence[str]]] = field(default_factory=dict)
    relations: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    scene_kinds: tuple[str, ...] = ()
    dominant: tuple[str, ...] = ()
    entities: int = 1
    placeholder: str = "object"

    def parse(self, text: str) -> Facts:
        """Read the facts a text states: longest match first, unknown words ignored."""
        return Reader(self.entity_kind, self.scene_kinds).read(self._matches(text))

    def find(self, text: str) -> tuple[Grain, ...]:
        """Every grain named in the text, in order, each with its span; the text without it is left out."""
        return tuple(Grain(m.kind, text[m.start : m.end], (m.start, m.end)) for m in self._named(text))

    def split(self, text: str, most: int | None = None) -> tuple[Grain, ...]:
        """Every grain named in the text, or the first `most`, in order, each with its span and the text without it."""
        return tuple(
            Grain(m.kind, text[m.start : m.end], (m.start, m.end), self._mask(text, m))
            for m in self._named(text)[:most]
        )

    def misnamed(self, text: str, share: float, rng: np.random.Generator) -> str:
        """The text with some of its grains named wrongly: other values of their kind, drawn evenly.

        Args:
            text: names grains.
            share: probability for each grain that has another value to be taken for.
            rng: draws which, and what.
        """
        for match in reversed(self._matches(text)):
            others = [value for value in self._values(match.kind) if value != match.value]
            if others and rng.random() < share:
                words = self._values(match.kind)[others[rng.integers(len(others))]]
                text = text[: match.start] + words + text[match.end :]
        return text

    def _values(self, kind: str) -> dict[str, str]:
        """Value -> its canonical words."""
        if kind == RELATION:
            return {value: row["forms"][0] for value, row in self.relations.items()}
        return {value: ways[0] for value, ways in self.kinds.get(kind, {}).items()}

    def value(self, grain: Grain) -> str:
        """The value that a grain's words stand for; the words themselves where the lexicon lacks them."""
        kind, value = self._forms.get(_squeeze(grain.text), ("", ""))
        return value if kind == grain.kind else grain.text

    def ways(self, grain: Grain) -> tuple[str, ...]:
        """All words for the value of a grain, the canonical ones first; none where the lexicon lacks it."""
        value = self.value(grain)
        if grain.kind == RELATION:
            return tuple(self.relations[value]["forms"]) if value in self.relations else ()
        return tuple(self.kinds.get(grain.kind, {}).get(value, ()))

    @property
    def entity_kinds(self) -> tuple[str, ...]:
        """The kinds an entity may carry, without those of the whole scene."""
        return tuple(kind for kind in self.kinds if kind not in self.scene_kinds)

    @property
    def caption_grains(self) -> int:
        """How many grains a usual full caption holds (the scale of `grain_distance_matrix`)."""
        links = self.entities - 1 if self.relations else 0
        return self.entities * len(self.entity_kinds) + links + len(self.scene_kinds)

    def save(self, path: Path) -> None:
        """Write the lexicon as JSON (ROOT/grains.json)."""
        row = {
            "entity_kind": self.entity_kind,
            "kinds": self.kinds,
            "relations": self.relations,
            "scene_kinds": list(self.scene_kinds),
            "dominant": list(self.dominant),
            "entities": self.entities,
            "placeholder": self.placeholder,
        }
        path.write_text(json.dumps(row, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> Lexicon:
        """Read what `save` wrote; ValueError or TypeError on a malformed file."""
        row = json.loads(path.read_text(encoding="utf-8"))
        for name in ("scene_kinds", "dominant"):
            row[name] = tuple(row.get(name, ()))
        return cls(**row)

    @cached_property
    def _forms(self) -> dict[str, tuple[str, str]]:
        """Lower-case surface form -> (kind, value); the first kind to claim a form keeps it."""
        forms: dict[str, tuple[str, str]] = {}
        for kind, values in self.kinds.items():
            for value, ways in values.items():
                for way in ways:
                    forms.setdefault(_squeeze(way), (kind, value))
        for value, relation in self.relations.items():
            for way in relation["forms"]:
                forms.setdefault(_squeeze(way), (RELATION, value))
        if self.entity_kind:
            forms.setdefault(self.placeholder, (HEAD, ""))
            for word in ("a", "an", "the", "and"):
                forms.setdefault(word, (BREAK, word))
        return forms

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        longest_first = sorted(self._forms, key=lambda form: (-len(form), form))
        words = "|".join(re.escape(form).replace(r"\ ", r"\s+") for form in longest_first)
        return re.compile(rf"(?<!\w)(?:{words})(?!\w)|[,;.]", re.IGNORECASE)

    def _matches(self, text: str) -> list[Match]:
        if not self._forms:
            return []
        found = []
        for match in self._pattern.finditer(text):
            kind, value = self._forms.get(_squeeze(match.group()), (BREAK, match.group()))
            found.append(Match(kind, value, match.start(), match.end()))
        return found

    def _named(self, text: str) -> list[Match]:
        return [match for match in self._matches(text) if match.kind not in (HEAD, BREAK)]

    def _mask(self, text: str, match: Match) -> str:
        head = self.entity_kind or next(iter(self.dominant), "")
        stand_in = {RELATION: "and", head: self.placeholder}.get(match.kind, "")
        return _tidy(text[: match.start] + stand_in + text[match.end :]) or self.placeholder


def _squeeze(text: str) -> str:
    return " ".join(text.lower().split())


def _tidy(text: str) -> str:
    """Mend what cutting words out leaves behind: spaces, stray commas, a/an."""
    text = re.sub(r"\s+", " ", text)
    text = re.sub(r"\s+(?=[,;.])", "", text)
    text = re.sub(r"(?:[,;]\s*)+(?=[,;.])|^[\s,;]+|[\s,;]+$", "", text)
    return re.sub(r"\b(an?)(?= (\w+))", _article, text, flags=re.IGNORECASE)


def _article(match: re.Match[str]) -> str:
    article = "an" if re.match("[aeio]|u(?!ni|se)", match.group(2), re.IGNORECASE) else "a"
    return article.capitalize() if match.group(1)[0].isupper() else article
