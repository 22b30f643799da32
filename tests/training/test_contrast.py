"""Batches of stages 1 and 2: who is asked, who is ranked, and who is no negative."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from elva.data.mbeir import Candidate, MBeir, Query, TaskName, write_instructions, write_pool, write_queries
from elva.errors import RecipeError
from elva.training.contrast import QuerySource, TripleSource
from elva.training.prepared import candidate_key, query_key
from elva.training.recipe import Budget, Contrast, Data, Optimizer, Recipe, load_recipe
from elva.training.run import train
from elva.training.session import Step
from smallest import smallest_embedder


def step(number: int, seed: int = 0) -> Step:
    return Step(number, np.random.default_rng([seed, number]), torch.Generator())


def recipe(data: Data, batch_size: int = 4, seed: int = 0, **contrast: Any) -> Recipe:
    return Recipe(
        stage="contrast",
        seed=seed,
        data=data,
        budget=Budget(steps=1),
        optimizer=Optimizer(lr=1e-3),
        contrast=Contrast(batch_size=batch_size, **contrast),
    )


# -- triples -----------------------------------------------------------------------------------------------------


@pytest.fixture
def triples(tmp_path: Path) -> Data:
    lines = [f"anchor {n},positive {n},negative {n}" for n in range(9)]
    lines[1] = "anchor 1,positive 0,negative 1"  # shares the first one's positive
    lines[2] = "anchor 2,positive 2,anchor 3"  # its contradiction is another one's anchor
    lines[3] = "anchor 3,positive 3,"
    (tmp_path / "t.csv").write_text("sent0,sent1,hard_neg\n" + "\n".join(lines) + "\n")
    return Data(root=str(tmp_path), triples="t.csv")


def test_an_epoch_of_triples_is_a_permutation(triples: Data) -> None:
    source = TripleSource(recipe(triples, 3))
    assert source.batches_per_epoch == 3
    for epoch in (0, 1):
        anchors = [key for place in range(3) for key in source.batch(step(epoch * 3 + place)).queries]
        assert sorted(anchors) == [f"anchor {n}" for n in range(9)]


def test_the_order_is_a_function_of_seed_and_epoch(triples: Data) -> None:
    def queries(number: int, seed: int = 0) -> list[str]:
        return TripleSource(recipe(triples, 3, seed)).batch(step(number)).queries

    assert queries(4) == queries(4)
    assert queries(1) != queries(4), "the same place of the next epoch"
    assert [queries(n) for n in range(3)] != [queries(n, seed=1) for n in range(3)]


def test_contradictions_are_negatives_and_equal_texts_are_none(triples: Data) -> None:
    batch = TripleSource(recipe(triples, 9)).batch(step(0))
    assert len(batch.candidates) == 9 + 8, "one triple has no contradiction"
    row = {anchor: place for place, anchor in enumerate(batch.queries)}
    columns = {anchor: [c for c in range(17) if batch.ignore[row[anchor], c]] for anchor in row}
    said = {anchor: {batch.candidates[c] for c in ignored} for anchor, ignored in columns.items()}
    assert said["anchor 0"] == said["anchor 1"] == {"positive 0"}
    assert len(columns["anchor 0"]) == 2, "its own positive and the same text of the other row"
    assert said["anchor 3"] == {"positive 3", "anchor 3"}
    assert [batch.candidates[i] for i in batch.positive] == [
        f"positive {0 if anchor == 'anchor 1' else anchor[-1]}" for anchor in batch.queries
    ]


def test_what_other_rows_say_of_an_anchor_is_no_negative_of_it(tmp_path: Path) -> None:
    lines = ["a dog runs,an animal runs,a cat", "a dog runs,something moves,a dog sleeps"]  # one anchor, two positives
    lines += ["a puppy runs,a dog runs,a kitten", "rain falls,it is wet,the sun shines"]  # and a positive of another
    (tmp_path / "t.csv").write_text("sent0,sent1,hard_neg\n" + "\n".join(lines) + "\n")
    batch = TripleSource(recipe(Data(root=str(tmp_path), triples="t.csv"), 4)).batch(step(0))
    ignored = {
        anchor: {text for text, out in zip(batch.candidates, row, strict=True) if out}
        for anchor, row in zip(batch.queries, batch.ignore.tolist(), strict=True)
    }
    assert ignored == {
        "a dog runs": {"an animal runs", "something moves", "a dog runs"},
        "a puppy runs": {"a dog runs", "an animal runs", "something moves"},
        "rain falls": {"it is wet"},
    }


def test_contradictions_can_be_left_out(triples: Data) -> None:
    assert len(TripleSource(recipe(triples, 9, triple_negatives=False)).batch(step(0)).candidates) == 9


def test_too_few_triples_for_one_batch_are_refused(triples: Data) -> None:
    with pytest.raises(RecipeError, match=r"9 rows, fewer than one batch; lower contrast\.batch_size"):
        TripleSource(recipe(triples, 10))


def test_every_text_of_the_triples_is_an_item(triples: Data) -> None:
    source = TripleSource(recipe(triples, 3))
    batch = source.batch(step(2))
    assert {*batch.queries, *batch.candidates} == set(batch.items) <= set(dict(source.items()))


# -- queries -----------------------------------------------------------------------------------------------------

NAME, OTHER = TaskName("world", 1, "train"), TaskName("mrbench", 1, "train")


@pytest.fixture
def queries(tmp_path: Path) -> Data:
    """Eight queries in one sub-task, five in another; two of the first share an answer, one has two."""
    root = tmp_path / "data"
    answers = {n: (f"100:{n}",) for n in range(8)} | {1: ("100:0",), 2: ("100:2", "100:8")}
    first = [Query(f"100:{n}", f"ask {n}", None, "text", answers[n], (), 1) for n in range(8)]
    second = [Query(f"101:{n}", f"also {n}", None, "text", (f"101:{n}",), (), 1) for n in range(5)]
    texts = {n: f"answer {n}" for n in range(9)} | {5: "answer 4"}  # 100:5 repeats 100:4
    write_queries(root, NAME, first)
    write_queries(root, OTHER, second)
    write_pool(root, NAME, [Candidate(f"100:{n}", text, None, "text") for n, text in texts.items()])
    write_pool(root, OTHER, [Candidate(f"101:{n}", f"other {n}", None, "text") for n in range(5)])
    write_instructions(root, {}, {})
    return Data(root=str(root))


def asking(wanted: Recipe) -> QuerySource:
    return QuerySource(wanted, MBeir.open(wanted.data.folder()))


def test_an_epoch_of_queries_holds_each_once_in_batches_of_one_sub_task(queries: Data) -> None:
    source = asking(recipe(queries, 4))
    assert source.batches_per_epoch == 3  # 8 // 4 + 5 // 4
    for epoch in (0, 1):
        batches = [source.batch(step(epoch * 3 + place)).queries for place in range(3)]
        assert all(len({key.split(":")[0] for key in batch}) == 1 for batch in batches)
        asked = [key for batch in batches for key in batch]
        assert len(asked) == len(set(asked)) == 12
        assert {query_key(f"100:{n}") for n in range(8)} <= set(asked)


def test_the_order_of_queries_is_a_function_of_seed_and_step(queries: Data) -> None:
    one, other = asking(recipe(queries, 4)), asking(recipe(queries, 4))
    forward = [one.batch(step(n)) for n in range(6)]
    backward = [other.batch(step(n)) for n in reversed(range(6))][::-1]
    assert [batch.queries for batch in forward] == [batch.queries for batch in backward]
    assert [batch.candidates for batch in forward] == [batch.candidates for batch in backward]
    assert [batch.queries for batch in forward[:3]] != [batch.queries for batch in forward[3:]]
    differently = asking(recipe(queries, 4, seed=1))
    assert [differently.batch(step(n)).queries for n in range(3)] != [batch.queries for batch in forward[:3]]


def test_other_positives_and_duplicates_are_no_negatives(queries: Data) -> None:
    source = asking(recipe(queries, 8))
    batch = source.batch(step(0))
    assert len(batch.candidates) == len(set(batch.candidates)) == 7, "a shared answer stands once"
    place = {key: column for column, key in enumerate(batch.candidates)}
    ignored = {
        asked: {batch.candidates[column] for column in batch.ignore[row].nonzero().flatten().tolist()}
        for row, asked in enumerate(batch.queries)
    }
    keys = [candidate_key(f"100:{n}") for n in range(9)]
    assert ignored[query_key("100:0")] == ignored[query_key("100:1")] == {keys[0]}
    assert ignored[query_key("100:4")] == ignored[query_key("100:5")] == {keys[4], keys[5]}
    assert ignored[query_key("100:2")] == {keys[2], keys[8]} & set(place)
    assert ignored[query_key("100:7")] == {keys[7]}


def test_duplicates_of_every_positive_are_no_negatives(queries: Data) -> None:
    root, extra = Path(queries.root), Candidate("101:8", "answer 8", None, "text")  # repeats 100:8
    write_pool(root, OTHER, [extra, *(Candidate(f"101:{n}", f"other {n}", None, "text") for n in range(5))])
    rows = [{"qid": f"100:{n}", "candidates": [["101:8", 0.9]]} for n in range(8)]
    (root / "n.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    source = asking(recipe(replace(queries, negatives="n.jsonl", datasets=("world",)), 8, hard_negatives=1))
    drawn = set()
    for number in range(12):
        batch = source.batch(step(number))
        row, column = batch.queries.index(query_key("100:2")), batch.candidates.index(candidate_key("101:8"))
        assert batch.ignore[row, column], "whichever positive was drawn"
        assert batch.ignore[:, column].sum() == 1
        drawn.add(batch.candidates[int(batch.positive[row])])
    assert candidate_key("100:2") in drawn


def test_the_positive_is_drawn_among_all(queries: Data) -> None:
    source = asking(recipe(queries, 8))
    drawn = set()
    for number in range(12):
        batch = source.batch(step(number))
        row = batch.queries.index(query_key("100:2"))
        drawn.add(batch.candidates[int(batch.positive[row])])
    assert drawn == {candidate_key("100:2"), candidate_key("100:8")}


def test_mined_negatives_are_drawn_though_no_query_names_them(queries: Data) -> None:
    root = Path(queries.root)
    write_pool(root, TaskName("mrbench", 3, "train"), [Candidate("101:90", "far", None, "text")])
    rows = [{"qid": f"100:{n}", "candidates": [["101:90", 0.9], ["100:8", 0.8]]} for n in range(8)]
    (root / "n.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    source = asking(recipe(replace(queries, negatives="n.jsonl", datasets=("world",)), 8, hard_negatives=1))
    drawn = {key for number in range(6) for key in source.batch(step(number)).candidates}
    assert candidate_key("101:90") in drawn
    assert drawn <= set(dict(source.items()))


def test_queries_are_chosen_by_the_seed_from_all_tasks(queries: Data) -> None:
    chosen = [asking(recipe(replace(queries, max_queries=8), 1, seed)).queries for seed in range(3)]
    assert all(len(each) == 8 for each in chosen)
    assert chosen[0] != chosen[1]
    assert {query.dataset_id for each in chosen for query in each} == {100, 101}


def test_held_out_tasks_are_not_trained_on(world: Path) -> None:
    def tasks(**chosen: tuple[int, ...]) -> set[int]:
        data = Data(root=str(world), datasets=("world",), **chosen)
        return {query.task for query in QuerySource(recipe(data), MBeir.open(world)).queries}

    everything = tasks()
    assert {4, 6, 8} < everything
    assert tasks(exclude_tasks=(4, 6, 8)) == everything - {4, 6, 8}
    assert tasks(tasks=(0, 4), exclude_tasks=(4,)) == {0}


def test_too_few_queries_for_one_batch_are_refused(queries: Data) -> None:
    with pytest.raises(RecipeError, match="no sub-task has 9 queries"):
        asking(recipe(queries, 9))


def test_every_key_of_a_batch_is_an_item(world: Path) -> None:
    source = asking(recipe(Data(root=str(world), datasets=("world",)), 2))
    for number in range(source.batches_per_epoch):
        batch = source.batch(step(number))
        assert {*batch.queries, *batch.candidates} == set(batch.items)
        assert batch.items.items() <= dict(source.items()).items()
        assert all(batch.items[key].instruction for key in batch.queries)
        assert not any(batch.items[key].instruction for key in batch.candidates)


def test_a_learned_temperature_stops_at_its_bound_and_comes_back(world: Path, tmp_path: Path) -> None:
    smallest_embedder().save(tmp_path / "model")
    settings = [f"data.root={world}", f"model.path={tmp_path / 'model'}", "contrast.batch_size=4", "budget.steps=3"]
    settings += ["contrast.learn_temperature=true", "contrast.temperature=0.0101", "optimizer.lr=0.3"]
    train(load_recipe("tiny/stage1", [*settings, "log.every_steps=1", "optimizer.warmup=0"]), tmp_path / "run")
    rows = [json.loads(line) for line in (tmp_path / "run/metrics.jsonl").read_text().splitlines()]
    found = [row["temperature"] for row in rows]
    assert min(found) >= 0.01 - 1e-6
    assert len(set(found)) > 1, "it trains"


def test_prefixes_that_the_model_has_not_are_refused_before_work(world: Path, tmp_path: Path) -> None:
    smallest_embedder().save(tmp_path / "model")
    settings = [f"data.root={world}", f"model.path={tmp_path / 'model'}", "contrast.batch_size=4", "budget.steps=1"]
    with pytest.raises(RecipeError, match=r"nested.lengths has 32, but the vectors of .* have 32 numbers"):
        train(load_recipe("tiny/stage1", [*settings, "nested.lengths=[32, 8]"]), tmp_path / "run")
    assert not (tmp_path / "run").exists()
    train(load_recipe("tiny/stage1", [*settings, "nested.lengths=[16, 8]"]), tmp_path / "run")
    assert (tmp_path / "run/model").is_dir()


def test_the_end_of_the_prompt_learns_to_embed_where_the_recipe_says_so(world: Path, tmp_path: Path) -> None:
    smallest_embedder().save(tmp_path / "model")
    settings = [f"data.root={world}", f"model.path={tmp_path / 'model'}", "data.datasets=[world]", "log.every_steps=1"]
    settings += [
        "contrast.batch_size=4",
        "data.tasks=[0]",
        "data.max_queries=8",
        "budget.steps=40",
        "optimizer.lr=3e-3",
    ]
    losses = {}
    for weight in (0.0, 1e-6, 1.0):
        run = tmp_path / f"run{weight}"
        train(load_recipe("tiny/stage2", [*settings, f"contrast.prefill_weight={weight}"]), run)
        rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
        losses[weight] = [row["prefill_loss"] for row in rows if "prefill_loss" in row]
    assert losses[0.0] == [], "nothing is computed that nobody asked for"
    assert len(losses[1.0]) == 40
    assert np.mean(losses[1.0][-10:]) < 0.8 * np.mean(losses[1e-6][-10:])
