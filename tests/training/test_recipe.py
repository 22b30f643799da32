"""Recipes: strict reading, overrides, inheritance, and checks across settings."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from elva.errors import RecipeError
from elva.strict import Bounds, describe, every_setting
from elva.training.recipe import (
    Budget,
    Data,
    Optimizer,
    Recipe,
    changed_settings,
    chosen_settings,
    dump_recipe,
    load_recipe,
    recipe_hash,
)

SPARSE = "stage: contrast\nbudget: {steps: 10}\noptimizer: {lr: 1e-4}\n"


def write(path: Path, text: str = SPARSE) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def refusal(path: Path, *overrides: str) -> str:
    with pytest.raises(RecipeError) as caught:
        load_recipe(path, overrides)
    return str(caught.value)


def test_sparse_recipe_takes_the_defaults_of_the_paper(tmp_path: Path) -> None:
    recipe = load_recipe(write(tmp_path / "r.yaml"))
    assert recipe.optimizer.lr == 1e-4, "YAML 1.1 reads 1e-4 as text"
    assert (recipe.reinforce.reward.alpha, recipe.reinforce.reward.epsilon) == (0.4, 0.6)
    assert recipe.reinforce.policy.kl_beta == 0.2
    assert recipe.model.create is None


def test_every_setting_is_documented() -> None:
    undocumented = [key for key, setting in every_setting(Recipe) if not setting.doc]
    assert undocumented == []


def test_overrides_lie_on_top_of_the_file(tmp_path: Path) -> None:
    recipe = load_recipe(
        write(tmp_path / "r.yaml"),
        ["optimizer.lr=3e-4", "data.tasks=[0, 3]", "data.root=2024", "optimizer.lr=5e-4"],
    )
    assert recipe.optimizer.lr == 5e-4, "the last one counts"
    assert recipe.data.tasks == (0, 3)
    assert recipe.data.root == "2024", "a text setting takes what was typed"


def test_extends_is_relative_and_merges_sections(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    write(tmp_path / "parent.yaml", SPARSE + "data: {split: val, datasets: [world]}\n")
    child = write(tmp_path / "sub/c.yaml", "extends: ../parent.yaml\ndata: {split: train}\n")
    recipe = load_recipe(child)
    assert (recipe.stage, recipe.data.split, recipe.data.datasets) == (
        "contrast",
        "train",
        ("world",),
    )


def test_extending_itself_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "a.yaml", "extends: b.yaml")
    write(tmp_path / "b.yaml", "extends: a.yaml")
    assert "extends itself" in refusal(tmp_path / "a.yaml")


def test_extending_a_missing_recipe_names_both(tmp_path: Path) -> None:
    message = refusal(write(tmp_path / "a.yaml", "extends: gone.yaml"))
    assert "a.yaml" in message and "gone.yaml" in message


@pytest.mark.parametrize(
    ("override", "nearest"),
    [
        ("optimizer.lrr=3", "optimizer.lr"),
        ("optimiser.lr=3", "optimizer"),
        ("lr=3", "optimizer.lr"),
        ("kl_beta=1", "reinforce.policy.kl_beta"),
    ],
)
def test_unknown_keys_are_refused_with_the_nearest(tmp_path: Path, override: str, nearest: str) -> None:
    message = refusal(write(tmp_path / "r.yaml"), override)
    assert override.split("=")[0].split(".")[0] in message
    assert f"did you mean '{nearest}'?" in message


def test_an_unknown_key_in_a_file_names_the_file(tmp_path: Path) -> None:
    path = write(tmp_path / "typo.yaml", SPARSE + "budgett: 3\n")
    assert refusal(path).startswith(str(path))


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("contrast.batch_size=1", "a whole number of at least 2"),
        ("contrast.batch_size=2.5", "a whole number of at least 2"),
        ("contrast.symmetric=1", "true or false"),
        ("optimizer.lr=fast", "a number above 0"),
        ("optimizer.lr=.nan", "a number above 0"),
        ("optimizer.warmup=1.5", "a number between 0 and 1"),
        ("optimizer.betas=[0.9]", "a list of 2 numbers"),
        ("data.datasets=mscoco", "a list ([a, b]) of texts"),
        ("data.tasks=[0, x]", "a whole number of at least 0"),
        ("reinforce.reward.log_base=3", "one of e, 2, 10"),
        ("budget.steps=0", "a whole number of at least 1 or null"),
        ("optimizer=3", "a section of settings"),
        ("data.tasks=[0", "a list"),
    ],
)
def test_wrong_values_name_the_key_and_what_was_expected(tmp_path: Path, override: str, expected: str) -> None:
    message = refusal(write(tmp_path / "r.yaml"), override)
    assert override.split("=")[0] in message
    assert expected in message


def test_a_missing_setting_says_what_it_is_for(tmp_path: Path) -> None:
    path = write(tmp_path / "r.yaml", "stage: base\nbudget: {steps: 1}\n")
    assert "optimizer.lr is missing: largest learning rate" in refusal(path)


@pytest.mark.parametrize("text", ["", "- a list", "just text", "a: [", "\xff"])
def test_what_is_no_recipe_is_refused_by_file(tmp_path: Path, text: str) -> None:
    path = tmp_path / "r.yaml"
    path.write_bytes(text.encode("latin-1"))
    assert refusal(path).startswith(str(path))


REINFORCE = "stage: reinforce\nbudget: {steps: 1}\noptimizer: {lr: 1}\ndata: {negatives: negatives.jsonl}\n"
INDEX = ["reinforce.index={}", "reinforce.rollouts.of=queries", "reinforce.order.anchors=queries"]


@pytest.mark.parametrize(
    ("text", "overrides", "words"),
    [
        (SPARSE, ["budget.epochs=1"], "found steps and epochs"),
        (SPARSE, ["budget.steps=null"], "found none"),
        (SPARSE, ["stage=base", "data.triples=nli.csv"], "data.triples is for stage contrast"),
        (SPARSE, ["contrast.hard_negatives=4"], "needs data.negatives"),
        (SPARSE, ["extraction=one_word", "contrast.lm_weight=0.1"], "lm_weight is 0.1, but extraction one_word"),
        (SPARSE, ["extraction=one_word", "bottleneck=words"], "bottleneck is words, but extraction one_word"),
        (SPARSE, ["extraction=one_word", "bottleneck=pictures"], "bottleneck is pictures, but extraction one_word"),
        (SPARSE, ["stage=base", "bottleneck=states"], "bottleneck is states, but stage base"),
        (SPARSE, ["extraction=one_word", "summaries=8"], "summaries is 8, but extraction one_word"),
        (SPARSE, ["stage=base", "summaries=8"], "summaries is 8, but stage base"),
        (SPARSE, ["summary_temperature=0.5"], "summary_temperature is 0.5, but summaries is 1"),
        (SPARSE, ["stage=reinforce"], "stage reinforce needs data.negatives"),
        (
            SPARSE,
            ["stage=base", "caption.asked_share=0.2", "caption.asked_instruction="],
            "asked_instruction is empty",
        ),
        (SPARSE, ["stage=base", "caption.questions_share=0.2"], "set caption.questions too"),
        (SPARSE, ["stage=base", "caption.questions=folder"], "set caption.questions_share too"),
        (
            SPARSE,
            ["stage=base", "caption.questions_share=0.6", "caption.questions=folder", "caption.asked_share=0.5"],
            "lower them to 1 together",
        ),
        (SPARSE, ["stage=answer_sft", "bottleneck=words"], "bottleneck is words, but stage answer_sft reads nothing"),
        (SPARSE, ["stage=answer_grpo", "summaries=8"], "summaries is 8, but stage answer_grpo"),
        (SPARSE, ["stage=answer_grpo", "extraction=one_word"], "stage answer_grpo embeds nothing"),
        (SPARSE, ["stage=answer_sft", "data.tasks=[1]", "data.captions=c"], "data.tasks, data.captions: stage answer"),
        (SPARSE, ["stage=answer_grpo", "answer.rewards.accuracy=0"], "answer.rewards is 0"),
        (SPARSE, ["stage=answer_grpo", "answer.rollouts.group_size=1"], "of at least 2"),
        (SPARSE, ["stage=answer_grpo", "model.shard=true"], "or set answer.policy.kl_beta to 0"),
        (SPARSE, ["stage=answer_sft", "model.trainable=all"], "stage answer_sft freezes the vision tower"),
        (SPARSE, ["model.create={}"], "only stage base"),
        (SPARSE, ["stage=base", "model.create={}"], "set model.trainable to all"),
        (SPARSE, ["model.trainable=all"], "freezes the vision tower"),
        (SPARSE, ["stage=base", "model.create={heads: 3}"], "does not divide"),
        (SPARSE, ["data.exclude_tasks=[5]"], "data.exclude_tasks: task 5 can't be excluded"),
        (SPARSE, ["data.tasks=[4]", "data.exclude_tasks=[4, 6]"], "data.exclude_tasks: tasks [4] without [4, 6]"),
        (REINFORCE, ["reinforce.rollouts.group_size=1"], "such a group has no advantage"),
        (REINFORCE, ["extraction=one_word"], "stage reinforce learns from summaries"),
        (
            REINFORCE,
            ["extraction=one_word", "reinforce.weights={policy: 0, infonce: 1}"],
            "stage reinforce learns from summaries",
        ),
        (SPARSE, ["contrast.prefill_weight=1", "extraction=one_word"], "prefill_weight is 1, but extraction one_word"),
        (REINFORCE, ["nested.lengths=[32, 64]"], "give each length once, the longest first: [64, 32]"),
        (REINFORCE, ["nested.lengths=[64, 64]"], "give each length once, the longest first: [64]"),
        (REINFORCE, ["nested={lengths: [64, 32], weights: [1]}"], "has 1 numbers for 2 of nested.lengths"),
        (REINFORCE, ["nested.weights=[1]"], "has 1 numbers for 0 of nested.lengths"),
        (REINFORCE, ["stage=base", "nested.lengths=[64]"], "stage base ranks nothing"),
        (REINFORCE, ["reinforce.rollouts.own_caption=true"], "own_caption needs data.captions"),
        (REINFORCE, ["reinforce.weights.order=1"], "weights.order needs data.captions"),
        (
            REINFORCE,
            ["reinforce.order.wrong_share=0.2", "reinforce.order.source=reference"],
            "wrong_share is about captions",
        ),
        (REINFORCE, ["reinforce.order.source=likelihood"], "needs data.likelihoods"),
        (REINFORCE, ["reinforce.order.source=likelihood"], "set reinforce.order.anchors to queries"),
        (REINFORCE, ["reinforce.rollouts.of=queries"], "reads captions of candidates"),
        (REINFORCE, ["reinforce.policy.reward=order"], "policy.reward order needs data.captions"),
        (REINFORCE, ["reinforce.weights.policy=0"], "nothing to learn"),
        (
            REINFORCE,
            ["reinforce.policy.gradient_negatives=8", "reinforce.weights.infonce=1"],
            "leaves items unread that reinforce.weights.infonce would learn from; set it to 0",
        ),
        (
            REINFORCE,
            ["reinforce.shared_negatives=true", "reinforce.queries_per_step=1"],
            "no other queries to share with",
        ),
        (REINFORCE, ["reinforce.index={}"], "constant vectors of candidates: set reinforce.rollouts.of to queries"),
        (REINFORCE, [*INDEX, "reinforce.order.anchors=all"], "lets queries alone rank: set reinforce.order.anchors"),
        (REINFORCE, [*INDEX, "reinforce.shared_negatives=true"], "there is nothing to share"),
        (
            REINFORCE,
            [*INDEX, "reinforce.lm_candidates=4"],
            "lm_candidates is 4, but reinforce.index reads no candidate",
        ),
        (
            REINFORCE,
            [*INDEX, "reinforce.weights.order=1", "reinforce.order={source: reference, loss: lambda_rank}"],
            "lambda_rank compares all pairs of candidates",
        ),
        (REINFORCE, ["reinforce.weights.lm=1"], "needs reinforce.rollouts.own_caption"),
        (REINFORCE, ["reinforce.rollouts={group_size: 0}"], "nothing to read"),
        (
            REINFORCE,
            ["reinforce.hard_negatives=0", "reinforce.random_negatives=0"],
            "nothing to rank",
        ),
    ],
)
def test_contradictions_are_named(tmp_path: Path, text: str, overrides: list[str], words: str) -> None:
    assert words in refusal(write(tmp_path / "r.yaml", text), *overrides)


def test_the_sound_neighbours_of_those_contradictions_load(tmp_path: Path) -> None:
    path = write(tmp_path / "r.yaml", REINFORCE)
    load_recipe(path)
    load_recipe(path, ["reinforce.rollouts.group_size=1", "reinforce.weights={policy: 0, infonce: 1}"])
    load_recipe(path, ["reinforce.weights.order=1", "data.captions=captions.jsonl"])
    load_recipe(path, ["reinforce.weights.order=1", "reinforce.order.source=reference"])
    load_recipe(path, ["nested={lengths: [64, 32], weights: [1, 0.5]}"])
    load_recipe(path, INDEX)  # without captions: nothing but queries is read
    load_recipe(write(tmp_path / "s.yaml"), ["extraction=one_word"])
    load_recipe(write(tmp_path / "s.yaml"), ["contrast.lm_weight=0.1"])


def test_all_contradictions_are_listed_at_once(tmp_path: Path) -> None:
    path = write(tmp_path / "r.yaml")
    message = refusal(path, "model.create={}", "budget.epochs=1")
    assert message.count("\n") == 3


def test_an_unknown_recipe_is_refused() -> None:
    assert "no recipe 'tiny/nothing-like-it'" in refusal(Path("tiny/nothing-like-it"))


def test_data_files_are_found_below_the_root_first(tmp_path: Path) -> None:
    data = Data(root=str(tmp_path), captions="captions.jsonl")
    with pytest.raises(RecipeError, match="there is no file"):
        data.file("captions")
    (tmp_path / "captions.jsonl").touch()
    assert data.file("captions") == tmp_path / "captions.jsonl"
    with pytest.raises(RecipeError, match=r"data\.negatives is not set"):
        data.file("negatives")


def test_a_root_that_is_not_set_or_no_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"add data\.root=FOLDER"):
        Data().folder()
    with pytest.raises(RecipeError, match="no folder"):
        Data(root=str(tmp_path / "gone")).folder()


def recipe(**changes: Any) -> Recipe:
    values = {"stage": "contrast", "budget": Budget(steps=10), "optimizer": Optimizer(lr=1e-3)}
    return Recipe(**{**values, **changes})


@given(
    lr=st.floats(1e-9, 1e3),
    seed=st.integers(0, 2**40),
    name=st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"])),
)
def test_a_dumped_recipe_loads_unchanged(
    tmp_path_factory: pytest.TempPathFactory, lr: float, seed: int, name: str
) -> None:
    before = recipe(optimizer=Optimizer(lr=lr), seed=seed, name=name)
    path = tmp_path_factory.mktemp("dump") / "recipe.yaml"
    path.write_text(dump_recipe(before), encoding="utf-8")
    assert load_recipe(path) == before


def test_the_hash_sees_what_is_learned_and_nothing_else(tmp_path: Path) -> None:
    path = write(tmp_path / "r.yaml")
    first = load_recipe(path)
    renamed = load_recipe(path, ["name=x", "log.every_steps=1", "checkpoint.keep=9"])
    faster = load_recipe(path, ["optimizer.lr=2e-4"])
    assert recipe_hash(first) == recipe_hash(renamed) != recipe_hash(faster)
    assert changed_settings(dump_recipe(first), renamed) == []
    assert changed_settings(dump_recipe(first), faster) == ["optimizer.lr: 0.0001 -> 0.0002"]


def test_a_setting_that_an_older_recipe_lacks_changes_nothing_at_its_default(tmp_path: Path) -> None:
    now = load_recipe(write(tmp_path / "r.yaml"))
    older = yaml.safe_load(dump_recipe(now))
    del older["bottleneck"], older["reinforce"]["order"]
    assert changed_settings(yaml.safe_dump(older), now) == []
    assert changed_settings(yaml.safe_dump(older), replace(now, bottleneck="words")) == [
        "bottleneck: 'none' -> 'words'"
    ]
    assert not [key for key in chosen_settings(now) if key.startswith(("bottleneck", "reinforce"))]


def test_bounds_are_described_as_they_are_checked() -> None:
    above = Bounds(0, above=True)
    assert (above.allow(0), above.allow(1e-12), Bounds(0).allow(0)) == (False, True, True)
    assert describe(float, above) == "a number above 0"
    assert describe(int | None) == "a whole number or null"
