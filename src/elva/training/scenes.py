"""The scenes of stage 3: a few queries, their balanced negatives, and every candidate of the step."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from elva.data.mbeir import Candidate, MBeir, Query, TaskName
from elva.data.stored import Joined, Lookup, Numbers, Stored, distinct, once
from elva.errors import RecipeError
from elva.items import Item
from elva.training.epochs import batch_places, batches_of
from elva.training.negatives import Balanced, RightAnswers, read_negatives, where
from elva.training.prepared import candidate_key, drawn, query_key
from elva.training.recipe import Recipe
from elva.training.rowfile import Entries
from elva.training.session import Step


@dataclass(frozen=True, slots=True)
class Scene:
    """The queries of one step and what they rank.

    Attributes:
        queries: Q queries.
        dids: C distinct candidates of the step.
        sets: (Q, 1 + N) int64 into `dids`: what each query ranks, its positive first; its own candidates, and behind
            them those of the others where the recipe shares them.
        ignore: (Q, C) bool: right answers of the query, the positive among them: they are no negatives.
        items: what `keys` stand for.
        tasks: the task of each query.
        vectors: (C, D) unit vectors of the candidates where they are constants (`PoolIndex`); None: they are read.
        elsewhere: (Q, C) bool, beside these: candidates that are not of the query's pool, which it doesn't rank.
    """

    queries: list[Query]
    dids: list[str]
    sets: Tensor
    ignore: Tensor
    items: Mapping[str, Item] = field(default_factory=dict)
    tasks: Sequence[TaskName] = ()
    vectors: Tensor | None = None
    elsewhere: Tensor | None = None

    @property
    def keys(self) -> list[str]:
        """PreparedItems keys of what is read: queries, then candidates without constant vectors."""
        return self.query_keys + [candidate_key(did) for did in (self.dids if self.vectors is None else ())]

    @property
    def query_keys(self) -> list[str]:
        """Those of the queries."""
        return [query_key(q.qid) for q in self.queries]


class SceneSource:
    """Queries with negatives, as scenes: the queries that were mined are the training set of stage 3.

    Raises:
        RecipeError: no query was mined, or a query's pool holds too few negatives for the recipe.
    """

    def __init__(self, recipe: Recipe, data: MBeir, names: Sequence[TaskName]) -> None:
        self._recipe, self._data, stage = recipe, data, recipe.reinforce
        mined = read_negatives(recipe.data.file("negatives"))
        asked = Joined([_mined(data.queries(name), name, mined) for name in names])
        if not len(asked):
            raise RecipeError(
                f"data.negatives ({recipe.data.negatives}) holds no query of these datasets and tasks; "
                "mine this data and split with `elva mine`"
            )
        self._asked = asked.only(drawn(len(asked), recipe.data.max_queries, recipe.seed))
        self._pools = pools = {name: data.pool(name) for name in names}
        self.candidates: Mapping[str, Candidate] = Lookup([*pools.values()])
        self._once = once([*pools.values()])  # pools may share candidates
        self._right = RightAnswers(self._once)
        self._negatives = Balanced(mined, pools, stage.hard_negatives, stage.random_negatives)
        self._check_mined(mined, pools)
        self._check_room(pools)

    def items(self) -> Iterator[tuple[str, Item]]:
        """Key and item of everything that may occur: queries, then candidates, made one by one."""
        yield from ((query_key(query.qid), self._data.query_item(query)) for _, query in self._asked)
        yield from self.candidate_items()

    def candidate_items(self) -> Iterator[tuple[str, Item]]:
        """Key and item of every candidate, in the order of `dids`."""
        yield from ((candidate_key(c.did), self._data.candidate_item(c)) for c in self._once)

    @property
    def dids(self) -> list[str]:
        """Of every candidate."""
        return [c.did for c in self._once]

    def places(self) -> dict[TaskName, Numbers]:
        """Of each task's pool: the places of its candidates in `dids`."""
        return dict(zip(self._pools, distinct([*self._pools.values()])[1], strict=True))

    def right(self, query: Query) -> frozenset[str]:
        """The dids that are no negatives of a query."""
        return self._right.of(query)

    def _check_mined(self, mined: Mapping[str, Sequence[str]], pools: Mapping[TaskName, Stored[Candidate]]) -> None:
        """Every mined candidate must be there: the file may be of older data."""
        for name, query in self._asked:
            own = pools[name].places
            strange = (did for did in mined[query.qid] if own.row(did) is None)
            lost = next((did for did in strange if did not in self.candidates), None)
            if lost is not None:
                raise RecipeError(
                    f"data.negatives ({self._recipe.data.negatives}) names candidate {lost} for query {query.qid} of "
                    f"{name}, which no pool of these tasks holds; mine this data again with `elva mine`"
                )

    def _check_room(self, pools: Mapping[TaskName, Stored[Candidate]]) -> None:
        """Every query must get its full number of negatives: a reward compares sets of one size."""
        stage = self._recipe.reinforce
        wanted = stage.hard_negatives + stage.random_negatives
        short = []
        for name, query in self._asked:
            right = sum(pools[name].places.row(did) is not None for did in self._right.of(query))
            if len(pools[name]) - right < wanted:
                short.append((name, query, right))
        if short:
            name, query, right = short[0]
            raise RecipeError(
                f"reinforce.hard_negatives + random_negatives is {wanted}, but {len(short)} of {len(self._asked)} "
                f"queries have fewer wrong answers in their pool, {query.qid} of {name} for one: "
                f"{len(pools[name])} candidates, {right} of them right; lower the two numbers"
            )

    @property
    def scenes_per_epoch(self) -> int:
        """Scenes in which every query occurs once, but for the rest that fills none."""
        return batches_of(len(self._asked), self._recipe.reinforce.queries_per_step)

    def scenes(self, step: Step) -> list[Scene]:
        """The scenes of a step: a function of the seed and the step's number alone, however many updates they get."""
        together = self._recipe.reinforce.rollouts.scenes_at_once
        return [self._scene(step.number * together + each, step.rng) for each in range(together)]

    def _scene(self, number: int, rng: np.random.Generator) -> Scene:
        size = self._recipe.reinforce.queries_per_step
        asked = [self._asked[i] for i in batch_places(self._recipe.seed, number, len(self._asked), size)]
        right = [self.right(query) for _, query in asked]
        sets = [
            [self._positive(query, rng), *self._negatives.draw(name, query, own, rng)]
            for (name, query), own in zip(asked, right, strict=True)
        ]
        dids = [*dict.fromkeys(did for own_set in sets for did in own_set)]
        if self._recipe.reinforce.shared_negatives:
            sets = _shared(sets, right, dids, rng)
        place_of = {did: i for i, did in enumerate(dids)}
        items = {query_key(query.qid): self._data.query_item(query) for _, query in asked}
        items |= {candidate_key(did): self._data.candidate_item(self.candidates[did]) for did in dids}
        return Scene(
            [query for _, query in asked],
            dids,
            torch.tensor([[place_of[did] for did in own_set] for own_set in sets]),
            torch.from_numpy(where(right, dids)),
            items,
            [name for name, _ in asked],
        )

    def _positive(self, query: Query, rng: np.random.Generator) -> str:
        # OVEN and InfoSeek share answers: one that only a pool outside the recipe's data sets holds can't be read.
        known = [did for did in query.positives if did in self.candidates]
        return known[rng.integers(len(known))]


def _shared(
    sets: Sequence[Sequence[str]], right: Sequence[Collection[str]], dids: Sequence[str], rng: np.random.Generator
) -> list[list[str]]:
    """Each set with what the others brought, positives among it, in random order; never a right answer.

    Rewards compare sets of one size, so the longest ones lose a few of those others' candidates.
    """
    mixed = [dids[place] for place in rng.permutation(len(dids)).tolist()]
    more = [
        [did for did in mixed if did not in own_set and did not in answers]
        for own_set, answers in zip(sets, right, strict=True)
    ]
    fewest = min(map(len, more))
    return [[*own_set, *others[:fewest]] for own_set, others in zip(sets, more, strict=True)]


def _mined(queries: Stored[Query], name: TaskName, mined: Entries[tuple[str, ...]]) -> Stored[tuple[TaskName, Query]]:
    """The queries of a task that were mined, each with the task."""
    rows = queries.places.rows(mined.hashes())
    return queries.changed(np.sort(rows[rows >= 0]), lambda query: (name, query))
