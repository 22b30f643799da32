"""Constant vectors of all candidates: what the queries of stage 3 rank where they alone learn (`reinforce.index`).

Few candidates that learn with their queries leave a sharp target hardly anybody to tell apart. Thousands can't
be read in every step, but need not be: their vectors stay, and a step costs what its queries cost, and one product.
The vectors are as `elva evaluate` reads them by the model that makes them. Queries and candidates share weights:
what is trained answers to these vectors, and reads candidates otherwise; `refresh_every` follows it.
"""

from __future__ import annotations

from dataclasses import replace

import torch

from elva.data.mbeir import Query, TaskName
from elva.encoding import Progress
from elva.training.prepared import PreparedItems
from elva.training.scenes import Scene, SceneSource
from elva.training.session import Session, Step
from elva.training.sharding import put_together


class PoolIndex:
    """The pools of a run's tasks, as the policy saw them when it made their vectors.

    The model must be the one that the run starts from: the vectors are made here, unless a checkpoint holds them.

    Args:
        session: recipe, model and team.
        library: gives vectors.
        data: gives candidates and scenes.

    Attributes:
        vectors: (C, D) float32 unit vectors of every candidate of the tasks, in the order of `data.dids`.
    """

    def __init__(self, session: Session, library: PreparedItems, data: SceneSource) -> None:
        self._session, self._library, self._data = session, library, data
        self._dids = data.dids
        self._place = {did: place for place, did in enumerate(self._dids)}
        self._elsewhere: dict[TaskName, torch.Tensor] = {}
        for name, places in data.places().items():
            self._elsewhere[name] = torch.ones(len(self._dids), dtype=torch.bool)
            self._elsewhere[name][torch.from_numpy(places)] = False
        self.vectors = torch.zeros(len(self._dids), session.embedder.dimension, device=session.device)
        if not session.keep("index", self.vectors):
            with session.counted(), session.progress("vectors of the pool", len(self._dids)) as tick:
                self._make(tick)

    def scenes(self, step: Step) -> list[Scene]:
        """The scenes of a step, each over the whole pool; makes the vectors anew before, where that is due."""
        if self._is_due(step.number):
            self._make()  # the bar of the steps stands still meanwhile
        return [self._over(scene) for scene in self._data.scenes(step)]

    def _make(self, tick: Progress | None = None) -> None:
        """Each process of a team makes all of them: they are few beside what is trained on."""
        with put_together(self._session.embedder.backbone):
            vectors = self._library.vectors(self._data.candidate_items(), tick)
        self.vectors.copy_(torch.from_numpy(vectors))

    def _is_due(self, number: int) -> bool:
        """Whether step `number` is the first behind another `refresh_every` updates: never the very first one."""
        stage = self._session.recipe.reinforce
        if stage.index is None or stage.index.refresh_every is None:
            return False
        each = stage.rollouts.scenes_at_once * stage.policy.updates_per_rollout
        done, before = number * each, (number - 1) * each
        return number > 0 and done // stage.index.refresh_every > before // stage.index.refresh_every

    def _over(self, scene: Scene) -> Scene:
        """The same queries, ranking their pools: other tasks' candidates stand in the same rows, and count for nothing.

        A drawn positive counts, even if another task's pool alone holds it.
        """
        sets = torch.tensor([self._place[did] for did in scene.dids])[scene.sets]
        ignore = torch.zeros(len(scene.queries), len(self._dids), dtype=torch.bool)
        for row, query in enumerate(scene.queries):
            ignore[row, self._right(query)] = True
        elsewhere = torch.stack([self._elsewhere[name] for name in scene.tasks]).scatter(1, sets[:, :1], False)
        items = {key: scene.items[key] for key in scene.query_keys}
        return replace(
            scene, dids=self._dids, sets=sets, ignore=ignore, items=items, vectors=self.vectors, elsewhere=elsewhere
        )

    def _right(self, query: Query) -> list[int]:
        return [self._place[did] for did in self._data.right(query) if did in self._place]
