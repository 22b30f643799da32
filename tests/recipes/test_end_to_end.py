"""The whole chain on the smallest world: every recipe runs, stops, goes on, and leaves what it promises."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from chain import STAGE3, Chain, assert_same_run, metrics, untimed, weights
from elva.errors import CheckpointError, InputError, RecipeError
from elva.items import Item
from elva.model.embedder import Embedder
from elva.training.recipe import load_recipe
from elva.training.run import RunResult
from elva.training.scenes import Scene, SceneSource
from elva.training.session import Session, Step
from smallest import CREATE

RANKING = {"reward/total", "reward/margin", "reward/rank", "positive_rank"}
RANKING |= {"cos/positive", "cos/hardest_negative", "cos/mean_negative"}
WRITING = {"summary_length", "missing_ret_rate"}
GROUP = {"reward_std", "reward_std/margin", "reward_std/rank", "zero_variance_share"}
LOGGED = {
    "elva_paper": RANKING | WRITING | GROUP | {"kl", "clip_share"},
    "elva": RANKING | WRITING | {"order", "lm_loss"},
    "elva_no_rollouts": RANKING | {"order", "lm_loss"},
    "control_infonce_rollouts": RANKING | WRITING | {"infonce", "lm_loss"},
}


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Sums come out bit-equal only in one order."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def assert_complete(result: RunResult, run: Path, steps: int = 3) -> None:
    row = json.loads((run / "run.json").read_text())
    assert row == {
        "updates": steps,
        "train_seconds": round(result.train_seconds, 2),
        "processor_seconds": round(result.processor_seconds, 2),
        "finished": True,
    }
    assert result.train_seconds > 0
    rows = metrics(run)
    assert [each["step"] for each in rows] == list(range(steps))
    assert {"loss", "lr", "gradient_norm", "seconds"} <= rows[0].keys()
    assert all(value is not None for each in rows for value in each.values()), "every figure is finite"
    assert load_recipe(run / "recipe.yaml").budget.steps == steps
    assert not list(run.rglob(".writing-*"))


@pytest.mark.parametrize("name", ["base", "stage1", "stage2"])
def test_the_first_stages_leave_model_metrics_and_run(chain: Chain, name: str) -> None:
    run = chain.home / name
    row = json.loads((run / "run.json").read_text())
    result = RunResult(run / "model", 3, row["train_seconds"], row["processor_seconds"], True)
    assert_complete(result, run)
    settings = Embedder.load(run / "model").processor.settings
    assert settings.trained[-1] == {"base": "tiny-base"}.get(name, name)
    assert settings.extraction == ("one_word" if name == "stage1" else "generative")


def test_the_stages_behind_a_model_are_remembered(chain: Chain) -> None:
    trained = Embedder.load(chain.home / "stage2" / "model").processor.settings.trained
    assert trained == ("tiny-base", "stage1", "stage2")


def test_only_the_base_moves_the_vision_tower(chain: Chain) -> None:
    base, stage2 = weights(chain.home / "base"), weights(chain.home / "stage2")
    moved = {name for name in base if not torch.equal(base[name], stage2[name])}
    assert moved
    assert not [name for name in moved if "visual" in name]


@pytest.mark.parametrize("name", LOGGED)
def test_every_form_of_stage_3_runs_and_logs_what_it_promises(chain: Chain, name: str) -> None:
    result = chain.stage3(name)
    assert_complete(result, chain.home / name)
    rows = metrics(chain.home / name)
    for row in rows:
        assert LOGGED[name] <= row.keys()
        assert row.keys() & WRITING == LOGGED[name] & WRITING, "where nothing is sampled nothing is said of it"
    assert all(1 <= row["positive_rank"] <= 4 for row in rows)
    assert all(0 <= row.get("missing_ret_rate", 0) <= 1 for row in rows)
    vectors = Embedder.load(result.model).encode([Item(text="a red circle")])
    assert vectors.shape == (1, 32)


INDEX = ["reinforce.index={}", "reinforce.rollouts.of=queries", "reinforce.order.anchors=queries"]
FORMS = {
    "full gradient": ("elva_paper", ["reinforce.weights.path=1"], {"kl"}),
    "path on captions": ("elva_no_rollouts", ["reinforce.weights={order: 0, path: 1}"], {"lm_loss"}),
    "pictures": ("elva", ["bottleneck=pictures"], {"order", "lm_loss"}),
    "pictures, policy": ("elva_paper", ["bottleneck=pictures", "reinforce.weights.path=1"], {"kl"}),
    "pictures, captions": ("elva_no_rollouts", ["bottleneck=pictures"], {"order", "lm_loss"}),
    "frozen order": ("elva", ["reinforce.order={source: reference, loss: cosent}"], {"order"}),
    "true order": ("elva", ["reinforce.order={source: annotations, loss: approx_ndcg}"], {"order"}),
    "index captions": (
        "elva_no_rollouts",
        [*INDEX, "reinforce.lm_candidates=0", "reinforce.weights.infonce=1"],
        {"order", "infonce"},
    ),
    "index policy": (
        "elva_paper",
        [*INDEX, "reinforce.order.source=reference", "reinforce.policy.reward=order", "reinforce.weights.path=1"],
        {"kl", "reward_std"},
    ),
}


@pytest.mark.parametrize("name", FORMS)
def test_forms_that_settings_make_run_too(chain: Chain, name: str) -> None:
    recipe, settings, logged = FORMS[name]
    out = name.replace(", ", "-").replace(" ", "-")
    assert_complete(chain.stage3(recipe, *settings, out=out), chain.home / out)
    assert all(logged <= row.keys() for row in metrics(chain.home / out))


@pytest.mark.parametrize("bottleneck", ["states", "words", "pictures"])
def test_a_bottleneck_stays_with_the_model_and_its_end_is_told(
    chain: Chain, bottleneck: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(name: str, *settings: str, out: str) -> Embedder:
        return Embedder.load(chain.run(name, *settings, out=out).model)

    tuned, reinforced = f"stage2-{bottleneck}", f"paper-{bottleneck}"
    wanted = f"bottleneck={bottleneck}"
    before = run("stage2", chain.model("stage1"), chain.captions, wanted, out=tuned)
    after = run("elva_paper", chain.model(tuned), chain.negatives, *STAGE3, wanted, out=reinforced)
    assert before.processor.settings.bottleneck == after.processor.settings.bottleneck == bottleneck
    assert "was trained with bottleneck=" not in capsys.readouterr().err
    freed = run("elva_paper", chain.model(tuned), chain.negatives, *STAGE3, out=f"{reinforced}-freed")
    assert freed.processor.settings.bottleneck == "none"
    told = " ".join(capsys.readouterr().err.split())
    assert f"was trained with {wanted}, and this run has bottleneck=none; add {wanted} to go on" in told


def test_a_model_is_read_by_the_summaries_of_its_recipe_and_their_end_is_told(
    chain: Chain, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(start: str, *settings: str, out: str) -> Path:
        return chain.run("elva_paper", chain.model(start), chain.negatives, *STAGE3, *settings, out=out).model

    wanted = ["summaries=3", "summary_temperature=0.7"]
    averaged, plain = run("stage2", *wanted, out="paper-averaged"), run("stage2", out="paper-plain")
    settings = Embedder.load(averaged).processor.settings
    assert (settings.summaries, settings.summary_temperature) == (3, 0.7)
    own, other = weights(averaged.parent), weights(plain.parent)
    assert all(torch.equal(own[name], other[name]) for name in own), "the training itself is the same"
    assert Embedder.load(averaged).fingerprint != Embedder.load(plain).fingerprint
    assert "was trained with" not in capsys.readouterr().err
    assert Embedder.load(run("paper-averaged", out="paper-ended")).processor.settings.summaries == 1
    told = " ".join(capsys.readouterr().err.split())
    pairs = " ".join(wanted)
    assert f"was trained with {pairs}, and this run has summaries=1 summary_temperature=1.0; add {pairs} to go" in told


def test_the_reference_of_the_first_step_is_the_policy(chain: Chain) -> None:
    run = chain.home / "kl"
    chain.stage3("elva_paper", out="kl")
    first, *later = metrics(run)
    assert first["kl"] == 0.0
    assert first["clip_share"] == 0.0
    assert any(row["kl"] > 0 for row in later)


def test_adapters_of_stage_2_are_merged_into_an_ordinary_model(chain: Chain) -> None:
    result = chain.run(
        "stage2", chain.model("base"), chain.captions, "model.trainable=lora", "model.lora.rank=4", out="stage2-lora"
    )
    assert_complete(result, chain.home / "stage2-lora")
    assert weights(chain.home / "stage2-lora").keys() == weights(chain.home / "base").keys()
    held = load_file(chain.home / "stage2-lora" / "checkpoints" / "step-000002" / "tensors.safetensors")
    assert all("lora_" in name or name == "rows.read" for name in held), "a checkpoint holds what trains"


def test_adapters_of_stage_3_have_the_policy_without_them_as_reference(chain: Chain) -> None:
    result = chain.stage3("elva_paper", "model.trainable=lora", "model.lora.rank=4", out="paper-lora")
    assert_complete(result, chain.home / "paper-lora")
    first, *later = metrics(chain.home / "paper-lora")
    assert first["kl"] == 0.0
    assert any(row["kl"] > 0 for row in later)


def test_stage_2_with_one_word(chain: Chain) -> None:
    result = chain.run("stage2", chain.model("stage1"), "extraction=one_word", "contrast.lm_weight=0", out="one-word")
    assert_complete(result, chain.home / "one-word")
    embedder = Embedder.load(result.model)
    assert embedder.extraction == "one_word"
    assert embedder.embed([Item(text="red")]).summaries == [""]


def test_stage_2_without_a_captions_file_reads_its_own_summaries(chain: Chain) -> None:
    assert_complete(chain.run("stage2", chain.model("stage1"), out="own-summaries"), chain.home / "own-summaries")


def test_stage_2_with_mined_negatives(chain: Chain) -> None:
    settings = [chain.model("stage1"), chain.captions, chain.negatives, "contrast.hard_negatives=2"]
    assert_complete(chain.run("stage2", *settings, out="hard"), chain.home / "hard")


def test_more_stage_2_is_limited_by_seconds(chain: Chain) -> None:
    settings = [chain.model("stage2"), chain.captions, "budget.steps=null", "budget.seconds=0.3"]
    result = chain.run("more_stage2", *settings)
    assert result.finished
    assert result.updates >= 1
    assert result.train_seconds >= 0.3  # it ends with the first step that passes the limit, however long that takes


def test_the_same_seed_gives_the_same_model_and_another_one_another(chain: Chain) -> None:
    settings = [chain.model("stage1"), chain.captions]
    for out, seed in (("seed-a", 5), ("seed-b", 5), ("seed-c", 6)):
        chain.run("stage2", *settings, f"seed={seed}", out=out)
    assert_same_run(chain.home / "seed-a", chain.home / "seed-b")
    assert untimed(chain.home / "seed-a") != untimed(chain.home / "seed-c")


def assert_reproducible(chain: Chain, name: str, *settings: str) -> None:
    for out in ("a", "b"):
        torch.manual_seed(ord(out))  # what happened before in the process must not matter
        chain.stage3(name, *settings, "budget.steps=2", out=f"{name}-{len(settings)}-{out}")
    assert_same_run(chain.home / f"{name}-{len(settings)}-a", chain.home / f"{name}-{len(settings)}-b")


@pytest.mark.parametrize("name", ["elva_paper", "elva"])
def test_the_same_seed_gives_the_same_stage_3(chain: Chain, name: str) -> None:
    assert_reproducible(chain, name)


def test_the_same_seed_gives_the_same_adapters(chain: Chain) -> None:
    assert_reproducible(chain, "elva", "model.trainable=lora", "model.lora.rank=4")


# -- stopping and going on ---------------------------------------------------------------------------------------


def stop_after(monkeypatch: pytest.MonkeyPatch, steps: int, number: int = signal.SIGTERM) -> None:
    """Send this process a signal in the middle of a step."""
    update = Session.update

    def interrupted(self: Session, *arguments: Any) -> None:
        update(self, *arguments)
        if self.steps_done == steps:
            os.kill(os.getpid(), number)

    monkeypatch.setattr(Session, "update", interrupted)


ONE = "reinforce.rollouts.scenes_at_once=1"  # a run stops between steps, and a step of tiny/elva is eight updates
RESUMED = {
    "base": (CREATE, "caption.batch_size=8"),
    "stage1": ("MODEL base",),
    "stage2": ("MODEL stage1", "CAPTIONS"),
    "stage2-own": ("MODEL stage1",),
    "stage2-lora": ("MODEL base", "CAPTIONS", "model.trainable=lora", "model.lora.rank=4", "model.lora.dropout=0.1"),
    "elva": ("MODEL stage2", "CAPTIONS", "NEGATIVES", *STAGE3, ONE),
    "elva-reference": ("MODEL stage2", "CAPTIONS", "NEGATIVES", *STAGE3, ONE, "reinforce.order.source=reference"),
    "elva_paper": ("MODEL stage2", "NEGATIVES", *STAGE3),
    "elva_paper-words": ("MODEL stage2", "NEGATIVES", *STAGE3, "bottleneck=words"),
    "elva_paper-pictures": ("MODEL stage2", "NEGATIVES", *STAGE3, "bottleneck=pictures"),
    "elva_paper-lora": ("MODEL stage2", "NEGATIVES", *STAGE3, "model.trainable=lora", "model.lora.rank=4"),
}


@pytest.mark.parametrize("name", RESUMED)
def test_a_run_that_was_stopped_goes_on_as_if_it_had_not_been(
    chain: Chain, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = {"CAPTIONS": chain.captions, "NEGATIVES": chain.negatives}
    settings = [
        chain.model(word.removeprefix("MODEL ")) if word.startswith("MODEL ") else words.get(word, word)
        for word in (*RESUMED[name], "budget.steps=4", "seed=3")
    ]
    recipe, whole, parts = name.partition("-")[0], f"{name}-whole", f"{name}-parts"
    torch.manual_seed(0)
    chain.run(recipe, *settings, out=whole)
    with monkeypatch.context() as patched:
        stop_after(patched, steps=3)
        torch.manual_seed(0)
        stopped = chain.run(recipe, *settings, out=parts)
    run = chain.home / parts
    assert (stopped.finished, stopped.updates) == (False, 3)
    assert json.loads((run / "run.json").read_text())["finished"] is False
    assert not (run / "model").exists(), "an unfinished model is no result"
    assert [path.name for path in sorted((run / "checkpoints").iterdir())] == ["step-000002", "step-000003"]
    resumed = chain.run(recipe, *settings, out=parts, resume=True)
    assert (resumed.finished, resumed.updates) == (True, 4)
    assert_same_run(chain.home / whole, run)


TWICE = ["reinforce.policy.updates_per_rollout=2", "budget.steps=6", "optimizer.lr=1e-2", "seed=3"]


def scenes_of(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The numbers of the scenes that are drawn from now on."""
    numbers: list[int] = []
    scenes = SceneSource.scenes

    def noted(self: SceneSource, step: Step) -> list[Scene]:
        numbers.append(step.number)
        return scenes(self, step)

    monkeypatch.setattr(SceneSource, "scenes", noted)
    return numbers


def test_two_updates_per_rollout_visit_every_scene_and_are_paid_by_one_reward(
    chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = scenes_of(monkeypatch)
    result = chain.stage3("elva_paper", *TWICE, out="twice")
    assert_complete(result, chain.home / "twice", steps=6)
    assert numbers == [0, 1, 2]
    rows = metrics(chain.home / "twice")
    for first, second in zip(rows[::2], rows[1::2], strict=True):
        assert first["reward/total"] == second["reward/total"], "what was sampled is rewarded once"
        assert first["clip_share"] == 0.0
        assert first["kl"] != second["kl"], "though the weights have moved"
    assert len({row["reward/total"] for row in rows}) == 3


def test_an_epoch_counts_scenes(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = scenes_of(monkeypatch)
    settings = [*TWICE, "budget.steps=null", "budget.epochs=1", "data.max_queries=6"]
    result = chain.stage3("elva_paper", *settings, out="epoch")
    assert (numbers, result.updates) == ([0, 1, 2], 6)


@pytest.mark.parametrize(
    ("recipe", "settings"),
    [("elva_paper", TWICE), ("elva", ["reinforce.rollouts.scenes_at_once=2", "budget.steps=6", "seed=3"])],
    ids=["two updates of a scene", "two scenes written about at once"],
)
def test_a_stop_between_two_updates_of_a_step_ends_the_step_and_goes_on_with_the_next(
    chain: Chain, recipe: str, settings: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, parts = f"{recipe}-twice-whole", f"{recipe}-twice-parts"
    chain.stage3(recipe, *settings, out=whole)
    with monkeypatch.context() as patched:
        stop_after(patched, steps=3)
        stopped = chain.stage3(recipe, *settings, out=parts)
    assert (stopped.finished, stopped.updates) == (False, 4)
    resumed = chain.stage3(recipe, *settings, out=parts, resume=True)
    assert (resumed.finished, resumed.updates) == (True, 6)
    assert_same_run(chain.home / whole, chain.home / parts)


def test_where_a_stop_fell_between_two_lines_the_log_is_that_of_the_whole_run(
    chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = [chain.model("base"), "budget.steps=6", "log.every_steps=4"]
    chain.run("stage1", *settings, out="log-whole")
    with monkeypatch.context() as patched:
        stop_after(patched, steps=3)
        chain.run("stage1", *settings, out="log-parts")
    assert [row["step"] for row in metrics(chain.home / "log-parts")] == [0, 2]
    chain.run("stage1", *settings, out="log-parts", resume=True)
    assert [row["step"] for row in metrics(chain.home / "log-whole")] == [0, 4, 5]
    assert_same_run(chain.home / "log-whole", chain.home / "log-parts")


def test_a_folder_that_holds_a_run_is_not_overwritten(chain: Chain) -> None:
    with pytest.raises(CheckpointError, match="add --resume"):
        chain.run("stage1", chain.model("base"))


def test_going_on_with_other_settings_is_refused(chain: Chain) -> None:
    with pytest.raises(CheckpointError, match=r"optimizer\.lr"):
        chain.run("stage1", chain.model("base"), "optimizer.lr=9e-9", resume=True)


def test_a_run_refused_for_its_data_can_be_begun_again(chain: Chain) -> None:
    lost = ["data.captions=gone.jsonl", "reinforce.hard_negatives=1"]
    with pytest.raises(RecipeError, match=r"gone\.jsonl"):
        chain.stage3("elva", *lost, out="refused")
    assert_complete(chain.stage3("elva", out="refused"), chain.home / "refused")


def test_an_order_needs_words_for_grains_and_the_control_does_not(chain: Chain, tmp_path: Path) -> None:
    root = tmp_path / "world"
    shutil.copytree(chain.world, root)
    (root / "grains.json").unlink()
    with pytest.raises(InputError, match=r"no grains\.json"):
        chain.stage3("elva", f"data.root={root}", out="wordless")
    assert_complete(
        chain.stage3("control_infonce_rollouts", f"data.root={root}", out="wordless"), chain.home / "wordless"
    )


def test_captions_of_other_data_are_refused(chain: Chain) -> None:
    rows = (chain.home / "captions.jsonl").read_text().splitlines(keepends=True)
    (chain.home / "few.jsonl").write_text("".join(rows[:3]))
    few = f"data.captions={chain.home / 'few.jsonl'}"
    with pytest.raises(InputError, match=r"items have no caption.*elva caption"):
        chain.run("stage2", chain.model("stage1"), few, out="few")
    with pytest.raises(InputError, match=r"items have no caption"):
        chain.stage3("elva", few, out="few")


def test_resuming_what_never_began_begins_it(chain: Chain) -> None:
    result = chain.run("stage1", chain.model("base"), out="fresh", resume=True)
    assert_complete(result, chain.home / "fresh")
