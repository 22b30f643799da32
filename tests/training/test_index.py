"""Queries alone learn, against constant vectors of their whole pools."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import exp, log
from pathlib import Path

import numpy as np
import pytest
import torch

from chain import STAGE3, Chain
from elva.data.mbeir import MBeir, TaskName
from elva.model.embedder import Embedder
from elva.model.rollout import Rollouts
from elva.training.index import PoolIndex
from elva.training.judge import judge
from elva.training.likelihood_order import LikelihoodOrder
from elva.training.prepared import read_captions
from elva.training.recipe import Recipe, load_recipe
from elva.training.reinforce import Lesson
from elva.training.scenes import Scene, SceneSource
from elva.training.session import Session, Step
from ranking import scene, unit, written

INDEX = ["reinforce.index={}", "reinforce.rollouts.of=queries", "reinforce.order.anchors=queries"]
X, Y, Z = [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]


def step(number: int = 0) -> Step:
    return Step(number, np.random.default_rng(number), torch.Generator().manual_seed(number))


def over(elsewhere: list[list[bool]]) -> Scene:
    """Two queries over the axes as constants; the sets of the second hold what it does not rank."""
    return replace(scene(), vectors=unit([X, Y, Z]), elsewhere=torch.tensor(elsewhere))


def asking() -> Rollouts:
    found = written(unit([[0.8, 0.6, 0.0], [0.6, 0.8, 0.0]])[:, None])
    return replace(found, embeddings=found.embeddings.clone().requires_grad_())


def settings(*more: str) -> Recipe:
    files = ["data.captions=c", "data.negatives=n", "data.root=.", "data.likelihoods=l"]
    short = ["reinforce.rollouts.own_caption=false", "reinforce.weights.lm=0"]
    return load_recipe("ablations/index", [*files, *short, *more])


def test_a_query_ranks_its_own_pool_alone_worked_by_hand() -> None:
    order = LikelihoodOrder({"100:0": {"100:2": -1.0}, "100:1": {"100:3": -1.0}}, 1.0, 1.0, whole_pool=True)
    wanted = settings("reinforce.order={temperature: 0.5, grain_temperature: 1}")
    read = asking()
    loss, metrics = judge(wanted, over([[False] * 3, [True, False, False]]), read, read.detached(), None, order, 2)
    aim = [1 / (1 + exp(-1)), exp(-1) / (1 + exp(-1))]  # the positive; one grain away; what was not scored has none
    first = [exp(1.6), exp(1.2), exp(0.0)]
    second = [exp(1.6), exp(0.0)]  # the first candidate is of another pool
    far = [sum(p * log(p * sum(own) / e) for p, e in zip(aim, own[:2], strict=True)) for own in (first, second)]
    assert loss.item() == pytest.approx(sum(far) / 2, abs=1e-5)
    assert metrics["order"] == pytest.approx(loss.item())


def test_infonce_leaves_out_other_pools() -> None:
    wanted = settings("reinforce.weights={order: 0, infonce: 1}", "reinforce.infonce_temperature=0.5")
    read = asking()
    loss, _ = judge(wanted, over([[False, False, True], [True, False, False]]), read, read.detached(), None, None, 2)
    own = [log(1 + exp(1.2 - 1.6)), log(1 + exp(0.0 - 1.6))]
    assert loss.item() == pytest.approx(sum(own) / 2, abs=1e-5)


Made = Callable[..., tuple[Session, SceneSource, PoolIndex]]


@pytest.fixture
def make(chain: Chain, tmp_path: Path) -> Made:
    """A run of several tasks with an index, before its first step."""

    def made(*more: str) -> tuple[Session, SceneSource, PoolIndex]:
        given = chain.settings(chain.model("stage2"), chain.captions, chain.negatives, *STAGE3, *INDEX, *more)
        recipe = load_recipe("ablations/order_in_sight", given)
        embedder = Embedder.load(recipe.model.path)
        embedder.backbone.open_training("language_model")
        session = Session(recipe, embedder, tmp_path, {}, resume=False)
        root, names = session.data()
        data = SceneSource(recipe, root, names)
        library = session.prepare(data.items, read_captions(recipe.data.file("captions")))
        return session, data, PoolIndex(session, library, data)

    return made


def test_vectors_are_those_of_an_evaluation_and_their_seconds_count(make: Made) -> None:
    session, data, index = make()
    items = [item for _, item in data.candidate_items()]
    alone = torch.from_numpy(session.embedder.encode_document(items))
    torch.testing.assert_close(index.vectors, alone, atol=1e-5, rtol=0)
    assert session.seconds > 0 and session.processor_seconds > 0


def test_a_scene_ranks_the_pool_of_each_query_and_reads_queries_alone(make: Made) -> None:
    session, data, index = make("reinforce.queries_per_step=6")
    (found,), (usual,) = index.scenes(step()), data.scenes(step())
    assert len(set(found.tasks)) > 1
    assert found.keys == usual.query_keys == [*found.items]
    bench = MBeir.open(session.recipe.data.folder())
    for row, (query, name) in enumerate(zip(found.queries, found.tasks, strict=True)):
        pool = {each.did for each in bench.pool(TaskName(name.dataset, name.task, name.split))}
        assert {did for did, out in zip(found.dids, found.elsewhere[row].tolist(), strict=True) if not out} == pool
        right = {did for did, same in zip(found.dids, found.ignore[row].tolist(), strict=True) if same}
        assert right == data.right(query) & {*found.dids}
        assert [found.dids[i] for i in found.sets[row]] == [usual.dids[i] for i in usual.sets[row]]


def test_a_lesson_changes_no_vector_and_reads_no_candidate(make: Made) -> None:
    session, data, index = make("reinforce.weights.order=0")
    library = index._library
    before, taken = index.vectors.clone(), []
    library.take, take = lambda items: (taken.extend(items), take(items)), library.take
    metrics = next(Lesson(session, library).gradients(index.scenes(step()), step()))
    assert "infonce" in metrics
    assert taken == data.scenes(step())[0].query_keys
    assert any(each.grad is not None for each in session.embedder.backbone.trainable_parameters().values())
    assert not index.vectors.requires_grad and torch.equal(index.vectors, before)


def test_vectors_are_made_anew_when_that_is_due(make: Made) -> None:
    session, _, index = make("reinforce.index.refresh_every=3", "reinforce.rollouts.scenes_at_once=2")
    weights = next(iter(session.embedder.backbone.trainable_parameters().values()))
    changed = []
    for number in range(5):  # two updates each
        with torch.no_grad():
            weights.mul_(0.9)
        before = index.vectors.clone()
        index.scenes(step(number))
        changed.append(not torch.equal(index.vectors, before))
    assert changed == [False, False, True, True, False]


def test_without_a_number_they_are_never_made_anew(make: Made) -> None:
    session, _, index = make()
    before = index.vectors.clone()
    with torch.no_grad():
        next(iter(session.embedder.backbone.trainable_parameters().values())).mul_(0.5)
    index.scenes(step(1000))
    assert torch.equal(index.vectors, before)
