"""Answers in words: imitation and rewards go through the policy core, in parts as at once, and leave [RET] alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from chain import assert_same_run, metrics
from elva.errors import CheckpointError, DataErrors, ElvaError, InputError
from elva.model.embedder import Embedder
from elva.model.rollout import given, replay
from elva.reasoning.questions import Question
from elva.training.answers import AnswerLesson, imitate
from elva.training.questions import QuestionSource, with_response
from elva.training.recipe import Recipe, load_recipe
from elva.training.run import RunResult, train
from elva.training.session import Session, Step
from questioned import save, taught_row, training_row
from smallest import smallest_embedder

SHORT = ["answer.questions_per_step=3", "log.every_steps=1", "checkpoint.every_steps=2", "optimizer.lr=1e-2"]
FEW = ["answer.rollouts.max_new_tokens=6", "answer.rollouts.group_size=3"]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("questions")
    save(root, "training_with_cot_6k", [taught_row(number) for number in range(5)])
    return save(root, "training_6k", [training_row(number) for number in range(5)])


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One that was trained to read [RET] behind a bottleneck."""
    embedder = smallest_embedder()
    embedder.processor.settings = replace(embedder.processor.settings, bottleneck="words", extraction="one_word")
    folder = tmp_path_factory.mktemp("start") / "base"
    embedder.save(folder)
    return folder


def recipe(name: str, root: Path, *settings: str) -> Recipe:
    few = FEW if name == "grpo" else []
    return load_recipe(f"reasoning/{name}", [f"data.root={root}", *SHORT, *few, *settings])


def run(name: str, root: Path, model: Path, out: Path, *settings: str, resume: bool = False) -> RunResult:
    return train(recipe(name, root, f"model.path={model}", *settings), out, resume)


class Longest:
    """Pays for how much is written."""

    def judge(
        self, questions: Sequence[Question], responses: Sequence[Sequence[str]]
    ) -> tuple[Tensor, dict[str, float]]:
        return torch.tensor([[float(len(text)) for text in texts] for texts in responses]), {}


def step(updates: int = 1) -> Step:
    return Step(0, np.random.default_rng(0), torch.Generator().manual_seed(0), updates)


def gradient(embedder: Embedder) -> dict[str, Tensor]:
    found = {name: p.grad.clone() for name, p in embedder.backbone.trainable_parameters().items() if p.grad is not None}
    embedder.backbone.zero_grad(set_to_none=True)
    return found


def taught(session: Session, name: str) -> tuple[float, dict[str, Tensor]]:
    """Loss and gradient of the first step."""
    source = QuestionSource(session, with_response)
    library = session.prepare(source.items, None, "own")
    if name == "sft":
        told = imitate(session, library, source.batch(0))
    else:
        told = next(AnswerLesson(session, library, Longest()).gradients(source.batch(0), step()))
    return told["loss"], gradient(session.embedder)


@pytest.mark.parametrize("name", ["sft", "grpo"])
def test_reading_in_parts_gives_the_gradient_of_the_whole(
    embedder: Embedder, root: Path, tmp_path: Path, name: str
) -> None:
    embedder.backbone.open_training("language_model")
    split = "data.split=training_with_cot_6k"
    at_once, parted = (
        Session(recipe(name, root, split, f"answer.items_per_forward={size}"), embedder, tmp_path, {}, False)
        for size in (8, 1)
    )
    (whole_loss, whole), (parts_loss, parts) = taught(at_once, name), taught(parted, name)
    assert parts_loss == pytest.approx(whole_loss, abs=1e-5)
    largest = max(float(each.abs().max()) for each in whole.values())
    assert largest > 1e-4, "there is a gradient to compare"
    for key in whole:
        torch.testing.assert_close(parts[key], whole[key], atol=1e-5 * max(1.0, largest), rtol=1e-4)


def test_imitation_is_the_mean_loss_of_the_response_s_tokens(embedder: Embedder, root: Path, tmp_path: Path) -> None:
    session = Session(recipe("sft", root), embedder, tmp_path, {}, False)
    source = QuestionSource(session, with_response)
    library, questions = session.prepare(source.items, None, "own"), source.batch(0)
    embedder.backbone.open_training("language_model")
    told = imitate(session, library, questions)
    total, tokens = 0.0, 0
    for question in questions:
        ids = embedder.processor.answer_ids(question.response or "")
        assert ids[-1] == embedder.processor.end_id
        prefix, written = library.prefix([question.key]), given([ids], 0)
        total -= replay(embedder.backbone, embedder.processor, prefix, written, end=ids[-1]).logprobs.sum().item()
        tokens += len(ids)
    assert told["loss"] == pytest.approx(total / tokens, abs=1e-5)
    assert told["answer_tokens"] == pytest.approx(tokens / len(questions))


def test_rewards_move_the_policy_towards_what_they_pay(embedder: Embedder, root: Path, tmp_path: Path) -> None:
    embedder.backbone.open_training("language_model")
    session = Session(recipe("grpo", root, "answer.rollouts.group_size=8"), embedder, tmp_path, {}, False)
    source = QuestionSource(session, lambda _, questions: questions)
    library, questions = session.prepare(source.items, None, "own"), source.batch(0)
    lesson = AnswerLesson(session, library, Longest())
    optimizer = torch.optim.SGD(embedder.backbone.trainable_parameters().values(), lr=0.05)
    lengths = []
    for number in range(12):
        drawn = Step(number, np.random.default_rng(number), torch.Generator().manual_seed(number))
        (told,) = lesson.gradients(questions, drawn)
        lengths.append(told["reward"])
        optimizer.step()
        optimizer.zero_grad()
    assert np.mean(lengths[-4:]) > np.mean(lengths[:4])


def test_the_first_update_has_ratio_1_and_no_kl_and_later_ones_are_clipped(
    embedder: Embedder, root: Path, tmp_path: Path
) -> None:
    embedder.backbone.open_training("language_model")
    settings = ["answer.policy.updates_per_rollout=3", "answer.policy.kl_beta=0.5"]
    session = Session(recipe("grpo", root, *settings), embedder, tmp_path, {}, False)
    source = QuestionSource(session, lambda _, questions: questions)
    lesson = AnswerLesson(session, session.prepare(source.items, None, "own"), Longest())
    told = []
    for metrics_ in lesson.gradients(source.batch(0), step(3)):
        told.append(metrics_)
        with torch.no_grad():
            for parameter in embedder.backbone.trainable_parameters().values():
                parameter -= 0.5 * (parameter.grad if parameter.grad is not None else 0)
        embedder.backbone.zero_grad()
    assert told[0]["loss"] == pytest.approx(0.0, abs=1e-5)
    assert told[0]["kl"] == pytest.approx(0.0, abs=1e-6) and told[0]["clip_share"] == 0
    assert told[2]["kl"] > told[0]["kl"]
    assert {each["reward"] for each in told} == {told[0]["reward"]}, "rewards belong to what was sampled"


# -- whole runs --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["sft", "grpo"])
def test_a_run_leaves_a_model_whose_vectors_are_read_as_before(
    root: Path, model: Path, tmp_path: Path, name: str
) -> None:
    result = run(name, root, model, tmp_path / name, "budget.steps=2")
    before, after = (Embedder.load(folder).processor.settings for folder in (model, result.model))
    assert after == replace(before, trained=(f"reasoning-{name}",))
    wanted = {"loss", "answer_tokens"} if name == "sft" else {
        "accuracy", "format", "answer_length", "zero_variance_share", "kl", "clip_share", "consistency", "cut_rate"
    }  # fmt: skip
    assert all(wanted <= row.keys() for row in metrics(tmp_path / name))


@pytest.mark.parametrize("settings", [[], ["model.trainable=lora", "model.lora.rank=2", "model.lora.dropout=0.1"]])
@pytest.mark.parametrize("name", ["sft", "grpo"])
def test_a_resumed_run_ends_as_an_uninterrupted_one(
    root: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, settings: list[str]
) -> None:
    torch.set_num_threads(1)
    run(name, root, model, tmp_path / "whole", "budget.steps=4", *settings)
    update, done = Session.update, []

    def stopping(self: Session, told: dict[str, float]) -> None:
        if len(done) == 3:
            raise KeyboardInterrupt
        done.append(update(self, told))

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(Session, "update", stopping)
        run(name, root, model, tmp_path / "parts", "budget.steps=4", *settings)
    run(name, root, model, tmp_path / "parts", "budget.steps=4", *settings, resume=True)
    assert_same_run(tmp_path / "whole", tmp_path / "parts")


def test_an_epoch_is_all_questions(root: Path, model: Path, tmp_path: Path) -> None:
    epochs = ["budget.steps=null", "budget.epochs=2", "answer.questions_per_step=2"]
    assert run("sft", root, model, tmp_path / "run", *epochs).updates == 4


def test_other_questions_are_refused_by_a_resumed_run(root: Path, model: Path, tmp_path: Path) -> None:
    own = save(tmp_path / "own", "training_with_cot_6k", [taught_row(number) for number in range(5)])
    run("sft", own, model, tmp_path / "run", "budget.steps=2")
    (tmp_path / "run/run.json").unlink()
    save(own, "training_with_cot_6k", [taught_row(number) for number in range(6)])
    with pytest.raises(CheckpointError, match=r"data\.root"):
        run("sft", own, model, tmp_path / "run", "budget.steps=2", resume=True)


def test_questions_that_teach_nothing_are_refused(root: Path, model: Path, tmp_path: Path) -> None:
    def refused(name: str, where: Path, error: type[ElvaError], words: str, *settings: str) -> None:
        with pytest.raises(error, match=words):
            run(name, where, model, tmp_path / "run", *settings)
        assert not (tmp_path / "run/recipe.yaml").exists()

    told = "5 of the 5 questions of training_6k have no response"
    refused("sft", root, InputError, told, "data.split=training_6k")
    refused("grpo", root, InputError, "nowhere.jsonl is missing", "data.split=nowhere")
    open_row = taught_row(0, prompt="What comes next?")
    one = save(tmp_path / "open", "training_6k", [taught_row(1), open_row])
    refused("grpo", one, InputError, "1 of the 2 questions of training_6k have no options to choose from, 0 for one")
    broken = save(tmp_path / "broken", "training_6k", [training_row(0)])
    path = broken / "annotations/training_6k.jsonl"
    path.write_text(path.read_text() + "{half\n")
    refused("grpo", broken, DataErrors, "training_6k.jsonl:2")


def test_questions_whose_videos_are_missing_are_refused_or_left_out_and_said(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = save(tmp_path / "own", "training_6k", [training_row(number) for number in range(4)])
    (own / "videos/World/v2.gif").unlink()
    settings = ["budget.steps=1", "answer.questions_per_step=2"]
    with pytest.raises(InputError, match=r"v2\.gif"):
        run("grpo", own, model, tmp_path / "run", *settings)
    assert run("grpo", own, model, tmp_path / "run", *settings, "data.skip_bad_rows=true").finished
    assert "1 questions are left out" in capsys.readouterr().err


def test_cut_prompts_are_said(root: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    row = taught_row(0)
    row["prompt"] = "Look closely. " * 60 + row["prompt"]
    own = save(tmp_path / "own", "training_with_cot_6k", [row, taught_row(1)])
    run("sft", own, model, tmp_path / "run", "budget.steps=2")
    assert "1 of the texts read were cut" in capsys.readouterr().err
