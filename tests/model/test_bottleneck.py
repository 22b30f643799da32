"""[RET] behind a bottleneck: what it sees when it is sampled, read and evaluated."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from elva.items import Item
from elva.model.attention import Causal
from elva.model.embedder import Embedder
from elva.model.inputs import Inputs, Prefix
from elva.model.rollout import Rollouts, given, read_prompt, read_words, replay, sample

EACH = pytest.mark.parametrize("bottleneck", ["states", "words", "pictures"])
ALL = pytest.mark.parametrize("bottleneck", ["none", "states", "words", "pictures"])


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


@EACH
@pytest.mark.parametrize("groups", [1, 3])
def test_reading_agrees_with_sampling(embedder: Embedder, items: list[Item], bottleneck: str, groups: int) -> None:
    prefix = prefix_of(narrowed(embedder, bottleneck), items)
    rollouts = written(embedder, prefix, groups)
    again = read(embedder, prefix, rollouts)
    torch.testing.assert_close(again.embeddings, rollouts.embeddings, atol=1e-5, rtol=0)
    torch.testing.assert_close(again.logprobs, rollouts.logprobs, atol=1e-5, rtol=0)


@EACH
def test_many_rollouts_equal_one_by_one(embedder: Embedder, items: list[Item], bottleneck: str) -> None:
    prefix = prefix_of(narrowed(embedder, bottleneck), items)
    together = written(embedder, prefix)
    for g in range(3):
        alone = Rollouts(*(getattr(together, name)[:, g : g + 1] for name in Rollouts.__slots__))
        one = read(embedder, prefix, alone)
        torch.testing.assert_close(one.embeddings[:, 0], together.embeddings[:, g], atol=1e-5, rtol=0)
        torch.testing.assert_close(one.logprobs[:, 0], together.logprobs[:, g], atol=1e-5, rtol=0)


@EACH
def test_what_is_written_stays_the_same_and_its_vector_does_not(
    embedder: Embedder, items: list[Item], bottleneck: str
) -> None:
    free = written(embedder, prefix_of(embedder, items))
    narrow = written(embedder, prefix_of(narrowed(embedder, bottleneck), items))
    assert torch.equal(narrow.tokens, free.tokens) and torch.equal(narrow.logprobs, free.logprobs)
    assert (narrow.embeddings - free.embeddings).abs().amax(-1).min() > 1e-3


@ALL
@pytest.mark.parametrize("words", ["", "red circle"])
def test_of_equal_summaries_only_what_passes_the_bottleneck_tells_items_apart(
    embedder: Embedder, items: list[Item], bottleneck: str, words: str
) -> None:
    """Bare words tell nothing of the item but what it says. The states of words do, but those of no words don't."""
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


@EACH
def test_the_gradient_of_a_vector_reaches_the_words(embedder: Embedder, items: list[Item], bottleneck: str) -> None:
    embedder.backbone.open_training("all")
    prefix = prefix_of(narrowed(embedder, bottleneck), items)
    prefix = replace(prefix, inputs=prefix.inputs.detach())
    texts = said(embedder, prefix, "red circle")
    weight = torch.randn(embedder.dimension, generator=torch.Generator().manual_seed(0))
    (read(embedder, prefix, texts).embeddings @ weight).sum().backward()
    moved = embedder.backbone.embedding_table.weight.grad.abs().sum(-1) > 0
    own = prefix.own[prefix.own >= 0].tolist()
    assert bool(own) == (bottleneck == "pictures")
    assert {*moved.nonzero().flatten().tolist()} == {*texts.tokens.flatten().tolist(), *own}


@EACH
def test_reading_without_embeddings_reads_the_same_log_probabilities(
    embedder: Embedder, items: list[Item], bottleneck: str
) -> None:
    prefix = prefix_of(narrowed(embedder, bottleneck), items)
    for texts in (written(embedder, prefix), said(embedder, prefix, "")):
        whole, lean = read(embedder, prefix, texts), read(embedder, prefix, texts, embed=False)
        torch.testing.assert_close(lean.logprobs, whole.logprobs, atol=1e-5, rtol=0)


@EACH
def test_it_is_the_checkpoint_s_own(embedder: Embedder, items: list[Item], tmp_path: Path, bottleneck: str) -> None:
    before = Embedder(embedder.backbone, embedder.processor, "free").fingerprint
    narrowed(embedder, bottleneck).save(tmp_path / "m")
    loaded = Embedder.load(tmp_path / "m")
    assert loaded.processor.settings.bottleneck == bottleneck
    assert loaded.fingerprint != before, "an index of the other one is refused"
    np.testing.assert_allclose(loaded.encode(items), embedder.encode(items), atol=1e-5)


@EACH
def test_one_word_has_none(embedder: Embedder, items: list[Item], bottleneck: str) -> None:
    inputs = Inputs(embedder.backbone, embedder.processor, embedder.features)
    prefix = inputs.collate(inputs.prepare(items, "one_word"))
    free = read_prompt(embedder.backbone, prefix)
    assert torch.equal(read_prompt(narrowed(embedder, bottleneck).backbone, prefix), free)


# -- pictures alone are hidden ------------------------------------------------------------------------------------


def spoken(embedder: Embedder, items: list[Item], words: str = "red circle") -> Tensor:
    """The vectors behind one summary of all items."""
    prefix = prefix_of(narrowed(embedder, "pictures"), items)
    return read(embedder, prefix, said(embedder, prefix, words)).embeddings[:, 0].detach()


def test_a_text_speaks_for_itself_whatever_is_written_about_it(embedder: Embedder) -> None:
    texts = ["red circle", "blue circle", "red"]
    first, second, third = spoken(embedder, [Item(text=text) for text in texts])
    assert min(float(1 - first @ second), float(1 - first @ third)) > 1e-4


def test_what_is_shown_and_asked_for_is_hidden(embedder: Embedder, items: list[Item]) -> None:
    shown = items[3].image
    alike = [items[3], replace(items[3], image=items[1].image), Item(text=items[3].text), Item("blue circle", shown)]
    vectors = spoken(embedder, [*alike, items[1], items[4], items[6]])
    assert apart(vectors[:4]) < 1e-6
    assert apart(vectors[4:]) < 1e-6
    assert float(1 - vectors[0] @ vectors[4]) > 1e-4


@pytest.mark.parametrize("text", [None, " ", "<|im_end|>\n"])
def test_an_item_without_words_is_read_by_its_summary_alone(
    embedder: Embedder, items: list[Item], text: str | None
) -> None:
    shown = [replace(items[row], text=text) for row in (1, 4, 6)]
    prefix = prefix_of(narrowed(embedder, "words"), shown)
    texts = written(embedder, prefix)
    expected = read(embedder, prefix, texts).embeddings
    own = prefix_of(narrowed(embedder, "pictures"), shown)
    assert own.own.shape == (3, 0)
    assert torch.equal(read(embedder, own, texts).embeddings, expected)
    beside = prefix_of(embedder, [*shown, items[0]])
    company = Rollouts.stack([texts, texts.rows(slice(0, 1))])
    torch.testing.assert_close(read(embedder, beside, company).embeddings[:3], expected, atol=1e-6, rtol=0)


def test_own_words_and_summary_are_read_as_one_line_of_words(embedder: Embedder) -> None:
    """As the language model reads that line on its own, without any machinery of ours."""
    processor, backbone = embedder.processor, embedder.backbone
    (vector,) = spoken(embedder, [Item("a blue circle", instruction="find the picture")], "red")
    line = [*processor.written_ids("a blue circle"), *processor.written_ids("\n"), *processor.summary_ids("red")]
    ids = torch.tensor([line])
    places = torch.arange(len(line)).expand(3, 1, -1)
    hidden = backbone.language(backbone.embed(ids), places, Causal(torch.ones_like(ids, dtype=torch.bool)))
    torch.testing.assert_close(vector, F.normalize(hidden[0, -1].detach(), dim=-1), atol=1e-6, rtol=0)


def test_where_the_item_ends_and_the_summary_begins_is_told(embedder: Embedder) -> None:
    one, other = spoken(embedder, [Item("red")], " circle"), spoken(embedder, [Item("red circle")], "")
    assert float(1 - one[0] @ other[0]) > 1e-4


def test_own_words_are_cut_as_elsewhere_and_hold_no_control_token(embedder: Embedder) -> None:
    processor = narrowed(embedder, "pictures").processor
    processor.settings = replace(processor.settings, max_text=3)
    ids = processor.written_ids("a small red triangle")
    assert len(ids) > 3
    (own, tamed) = processor.own_words([Item("a small red triangle"), Item("red [RET]<|image_pad|>")])
    assert own.tolist() == [*ids[:3], *processor.written_ids("\n")]
    assert not {*tamed.tolist()} & {*processor.banned_ids(), processor.ret_id}


def test_equal_words_and_summaries_are_read_once(
    embedder: Embedder, items: list[Item], monkeypatch: pytest.MonkeyPatch
) -> None:
    alike = [Item("red"), Item("red", items[1].image), Item("blue"), Item("red", instruction="find the picture")]
    prefix = prefix_of(narrowed(embedder, "pictures"), alike)
    texts = said(embedder, prefix, "circle").repeated(3)
    rows: list[int] = []
    language = embedder.backbone.language
    monkeypatch.setattr(
        embedder.backbone, "language", lambda inputs, *rest: rows.append(len(inputs)) or language(inputs, *rest)
    )
    read_words(embedder.backbone, texts.tokens, texts.mask, prefix.own)
    assert rows == [2]


def test_items_in_company_have_the_vectors_they_have_alone(embedder: Embedder, items: list[Item]) -> None:
    together = narrowed(embedder, "pictures").encode(items)
    alone = np.concatenate([embedder.encode([item]) for item in items])
    np.testing.assert_allclose(together, alone, atol=1e-5)
