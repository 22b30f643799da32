"""[RET] behind a bottleneck: what it sees when it is sampled, read and evaluated."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from elva.items import Item
from elva.model.embedder import Embedder
from elva.model.inputs import Inputs, Prefix
from elva.model.rollout import Rollouts, given, read_one_word, replay, sample

BOTH = pytest.mark.parametrize("bottleneck", ["states", "words"])
ALL = pytest.mark.parametrize("bottleneck", ["none", "states", "words"])


def narrowed(embedder: Embedder, bottleneck: str) -> Embedder:
    embedder.processor.settings = replace(embedder.processor.settings, bottleneck=bottleneck)
    return embedder


def prefix_of(embedder: Embedder, items: list[Item]) -> Prefix:
    inputs = Inputs(embedder.backbone, embedder.processor, embedder.features)
    return inputs.collate(inputs.prepare(items, "generative"))


def written(embedder: Embedder, prefix: Prefix, groups: int = 3) -> Rollouts:
    generator = torch.Generator().manual_seed(0)
    settings = {"group_size": groups, "temperature": 1.0, "generator": generator}
    return sample(embedder.backbone, embedder.processor, prefix, **settings)


def read(embedder: Embedder, prefix: Prefix, texts: Rollouts, embed: bool = True) -> Rollouts:
    return replay(embedder.backbone, embedder.processor, prefix, texts, 1.0, embed)


def said(embedder: Embedder, prefix: Prefix, words: str) -> Rollouts:
    """The same summary of every item; no words: [RET] alone."""
    ids = embedder.processor.summary_ids(words) if words else [embedder.processor.ret_id]
    return given([ids] * len(prefix), embedder.dimension)


def apart(vectors: Tensor) -> float:
    """The largest cosine distance from the first row."""
    return float(1 - (vectors @ vectors[0]).min())


@BOTH
@pytest.mark.parametrize("groups", [1, 3])
def test_reading_agrees_with_sampling(embedder: Embedder, items: list[Item], bottleneck: str, groups: int) -> None:
    prefix = prefix_of(narrowed(embedder, bottleneck), items)
    rollouts = written(embedder, prefix, groups)
    again = read(embedder, prefix, rollouts)
    torch.testing.assert_close(again.embeddings, rollouts.embeddings, atol=1e-5, rtol=0)
    torch.testing.assert_close(again.logprobs, rollouts.logprobs, atol=1e-5, rtol=0)


@BOTH
def test_many_rollouts_equal_one_by_one(embedder: Embedder, items: list[Item], bottleneck: str) -> None:
    prefix = prefix_of(narrowed(embedder, bottleneck), items)
    together = written(embedder, prefix)
    for g in range(3):
        alone = Rollouts(*(getattr(together, name)[:, g : g + 1] for name in Rollouts.__slots__))
        one = read(embedder, prefix, alone)
        torch.testing.assert_close(one.embeddings[:, 0], together.embeddings[:, g], atol=1e-5, rtol=0)
        torch.testing.assert_close(one.logprobs[:, 0], together.logprobs[:, g], atol=1e-5, rtol=0)


@BOTH
def test_what_is_written_stays_the_same_and_its_vector_does_not(
    embedder: Embedder, items: list[Item], bottleneck: str
) -> None:
    prefix = prefix_of(embedder, items)
    free = written(embedder, prefix)
    narrow = written(narrowed(embedder, bottleneck), prefix)
    assert torch.equal(narrow.tokens, free.tokens) and torch.equal(narrow.logprobs, free.logprobs)
    assert (narrow.embeddings - free.embeddings).abs().amax(-1).min() > 1e-3


@ALL
@pytest.mark.parametrize("words", ["", "red circle"])
def test_of_equal_summaries_only_what_passes_the_bottleneck_tells_items_apart(
    embedder: Embedder, items: list[Item], bottleneck: str, words: str
) -> None:
    """Bare words tell nothing of the item. The states of words do, but those of no words don't."""
    prefix = prefix_of(narrowed(embedder, bottleneck), items)
    vectors = read(embedder, prefix, said(embedder, prefix, words)).embeddings[:, 0]
    is_blind = bottleneck == "words" or (bottleneck == "states" and not words)
    assert (apart(vectors.detach()) < 1e-6) == is_blind


@ALL
@pytest.mark.parametrize("words", ["", "red circle"])
def test_the_gradient_of_a_vector_reaches_what_it_sees(
    embedder: Embedder, items: list[Item], bottleneck: str, words: str
) -> None:
    prefix = prefix_of(narrowed(embedder, bottleneck), items)
    texts = said(embedder, prefix, words)
    shown = prefix.inputs.detach().clone().requires_grad_()
    weight = torch.randn(embedder.dimension, generator=torch.Generator().manual_seed(0))
    vectors = read(embedder, replace(prefix, inputs=shown), texts).embeddings
    (gradient,) = torch.autograd.grad((vectors @ weight).sum(), shown, allow_unused=True)
    reaches = gradient is not None and bool(gradient.abs().max() > 1e-6)
    assert reaches == (bottleneck == "none" or (bottleneck == "states" and bool(words)))


@BOTH
def test_the_gradient_of_a_vector_reaches_the_words(embedder: Embedder, items: list[Item], bottleneck: str) -> None:
    embedder.backbone.open_training("all")
    prefix = prefix_of(narrowed(embedder, bottleneck), items)
    prefix = replace(prefix, inputs=prefix.inputs.detach())
    texts = said(embedder, prefix, "red circle")
    weight = torch.randn(embedder.dimension, generator=torch.Generator().manual_seed(0))
    (read(embedder, prefix, texts).embeddings @ weight).sum().backward()
    moved = embedder.backbone.embedding_table.weight.grad.abs().sum(-1) > 0
    assert {*moved.nonzero().flatten().tolist()} == {*texts.tokens.flatten().tolist()}


@BOTH
def test_reading_without_embeddings_reads_the_same_log_probabilities(
    embedder: Embedder, items: list[Item], bottleneck: str
) -> None:
    prefix = prefix_of(narrowed(embedder, bottleneck), items)
    for texts in (written(embedder, prefix), said(embedder, prefix, "")):
        whole, lean = read(embedder, prefix, texts), read(embedder, prefix, texts, embed=False)
        torch.testing.assert_close(lean.logprobs, whole.logprobs, atol=1e-5, rtol=0)


@BOTH
def test_it_is_the_checkpoint_s_own(embedder: Embedder, items: list[Item], tmp_path: Path, bottleneck: str) -> None:
    before = Embedder(embedder.backbone, embedder.processor, "free").fingerprint
    narrowed(embedder, bottleneck).save(tmp_path / "m")
    loaded = Embedder.load(tmp_path / "m")
    assert loaded.processor.settings.bottleneck == bottleneck
    assert loaded.fingerprint != before, "an index of the other one is refused"
    np.testing.assert_allclose(loaded.encode(items), embedder.encode(items), atol=1e-5)


@BOTH
def test_one_word_has_none(embedder: Embedder, items: list[Item], bottleneck: str) -> None:
    inputs = Inputs(embedder.backbone, embedder.processor, embedder.features)
    prefix = inputs.collate(inputs.prepare(items, "one_word"))
    free = read_one_word(embedder.backbone, prefix)
    assert torch.equal(read_one_word(narrowed(embedder, bottleneck).backbone, prefix), free)
