"""Stage 3 as `elva train` does it, one step at a time: what the benchmarks of stage 3 time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch

from elva.data.mbeir import MBeir, TaskName
from elva.data.world import write_world
from elva.model.embedder import Embedder
from elva.model.rollout import Rollouts
from elva.training import reinforce
from elva.training.negatives import mine
from elva.training.recipe import Recipe, load_recipe
from elva.training.scenes import Scene, SceneSource
from elva.training.session import Session, Step

MODEL = "tiny-base"
PICTURES, TEXTS = [0, 3, 4, 7], [1]
"""The tasks of MRBench, and the one that shows no pictures."""
PAPER = ["reinforce.rollouts.group_size=8", "reinforce.hard_negatives=50", "reinforce.random_negatives=50"]
SMALLEST = ["reinforce.rollouts.group_size=2", "reinforce.hard_negatives=2", "reinforce.random_negatives=1"]


def write_ground(home: Path, quick: bool = False) -> None:
    """The built-in world, and the negatives that `elva mine` finds in it for some hundred queries."""
    root = home / "world"
    write_world(root, size="tiny" if quick else "demo")
    top, queries = (2, 60) if quick else (50, 400)
    tasks = [*PICTURES, *TEXTS]
    negatives = home / "negatives.jsonl"
    mine(root, Embedder.load(MODEL), negatives, top=top, datasets=["world"], task_ids=tasks, queries=queries)


class Lessons:
    """The steps of a run of `tiny/elva_paper`, each on its own scene, without the update of the weights.

    As in a run, all pictures are looked at before the first step, and their visual tokens kept.

    Args:
        home: where `write_ground` has written.
        settings: of the recipe, besides data and model.
        tasks: those that ask.
        embedder: the model, if it isn't the packaged one.
        pool: draw the negatives of all queries of a step from so many of its candidates, as where pools are small.
    """

    def __init__(
        self,
        home: Path,
        settings: Sequence[str],
        tasks: Sequence[int] = PICTURES,
        embedder: Embedder | None = None,
        pool: int | None = None,
    ) -> None:
        self._pool = pool
        data = [f"data.root={home / 'world'}", f"data.negatives={home / 'negatives.jsonl'}", f"data.tasks={[*tasks]}"]
        self.recipe = load_recipe("tiny/elva_paper", [*data, *settings])
        self.embedder = embedder or Embedder.load(MODEL)
        self.embedder.features.keep = True
        self.embedder.backbone.open_training(self.recipe.model.trainable)
        session = Session(self.recipe, self.embedder, home / "run", {}, resume=False)
        names = [TaskName("world", task, "train") for task in tasks]
        self._source = SceneSource(self.recipe, MBeir.open(home / "world"), names)
        self._lesson = reinforce.Lesson(session, session.prepare(self._source.items, None))

    def scene(self, number: int) -> Scene:
        """That of a step."""
        (scene,) = self._source.scenes(self._step(number))
        return scene if self._pool is None else crowded(scene, self._pool, number)

    def gradients(self, number: int) -> dict[str, float]:
        """The metrics of a step, whose gradient then lies in the weights."""
        return next(self._lesson.gradients([self.scene(number)], self._step(number)))

    def forget(self) -> None:
        """No gradient lies in the weights."""
        self.embedder.backbone.zero_grad(set_to_none=True)

    def __call__(self, number: int) -> None:
        """One step, without a trace."""
        self.gradients(number)
        self.forget()

    def _step(self, number: int) -> Step:
        seed = [self.recipe.seed, number]
        return Step(number, np.random.default_rng(seed), torch.Generator().manual_seed(number))


def crowded(scene: Scene, pool: int, seed: int) -> Scene:
    """The scene, its queries' negatives drawn anew from so many of its candidates and the other queries' positives."""
    rng = np.random.default_rng(seed)
    positives = scene.sets[:, 0].tolist()
    kept = [*dict.fromkeys([*positives, *range(len(scene.dids))])][: max(pool, len({*positives}))]
    place = {old: new for new, old in enumerate(kept)}
    ignore = scene.ignore[:, kept]
    sets = []
    for positive, own in zip(positives, ignore, strict=True):
        negatives = rng.choice(torch.nonzero(~own).squeeze(-1).numpy(), scene.sets.shape[1] - 1, replace=False)
        sets.append([place[positive], *negatives.tolist()])
    dids = [scene.dids[old] for old in kept]
    left = {key: scene.items[key] for key in Scene(scene.queries, dids, scene.sets, ignore).keys}
    return Scene(scene.queries, dids, torch.tensor(sets), ignore, left)


@contextmanager
def overheard() -> Iterator[list[Rollouts]]:
    """What every step inside has written, in the order of its scene's keys."""
    heard: list[Rollouts] = []
    judge = reinforce.judge

    def listening(recipe: Recipe, scene: Scene, read: Rollouts, first: Rollouts, *rest: Any) -> Any:
        heard.append(first)
        return judge(recipe, scene, read, first, *rest)

    with patch.object(reinforce, "judge", listening):
        yield heard
