"""The scenes of stage 3: a few queries, their balanced negatives, and every candidate of the step."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from elva.data.mbeir import Candidate, MBeir, Query, TaskName
from elva.errors import RecipeError
from elva.training.negatives import Balanced, read_negatives
from elva.training.prepared import candidate_key, query_key, some
from elva.training.recipe import Recipe
from elva.training.session import Step


@dataclass(frozen=True, slots=True)
class Scene:
    """The queries of one step and what they rank.

    Attributes:
        queries: Q queries.
        dids: C distinct candidates of the step.
        sets: (Q, 1 + N) int64 into `dids`: each query's own candidates, its positive first.
        ignore: (Q, C) bool: other positives of the query.
    """

    queries: list[Query]
    dids: list[str]
    sets: Tensor
    ignore: Tensor

    @property
    def keys(self) -> list[str]:
        """PreparedItems keys of queries, then candidates."""
        return [query_key(q.qid) for q in self.queries] + [candidate_key(did) for did in self.dids]


class SceneSource:
    """Queries with negatives, as scenes: the queries that were mined are the training set of stage 3."""

    def __init__(self, recipe: Recipe, data: MBeir, names: Sequence[TaskName]) -> None:
        self._recipe, stage = recipe, recipe.reinforce
        mined = read_negatives(recipe.data.file("negatives"))
        pools: dict[int, dict[str, None]] = defaultdict(dict)
        self.candidates: dict[str, Candidate] = {}
        queries: list[Query] = []
        for name in names:
            queries += [query for query in data.queries(name) if query.qid in mined]
            self.candidates |= {candidate.did: candidate for candidate in data.pool(name)}
            pools[name.task] |= dict.fromkeys(candidate.did for candidate in data.pool(name))
        if not queries:
            raise RecipeError(
                f"data.negatives ({recipe.data.negatives}) holds no query of these datasets and tasks; "
                "mine this data and split with `elva mine`"
            )
        self.queries = some(queries, recipe.data.max_queries, recipe.seed)
        self._alike = _alike(self.candidates.values())
        known = {task: list(pool) for task, pool in pools.items()}
        self._negatives = Balanced(mined, known, stage.hard_negatives, stage.random_negatives)
        self.items = {query_key(q.qid): data.query_item(q) for q in self.queries}
        self.items |= {candidate_key(did): data.candidate_item(c) for did, c in self.candidates.items()}

    @property
    def steps_per_epoch(self) -> int:
        """Steps in which every query occurs once."""
        return max(1, len(self.queries) // self._recipe.reinforce.queries_per_step)

    def scene(self, step: Step) -> Scene:
        """The scene of a step: a function of the seed and the step's number alone."""
        epoch, place = divmod(step.number, self.steps_per_epoch)
        size = self._recipe.reinforce.queries_per_step
        order = np.random.default_rng([self._recipe.seed, epoch]).permutation(len(self.queries))
        queries = [self.queries[i] for i in order[place * size : (place + 1) * size]]
        right = [frozenset(same for did in q.positives for same in self._alike.get(did, (did,))) for q in queries]
        sets = [
            [q.positives[step.rng.integers(len(q.positives))], *self._negatives.draw(q, own, step.rng)]
            for q, own in zip(queries, right, strict=True)
        ]
        width = min(map(len, sets))
        dids = [*dict.fromkeys(did for own_set in sets for did in own_set[:width])]
        place_of = {did: i for i, did in enumerate(dids)}
        return Scene(
            queries,
            dids,
            torch.tensor([[place_of[did] for did in own_set[:width]] for own_set in sets]),
            torch.tensor([[did in own for did in dids] for own in right]),
        )


def _alike(candidates: Iterable[Candidate]) -> dict[str, list[str]]:
    """For each did whose text and picture others share: all of them. What equals a positive is no negative."""
    groups: dict[tuple[str | None, str | None], list[str]] = defaultdict(list)
    for candidate in candidates:
        groups[candidate.text, candidate.image].append(candidate.did)
    return {did: group for group in groups.values() if len(group) > 1 for did in group}
