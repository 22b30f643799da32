"""How many grains apart two sets of facts are, for many pairs at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import permutations

import numpy as np
from numpy.typing import NDArray

from elva.grains.facts import Facts
from elva.grains.lexicon import Lexicon

MAX_ENTITIES = 3
_AS_IT_IS = tuple(range(MAX_ENTITIES))
_PAIRS = ((0, 1), (0, 2), (1, 2))


@dataclass(frozen=True, slots=True)
class FactTable:
    """Facts as small integers, encoded once and compared many times. -1 means "not named".

    Attributes:
        grains: int16 [n, 3, kinds] values of the entities (at most 3; further ones are dropped).
        present: bool [n, 3] whether the entity exists.
        relations: int16 [n, 3] relation of the entity pairs (0, 1), (0, 2), (1, 2).
        scene: int16 [n, scene kinds].
        inverse: int16 [relations + 1] code of the inverse; the last one maps -1 to -1.
        scale: grains of a usual full caption.
    """

    grains: NDArray[np.int16]
    present: NDArray[np.bool_]
    relations: NDArray[np.int16]
    scene: NDArray[np.int16]
    inverse: NDArray[np.int16]
    scale: int

    @classmethod
    def encode(cls, facts: Sequence[Facts], lexicon: Lexicon) -> FactTable:
        """Encode n facts; a value the lexicon does not know counts as not named."""
        kinds, names = lexicon.entity_kinds, list(lexicon.relations)
        inverse = [names.index(lexicon.relations[name]["inverse"]) for name in names]
        table = cls(
            np.full((len(facts), MAX_ENTITIES, len(kinds)), -1, np.int16),
            np.zeros((len(facts), MAX_ENTITIES), np.bool_),
            np.full((len(facts), len(_PAIRS)), -1, np.int16),
            np.full((len(facts), len(lexicon.scene_kinds)), -1, np.int16),
            np.array([*inverse, -1], np.int16),
            lexicon.caption_grains,
        )
        codes = {kind: {v: i for i, v in enumerate(lexicon.kinds[kind])} for kind in lexicon.kinds}

        def coded(named: Mapping[str, str], among: Sequence[str]) -> list[int]:
            return [codes[kind].get(named.get(kind, ""), -1) for kind in among]

        for row, said in enumerate(facts):
            for slot, entity in enumerate(said.entities[:MAX_ENTITIES]):
                table.present[row, slot] = True
                table.grains[row, slot] = [codes[kind].get(entity.get(kind, ""), -1) for kind in kinds]
            for first, value, second in said.relations:
                if value in names:
                    table._set_relation(row, first, names.index(value), second)
            table.scene[row] = [codes[k].get(said.scene.get(k, ""), -1) for k in lexicon.scene_kinds]
        return table

    def take(self, rows: NDArray[np.intp]) -> FactTable:
        """The table of these rows, in this order."""
        return replace(
            self,
            grains=self.grains[rows],
            present=self.present[rows],
            relations=self.relations[rows],
            scene=self.scene[rows],
        )

    def _set_relation(self, row: int, first: int, code: int, second: int) -> None:
        if first > second:
            first, second, code = second, first, int(self.inverse[code])
        if (first, second) in _PAIRS:
            self.relations[row, _PAIRS.index((first, second))] = code

    def distance(self, other: FactTable) -> NDArray[np.float32]:
        """Grain distances float32 [n, m] to another table: see `grain_distance_matrix`."""
        best = np.full((len(self.grains), len(other.grains)), np.iinfo(np.int32).max, np.int32)
        # One entity at most on both sides, as in flat data, can be paired in one way only.
        one_way = max(self._slots, other._slots) <= 1
        for order in [_AS_IT_IS] if one_way else permutations(_AS_IT_IS):
            arranged = other._arranged(order)
            np.minimum(best, self._cost(arranged), out=best)
        named, differing = 63 - best % 64, best // 64 % 64
        scene_named, scene_differing = _compare(self.scene, other.scene)
        named, differing = named + scene_named, differing + scene_differing
        share = np.divide(differing, named, out=np.full(best.shape, np.nan, np.float32), where=named > 0)
        return (share * self.scale).astype(np.float32)

    @property
    def _slots(self) -> int:
        """How many entities the richest text names."""
        return int(self.present.any(axis=0).sum())

    def _arranged(self, order: tuple[int, ...]) -> FactTable:
        relations = np.empty_like(self.relations)
        for column, (first, second) in enumerate(_PAIRS):
            pair = (order[first], order[second])
            forward = self.relations[:, _PAIRS.index((min(pair), max(pair)))]
            relations[:, column] = forward if pair[0] < pair[1] else self.inverse[forward]
        chosen = list(order)
        return replace(
            self,
            grains=self.grains[:, chosen],
            present=self.present[:, chosen],
            relations=relations,
        )

    def _cost(self, other: FactTable) -> NDArray[np.int32]:
        """Unpaired entities, then differing grains, then (63 - named ones), in one number [n, m].

        An entity without partner is one named grain that differs: its entity grain.
        """
        named, differing = _compare(self._columns(), other._columns())
        unpaired = np.zeros(named.shape, np.int32)
        for slot in range(MAX_ENTITIES):
            unpaired += self.present[:, None, slot] != other.present[None, :, slot]
        # a text that names no entity at all is silent about them, not wrong
        mine, theirs = (np.asarray(table.present.any(axis=1)) for table in (self, other))
        unpaired *= mine[:, None] & theirs[None, :]
        named, differing = named + unpaired, differing + unpaired
        return unpaired * 4096 + differing * 64 + 63 - named

    def _columns(self) -> NDArray[np.int16]:
        rows = len(self.grains)
        return np.concatenate([self.grains.reshape(rows, -1), self.relations], axis=1)


def _compare(mine: NDArray[np.int16], theirs: NDArray[np.int16]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """How many columns both rows name, and how many of those differ: two int32 [n, m]."""
    shape = (len(mine), len(theirs))
    named, differing = np.zeros(shape, np.int32), np.zeros(shape, np.int32)
    for a, b in zip(mine.T, theirs.T, strict=True):
        both = (a >= 0)[:, None] & (b >= 0)[None, :]
        named += both
        differing += both & (a[:, None] != b[None, :])
    return named, differing


def grain_distance_matrix(
    anchors: Sequence[Facts], candidates: Sequence[Facts], lexicon: Lexicon
) -> NDArray[np.float32]:
    """How many grains apart anchors and candidates are, float32 [n, m].

    The share of the grains named in both that differ, times the grains of a usual full caption
    (`Lexicon.caption_grains`), so that 1.0 is one grain. Entities are paired so that the fewest
    grains differ; a relation and its inverse told from the other side are the same. An entity that
    has no partner counts as one differing grain. NaN where nothing is named in both.
    """
    return FactTable.encode(anchors, lexicon).distance(FactTable.encode(candidates, lexicon))
