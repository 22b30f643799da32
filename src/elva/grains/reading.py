"""From the grains found in a text to the facts it states: which grain belongs to which entity."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from elva.grains.facts import Facts

RELATION = "relation"
HEAD = "<placeholder>"  # a word that stands for an entity whose entity grain is masked
BREAK = "<break>"  # a word or sign that may end an entity


@dataclass(frozen=True, slots=True)
class Match:
    """Words of a text and what they name."""

    kind: str  # a kind of the lexicon, RELATION, or one of the two below
    value: str
    start: int
    end: int


class Reader:
    """Groups matches into entities: each has one head word, with grains before and after it."""

    def __init__(self, entity_kind: str, scene_kinds: tuple[str, ...]) -> None:
        self.heads = (entity_kind, HEAD)
        self.scene_kinds = scene_kinds
        self.entities: list[dict[str, str]] = []
        self.relations: list[tuple[int, str, int]] = []
        self.scene: dict[str, str] = {}
        self.current: dict[str, str] = {}
        self.has_head = False
        self.pending: str | None = None  # a relation that waits for its second entity

    def read(self, matches: Sequence[Match]) -> Facts:
        """The facts that these matches, in the order of the text, add up to."""
        for match in matches:
            self._take(match)
        self._close(end=True)
        return Facts(tuple(self.entities), tuple(self.relations), self.scene)

    def _take(self, match: Match) -> None:
        if match.kind == BREAK:
            if self.has_head:
                self._close()
        elif match.kind == RELATION:
            self._close(end=True)
            self.pending = match.value if self.entities else None
        elif match.kind in self.scene_kinds:
            self.scene.setdefault(match.kind, match.value)
        else:
            if match.kind in self.heads and self.has_head:
                self._close()
            self.has_head |= match.kind in self.heads
            if match.kind != HEAD:
                self.current.setdefault(match.kind, match.value)

    def _close(self, end: bool = False) -> None:
        """End the entity; grains without a head word ("a box, red") go to the one before."""
        if not self.has_head and not self.current:
            return
        if end and not self.has_head and self.entities and self.pending is None:
            self.entities[-1] = {**self.current, **self.entities[-1]}
        else:
            self.entities.append(self.current)
            if self.pending is not None:
                last = len(self.entities) - 1
                self.relations.append((last - 1, self.pending, last))
        self.current, self.has_head, self.pending = {}, False, None
