"""Reading the rollouts of a step: whole or in parts, one gradient; and the frozen reference."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from elva.items import Item
from elva.model.embedder import Embedder
from elva.model.rollout import Rollouts, replay
from elva.training import reinforce
from elva.training.judge import judge, learning
from elva.training.prepared import PreparedItems
from elva.training.recipe import Recipe, load_recipe
from elva.training.reinforce import Lesson, Reader, Sampled
from elva.training.sampling import frozen_reference
from elva.training.session import Session, Step
from ranking import order, scene

WRITTEN = {"policy": "elva_paper", "order": "elva", "path": "elva_paper"}
ADDED = {"path": ["reinforce.weights.path=1"]}


def recipe(world: Path, objective: str, *settings: str) -> Recipe:
    files = ["data.captions=c.jsonl", "data.negatives=n.jsonl", f"data.root={world}"]
    short = ["reinforce.rollouts.max_new_tokens=5", "reinforce.rollouts.group_size=2"]
    return load_recipe(f"tiny/{WRITTEN[objective]}", [*files, *short, *ADDED.get(objective, []), *settings])


@pytest.fixture
def library(embedder: Embedder) -> PreparedItems:
    items = {key: Item(text=f"a red circle {number}") for number, key in enumerate(scene().keys)}
    library = PreparedItems(embedder, "generative", {key: "red circle" for key in items})
    library.take(items)
    return library


def step() -> Step:
    return Step(0, np.random.default_rng(0), torch.Generator().manual_seed(0))


def gradients(
    embedder: Embedder, library: PreparedItems, wanted: Recipe, written: Rollouts, out: Path
) -> tuple[float, dict[str, torch.Tensor]]:
    """Loss and gradient of one step on a fixed scene and fixed rollouts."""
    session = Session(wanted, embedder, out, {}, resume=False)
    reader = Reader(embedder.backbone, session, library, scene().keys, written)
    loss, _ = judge(wanted, scene(), reader.rollouts, written, written.logprobs, order(), 5)
    loss.backward()
    reader.backward()
    found = {name: p.grad.clone() for name, p in embedder.backbone.trainable_parameters().items() if p.grad is not None}
    embedder.backbone.zero_grad(set_to_none=True)
    return loss.item(), found


@pytest.mark.parametrize("objective", WRITTEN)
@pytest.mark.parametrize("size", [1, 2, 4])
def test_reading_in_parts_gives_the_gradient_of_the_whole(
    embedder: Embedder, library: PreparedItems, world: Path, tmp_path: Path, objective: str, size: int
) -> None:
    embedder.backbone.open_training("language_model")
    at_once, parted = recipe(world, objective), recipe(world, objective, f"reinforce.items_per_forward={size}")
    session = Session(at_once, embedder, tmp_path / "w", {}, resume=False)
    written = Sampled(session, library, [scene()], step()).written(scene().keys)
    whole_loss, whole = gradients(embedder, library, at_once, written, tmp_path / "a")
    parts_loss, found = gradients(embedder, library, parted, written, tmp_path / "b")
    assert parts_loss == pytest.approx(whole_loss, abs=1e-5)
    assert found.keys() == whole.keys()
    largest = max(float(each.abs().max()) for each in whole.values())
    assert largest > 1e-4, "there is a gradient to compare"
    for name in whole:
        torch.testing.assert_close(found[name], whole[name], atol=1e-5 * max(1.0, largest), rtol=1e-4)


def test_what_sampling_read_gives_the_gradient_of_reading_first(
    embedder: Embedder, library: PreparedItems, world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    embedder.backbone.open_training("language_model")
    session = Session(recipe(world, "policy"), embedder, tmp_path, {}, resume=False)
    found, known = [], []

    class Forgetful(Reader):
        def __init__(self, *given, is_known: bool = False, **named) -> None:
            known.append(is_known)
            super().__init__(*given, **named)

    for reader in (Reader, Forgetful):
        monkeypatch.setattr(reinforce, "Reader", reader)
        next(Lesson(session, library).gradients([scene()], step()))
        weights = embedder.backbone.trainable_parameters().values()
        found.append(torch.cat([each.grad.flatten() for each in weights if each.grad is not None]))
        embedder.backbone.zero_grad(set_to_none=True)
    assert known == [False, True], "the reference is read, the policy was"
    torch.testing.assert_close(*found, atol=1e-5 * float(found[0].abs().max()), rtol=1e-4)


def test_a_reader_that_does_not_learn_holds_no_gradient(
    embedder: Embedder, library: PreparedItems, world: Path, tmp_path: Path
) -> None:
    embedder.backbone.open_training("language_model")
    session = Session(recipe(world, "policy"), embedder, tmp_path, {}, resume=False)
    written = Sampled(session, library, [scene()], step()).written(scene().keys)
    reader = Reader(embedder.backbone, session, library, scene().keys, written, learns=False)
    assert not reader.rollouts.logprobs.requires_grad
    torch.testing.assert_close(reader.rollouts.logprobs, written.logprobs, atol=1e-5, rtol=0)


def test_the_own_caption_stands_last(embedder: Embedder, library: PreparedItems, world: Path, tmp_path: Path) -> None:
    session = Session(recipe(world, "order"), embedder, tmp_path, {}, resume=False)
    written = Sampled(session, library, [scene()], step()).written(scene().keys)
    assert written.tokens.shape[1] == 3
    ids = embedder.processor.summary_ids("red circle")
    assert written.tokens[0, -1][: len(ids)].tolist() == ids


def test_the_own_caption_is_read_at_temperature_1_and_the_samples_at_theirs(
    embedder: Embedder, library: PreparedItems, world: Path, tmp_path: Path
) -> None:
    hot = recipe(world, "order", "reinforce.rollouts.temperature=2.0")
    session = Session(hot, embedder, tmp_path, {}, resume=False)
    keys = scene().keys
    written = Sampled(session, library, [scene()], step()).written(keys)
    read = Reader(embedder.backbone, session, library, keys, written).rollouts
    plain, tempered = (
        replay(embedder.backbone, embedder.processor, library.prefix(keys), written, heat) for heat in (1.0, 2.0)
    )
    assert torch.equal(read.logprobs[:, -1], plain.logprobs[:, -1])
    assert torch.equal(read.logprobs[:, :-1], tempered.logprobs[:, :-1])
    assert not torch.equal(plain.logprobs, tempered.logprobs)


@pytest.mark.parametrize("bottleneck", ["words", "pictures"])
def test_where_ret_reads_words_apart_a_reader_reads_what_a_replay_does(
    embedder: Embedder, world: Path, tmp_path: Path, bottleneck: str
) -> None:
    embedder.processor.settings = replace(embedder.processor.settings, bottleneck=bottleneck)
    keys = scene().keys
    picture = Image.new("RGB", (64, 64), "red")
    items = {key: Item("a red circle" * place or None, picture) for place, key in enumerate(keys)}
    library = PreparedItems(embedder, "generative", dict.fromkeys(keys, "red circle"))
    library.take(items)
    session = Session(recipe(world, "path"), embedder, tmp_path, {}, resume=False)
    written = Sampled(session, library, [scene()], step()).written(keys)
    expected = replay(embedder.backbone, embedder.processor, library.prefix(keys), written, 1.0)
    found = Reader(embedder.backbone, session, library, keys, written).rollouts
    torch.testing.assert_close(found.embeddings, expected.embeddings, atol=1e-6, rtol=0)
    torch.testing.assert_close(found.embeddings, written.embeddings, atol=1e-5, rtol=0)


def test_a_frozen_copy_stays_where_the_policy_began(embedder: Embedder) -> None:
    embedder.backbone.open_training("language_model")
    reference = frozen_reference(embedder.backbone, needed=True)
    before = embedder.backbone.fingerprint()
    with torch.no_grad():
        embedder.backbone.embedding_table.weight.mul_(1.5)
    with reference(embedder.backbone) as frozen:
        assert frozen is not None
        assert frozen.fingerprint() == before != embedder.backbone.fingerprint()
        assert not frozen.trainable_parameters()


def test_the_reference_reads_prompts_with_its_own_weights_too(
    embedder: Embedder, library: PreparedItems, world: Path, tmp_path: Path
) -> None:
    embedder.backbone.open_training("language_model")
    reference = frozen_reference(embedder.backbone, needed=True)
    session = Session(recipe(world, "policy"), embedder, tmp_path, {}, resume=False)
    written = Sampled(session, library, [scene()], step()).written(scene().keys)
    found = []
    for _ in range(2):
        with reference(embedder.backbone) as frozen:
            assert frozen is not None
            found.append(Reader(frozen, session, library, scene().keys, written, learns=False).rollouts.logprobs)
        with torch.no_grad():
            embedder.backbone.embedding_table.weight.mul_(1.5)  # the policy moves
    assert torch.equal(*found)


def test_without_a_kl_term_there_is_nofrozen_reference(embedder: Embedder) -> None:
    with frozen_reference(embedder.backbone, needed=False)(embedder.backbone) as frozen:
        assert frozen is None


def test_what_no_gradient_needs_is_not_read_again(
    embedder: Embedder, library: PreparedItems, world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    embedder.backbone.open_training("language_model")
    cut = recipe(world, "policy", "reinforce.policy.gradient_negatives=0")
    session = Session(cut, embedder, tmp_path, {}, resume=False)
    keys = [scene().keys[place] for place in library.reading_order(scene().keys)]
    written = Sampled(session, library, [scene()], step()).written(keys)
    in_scene = [keys.index(key) for key in scene().keys]
    counted = learning(cut, scene(), written.rows(torch.tensor(in_scene)))
    reader = Reader(embedder.backbone, session, library, keys, written)
    read = reader.rollouts.rows(torch.tensor(in_scene))
    judge(cut, scene(), read, read.detached(), read.logprobs.detach(), None, 5, counted)[0].backward()
    reader.backward()
    whole = {name: p.grad.clone() for name, p in embedder.backbone.trainable_parameters().items() if p.grad is not None}
    embedder.backbone.zero_grad(set_to_none=True)

    seen: list[list[str]] = []

    class Watched(Reader):
        def __init__(self, backbone, session, library, keys, *rest, **options) -> None:
            seen.append(list(keys))
            super().__init__(backbone, session, library, keys, *rest, **options)

    monkeypatch.setattr(reinforce, "Reader", Watched)
    (metrics,) = Lesson(session, library).gradients([scene()], step())
    needed = {*keys} - {scene().keys[4]}  # the third candidate is nobody's positive
    assert len(seen) == 2, "by the reference and by the policy"
    assert all({*each} == needed and len(each) == len(needed) for each in seen)
    assert metrics["read_share"] == pytest.approx(4 / 5)
    largest = max(float(each.abs().max()) for each in whole.values())
    assert largest > 1e-4, "there is a gradient to compare"
    for name, parameter in embedder.backbone.trainable_parameters().items():
        if name in whole:
            torch.testing.assert_close(parameter.grad, whole[name], atol=1e-5 * max(1.0, largest), rtol=1e-4)
