"""The scenes of stage 3: every query in turn, with its full number of negatives from its own pool."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from elva.data.mbeir import Candidate, MBeir, Query, TaskName, write_instructions, write_pool, write_queries
from elva.errors import RecipeError
from elva.training.recipe import Budget, Data, Optimizer, Recipe, Reinforce
from elva.training.scenes import Scene, SceneSource
from elva.training.session import Step

NAME, OTHER = TaskName("world", 1, "train"), TaskName("mrbench", 1, "train")
MINED = {f"100:{n}": [f"100:{n + 1}", f"100:{n + 2}"] for n in range(5)} | {"101:0": ["101:1"]}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two data sets of one task. Of the first, 100:0 has two answers, and 100:8 repeats the second of them."""
    answers = {n: (f"100:{n}",) for n in range(5)} | {0: ("100:0", "100:7")}
    write_queries(tmp_path, NAME, [Query(f"100:{n}", f"ask {n}", None, "text", answers[n], (), 1) for n in answers])
    write_queries(tmp_path, OTHER, [Query("101:0", "also", None, "text", ("101:0",), (), 1)])
    texts = {n: f"answer {n}" for n in range(9)} | {8: "answer 7"}
    write_pool(tmp_path, NAME, [Candidate(f"100:{n}", text, None, "text") for n, text in texts.items()])
    write_pool(tmp_path, OTHER, [Candidate(f"101:{n}", f"other {n}", None, "text") for n in range(40)])
    write_instructions(tmp_path, {}, {})
    return tmp_path


def source(
    root: Path,
    names: Sequence[TaskName] = (NAME, OTHER),
    mined: Mapping[str, Sequence[str]] = MINED,
    seed: int = 0,
    max_queries: int | None = None,
    **stage: Any,
) -> SceneSource:
    rows = [{"qid": qid, "candidates": [[did, 0.5] for did in dids]} for qid, dids in mined.items()]
    (root / "n.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    sizes = {"queries_per_step": 2, "hard_negatives": 1, "random_negatives": 2}
    recipe = Recipe(
        stage="reinforce",
        seed=seed,
        data=Data(root=str(root), negatives="n.jsonl", max_queries=max_queries),
        budget=Budget(steps=1),
        optimizer=Optimizer(lr=1e-3),
        reinforce=Reinforce(**{**sizes, **stage}),
    )
    return SceneSource(recipe, MBeir.open(root), names)


def scene(found: SceneSource, number: int) -> Scene:
    return found.scenes(Step(number, np.random.default_rng([0, number]), torch.Generator()))[0]


def sets(found: Scene) -> dict[str, list[str]]:
    """Qid to its own candidates, the positive first."""
    return {
        query.qid: [found.dids[i] for i in own] for query, own in zip(found.queries, found.sets.tolist(), strict=True)
    }


def test_an_epoch_asks_every_query_once(root: Path) -> None:
    found = source(root)
    assert found.scenes_per_epoch == 3
    epochs = [[query.qid for n in range(3) for query in scene(found, 3 * e + n).queries] for e in range(2)]
    assert sorted(epochs[0]) == sorted(epochs[1]) == sorted(MINED)
    assert epochs[0] != epochs[1]


def test_a_scene_is_a_function_of_seed_and_number(root: Path) -> None:
    def asked(found: SceneSource) -> list[list[str]]:
        return [[query.qid for query in scene(found, n).queries] for n in (2, 0, 1)]

    one, same = source(root), source(root)
    assert [sets(scene(one, n)) for n in range(6)] == [sets(scene(same, n)) for n in reversed(range(6))][::-1]
    assert asked(one) != asked(source(root, seed=1))


def test_a_set_is_the_positive_then_mined_then_random_ones(root: Path) -> None:
    found = source(root)
    firsts = set()
    for number in range(30):
        now = scene(found, number)
        for query in now.queries:
            positive, hard, *random = sets(now)[query.qid]
            assert positive in query.positives
            assert hard in MINED[query.qid]
            assert len({positive, hard, *random}) == 4
            firsts.add(positive)
    assert {"100:0", "100:7"} <= firsts, "the positive is drawn among all"


def test_negatives_come_from_the_pool_of_the_query_s_own_data_set(root: Path) -> None:
    found = source(root)
    for number in range(30):
        for qid, dids in sets(scene(found, number)).items():
            assert {did.split(":")[0] for did in dids} == {qid.split(":")[0]}


def test_right_answers_and_what_equals_one_are_ignored_and_never_drawn(root: Path) -> None:
    found, seen = source(root, queries_per_step=6), set()
    for number in range(20):
        now = scene(found, number)
        row = [query.qid for query in now.queries].index("100:0")
        ignored = {did for did, out in zip(now.dids, now.ignore[row].tolist(), strict=True) if out}
        assert ignored == {"100:0", "100:7", "100:8"} & set(now.dids)
        assert not {"100:0", "100:7", "100:8"} & set(sets(now)["100:0"][1:])
        seen |= ignored
    assert seen == {"100:0", "100:7", "100:8"}


def test_shared_negatives_are_those_of_the_other_queries_and_no_right_answers(root: Path) -> None:
    alone, together = source(root, queries_per_step=6), source(root, queries_per_step=6, shared_negatives=True)
    others = set()
    for number in range(20):
        own, shared = scene(alone, number), scene(together, number)
        assert own.dids == shared.dids, "nothing more is rolled out"
        assert shared.sets.shape[1] > own.sets.shape[1]
        for query in shared.queries:
            before, ranked = sets(own)[query.qid], sets(shared)[query.qid]
            assert ranked[: len(before)] == before
            assert len({*ranked}) == len(ranked)
        others |= {*sets(shared)["100:0"][1:]}
    assert not {"100:0", "100:7", "100:8"} & others
    assert "101:0" in others, "the positive of another query, from another pool"


def test_keys_are_items_queries_first(root: Path) -> None:
    found = source(root)
    now = scene(found, 0)
    assert now.keys[:2] == [f"query {query.qid}" for query in now.queries]
    assert set(now.keys) == set(now.items)
    assert now.items.items() <= dict(found.items()).items()


def test_queries_are_limited_by_the_seed(root: Path) -> None:
    chosen = [
        {query.qid for n in range(2) for query in scene(found, n).queries}
        for found in (source(root, max_queries=4, seed=seed) for seed in range(4))
    ]
    assert all(len(each) == 4 for each in chosen)
    assert len({frozenset(each) for each in chosen}) > 1


def test_no_mined_query_is_refused(root: Path) -> None:
    with pytest.raises(RecipeError, match=r"data\.negatives \(n\.jsonl\) holds no query.*elva mine"):
        source(root, mined={"999:1": []})


def test_a_pool_without_room_for_all_negatives_is_refused_by_task_and_query(root: Path) -> None:
    source(root, hard_negatives=4, random_negatives=2)  # nine candidates, three of them right for 100:0
    message = (
        r"random_negatives is 7, but 1 of 6 queries have fewer wrong answers in their pool, "
        r"100:0 of world_task1_train for one: 9 candidates, 3 of them right; lower"
    )
    with pytest.raises(RecipeError, match=message):
        source(root, hard_negatives=4, random_negatives=3)


def test_a_small_pool_does_not_cut_the_negatives_of_the_others(root: Path) -> None:
    with pytest.raises(RecipeError, match="5 of 6 queries"):
        source(root, hard_negatives=1, random_negatives=20)
    alone = source(root, names=(OTHER,), mined={"101:0": ["101:1"]}, hard_negatives=1, random_negatives=20)
    assert scene(alone, 0).sets.shape == (1, 22)


def test_a_positive_in_a_pool_that_is_not_read_is_not_drawn(root: Path) -> None:
    shared = Query("100:9", "ask 9", None, "text", ("101:3", "100:5"), (), 1)
    write_queries(root, NAME, [shared])
    found = source(root, names=(NAME,), mined={"100:9": ["100:1"]})
    assert {sets(scene(found, n))["100:9"][0] for n in range(12)} == {"100:5"}


def test_a_mined_candidate_that_no_pool_holds_is_named(root: Path) -> None:
    with pytest.raises(RecipeError, match=r"names candidate 100:99 for query 100:0 of .*elva mine"):
        source(root, mined={"100:0": ["100:1", "100:99"]})
