"""Rollouts: one shared prefill gives what plain transformers gives, sampling and reading agree."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from elva.model import rollout
from elva.model.inputs import Inputs
from elva.model.processor import IMAGE_PAD, VIDEO_PAD
from elva.model.rollout import Prefill, Rollouts, given, read_prompt, replay, replay_with_prompts, sample
from plain import plain_inputs


@pytest.fixture
def inputs(embedder):
    return Inputs(embedder.backbone, embedder.processor, embedder.features)


def written(embedder, prefix, group_size=3, temperature=1.0, seed=0) -> Rollouts:
    generator = torch.Generator().manual_seed(seed)
    return sample(
        embedder.backbone,
        embedder.processor,
        prefix,
        group_size=group_size,
        temperature=temperature,
        generator=generator,
    )


def plain_hidden(embedder, item, extra_ids):
    """Last hidden states (S, D) and logits of one item and its summary, by transformers alone."""
    hf = embedder.backbone.hf
    hf.model.rope_deltas = None  # state left by the last call
    out = hf(**plain_inputs(embedder, item, extra_ids), output_hidden_states=True)
    return out.hidden_states[-1][0], out.logits[0]


def test_each_summary_may_have_a_temperature_of_its_own(embedder, items, inputs):
    prefix = inputs.collate(inputs.prepare(items, "generative"))
    greedy = written(embedder, prefix, 1, 0.0)
    both = written(embedder, prefix, 3, [0.0, 1.0, 0.5])
    steps = greedy.tokens.shape[-1]
    assert torch.equal(both.tokens[:, :1, :steps], greedy.tokens)
    torch.testing.assert_close(both.embeddings[:, :1], greedy.embeddings, atol=1e-5, rtol=0)
    again = replay(embedder.backbone, embedder.processor, prefix, both, [0.0, 1.0, 0.5])
    torch.testing.assert_close(again.logprobs, both.logprobs, atol=1e-5, rtol=0)


def test_given_draws_are_those_of_every_item(embedder, items, inputs):
    draws = torch.rand(2, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    settings = {"group_size": 2, "temperature": 1.0, "draws": draws}
    prefix = inputs.collate(inputs.prepare([items[0], items[2], items[0]], "generative"))
    rollouts = sample(embedder.backbone, embedder.processor, prefix, **settings)
    assert torch.equal(rollouts.tokens[0], rollouts.tokens[2])
    same = sample(embedder.backbone, embedder.processor, prefix, **settings | {"draws": draws[:1].expand(2, -1)})
    assert torch.equal(same.tokens[:, 0], same.tokens[:, 1]), "equal draws write equal summaries"


def test_embeddings_and_logprobs_equal_plain_transformers(embedder, items, inputs):
    prefix = inputs.collate(inputs.prepare(items, "generative"))
    rollouts = written(embedder, prefix)
    banned = embedder.processor.banned_ids()
    with torch.no_grad():
        for row, item in enumerate(items):
            for g in range(3):
                ids = rollouts.tokens[row, g][rollouts.mask[row, g]]
                hidden, logits = plain_hidden(embedder, item, ids)
                torch.testing.assert_close(
                    F.normalize(hidden[-1], dim=-1), rollouts.embeddings[row, g], atol=1e-5, rtol=0
                )
                scores = logits[-len(ids) - 1 : -1].index_fill(-1, torch.tensor(banned), float("-inf")).log_softmax(-1)
                expected = scores.gather(-1, ids[:, None]).squeeze(-1)
                credit = rollouts.credit[row, g][: len(ids)]
                torch.testing.assert_close(
                    rollouts.logprobs[row, g][: len(ids)][credit], expected[credit], atol=1e-5, rtol=0
                )


def test_reading_agrees_with_sampling(embedder, items, inputs):
    prefix = inputs.collate(inputs.prepare(items, "generative"))
    rollouts = written(embedder, prefix, temperature=0.7)
    read = replay(embedder.backbone, embedder.processor, prefix, rollouts, temperature=0.7)
    torch.testing.assert_close(read.embeddings, rollouts.embeddings, atol=1e-5, rtol=0)
    torch.testing.assert_close(read.logprobs, rollouts.logprobs, atol=1e-5, rtol=0)


def test_each_rollout_can_be_read_at_its_own_temperature(embedder, items, inputs):
    prefix = inputs.collate(inputs.prepare(items, "generative"))
    rollouts = written(embedder, prefix)
    heats = [0.7, 1.0, 2.0]
    read = replay(embedder.backbone, embedder.processor, prefix, rollouts, heats)
    for g, heat in enumerate(heats):
        alike = replay(embedder.backbone, embedder.processor, prefix, rollouts, heat)
        assert torch.equal(read.logprobs[:, g], alike.logprobs[:, g])
        assert torch.equal(read.embeddings, alike.embeddings)
    plain = replay(embedder.backbone, embedder.processor, prefix, rollouts)
    assert torch.equal(read.logprobs[:, 1], plain.logprobs[:, 1]), "0 stands for temperature 1"


def test_rollouts_of_one_item_do_not_see_each_other(embedder, items, inputs):
    prefix = inputs.collate(inputs.prepare(items, "generative"))
    together = written(embedder, prefix)
    for g in range(3):
        alone = Rollouts(*(getattr(together, name)[:, g : g + 1] for name in Rollouts.__slots__))
        read = replay(embedder.backbone, embedder.processor, prefix, alone)
        torch.testing.assert_close(read.embeddings[:, 0], together.embeddings[:, g], atol=1e-5, rtol=0)


def test_gradient_equals_that_of_separate_sequences(embedder, items, inputs):
    embedder.backbone.open_training("language_model")
    prepared = inputs.prepare(items, "generative")
    rollouts = written(embedder, inputs.collate(prepared))
    weight = torch.randn(rollouts.embeddings.shape, generator=torch.Generator().manual_seed(1))
    read = replay(embedder.backbone, embedder.processor, inputs.collate(prepared), rollouts)
    ((read.embeddings * weight).sum() + read.logprobs.sum()).backward()
    shared = {n: p.grad.clone() for n, p in embedder.backbone.trainable_parameters().items()}
    embedder.backbone.zero_grad()
    for row in range(len(items)):
        for g in range(3):
            one = Rollouts(*(getattr(rollouts, name)[row : row + 1, g : g + 1] for name in Rollouts.__slots__))
            read = replay(embedder.backbone, embedder.processor, inputs.collate(prepared[row : row + 1]), one)
            ((read.embeddings[0, 0] * weight[row, g]).sum() + read.logprobs.sum()).backward()
    for name, parameter in embedder.backbone.trainable_parameters().items():
        torch.testing.assert_close(shared[name], parameter.grad, atol=2e-4, rtol=1e-3)


def test_forced_ret_is_marked_and_carries_no_credit(embedder, items, inputs):
    prefix = inputs.collate(inputs.prepare(items, "generative"))
    rollouts = written(embedder, prefix)
    ret = embedder.processor.ret_id
    lengths = rollouts.mask.sum(-1)
    last = rollouts.tokens.gather(-1, lengths[..., None] - 1).squeeze(-1)
    assert (last == ret).all()
    assert ((rollouts.tokens == ret) & rollouts.mask).sum() == rollouts.forced.numel()
    assert rollouts.forced.any()  # a random model hardly ever writes [RET] in time
    torch.testing.assert_close(rollouts.credit.sum(-1), lengths - rollouts.forced.long())
    assert rollouts.logprobs[~rollouts.credit].abs().max() == 0


def test_control_tokens_are_never_written(embedder, items, inputs):
    prefix = inputs.collate(inputs.prepare(items, "generative"))
    tokens = written(embedder, prefix, group_size=16, temperature=5.0)
    banned = set(embedder.processor.banned_ids())
    assert set(embedder.processor.tokenizer.convert_tokens_to_ids([IMAGE_PAD, VIDEO_PAD])) <= banned
    assert not banned & set(tokens.tokens[tokens.mask].tolist())


def test_same_seed_same_summaries_other_seed_others(embedder, items, inputs):
    prefix = inputs.collate(inputs.prepare(items, "generative"))
    a, b, c = (written(embedder, prefix, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(a.tokens, b.tokens)
    assert not (a.tokens.shape == c.tokens.shape and torch.equal(a.tokens, c.tokens))


def test_what_is_written_about_an_item_does_not_depend_on_who_is_in_the_batch(embedder, items, inputs):
    prepared = inputs.prepare(items, "generative")
    limits = []
    for part in (items, items[:3], items[:1]):
        rollouts = written(embedder, inputs.collate(prepared[: len(part)]), temperature=2.0)
        limits.append(rollouts)
    first, *others = limits
    for other in others:
        short = first.rows(slice(0, len(other.tokens))).trimmed()
        assert torch.equal(short.tokens, other.tokens)
        torch.testing.assert_close(short.embeddings, other.embeddings, atol=1e-5, rtol=0)
        torch.testing.assert_close(short.logprobs, other.logprobs, atol=1e-5, rtol=0)


def test_items_that_are_done_leave_the_batch_and_nothing_else_changes(embedder, items, inputs, monkeypatch):
    """[RET] is made likely, so that summaries end at all lengths."""
    ret = embedder.processor.ret_id
    logits = embedder.backbone.logits
    monkeypatch.setattr(
        embedder.backbone,
        "logits",
        lambda state: logits(state).index_add_(-1, torch.tensor([ret]), torch.full((*state.shape[:-1], 1), 5.5)),
    )
    prefix = inputs.collate(inputs.prepare(items, "generative"))
    sizes, language = [], embedder.backbone.language
    monkeypatch.setattr(
        embedder.backbone, "language", lambda inputs, *rest: (sizes.append(len(inputs)), language(inputs, *rest))[1]
    )
    leaving = written(embedder, prefix)
    assert sizes[1] == len(items) > sizes[-1], "some have left"
    monkeypatch.setattr(rollout, "DONE", 1.0)
    staying = written(embedder, prefix)
    assert torch.equal(leaving.tokens, staying.tokens) and torch.equal(leaving.forced, staying.forced)
    assert torch.equal(leaving.mask, staying.mask)
    torch.testing.assert_close(leaving.embeddings, staying.embeddings, atol=1e-5, rtol=0)
    torch.testing.assert_close(leaving.logprobs, staying.logprobs, atol=1e-5, rtol=0)
    assert leaving.mask.sum(-1).unique().numel() > 2, "of several lengths"


def test_tokens_are_drawn_by_their_probabilities():
    scores = torch.tensor([0.5, 0.2, 0.0, 0.3, 0.0]).log().expand(20_000, -1)
    drawn = (torch.arange(20_000, dtype=torch.float64) + 0.5) / 20_000  # evenly, so that counts are exact
    chosen, logprob = rollout._choose(scores, drawn)
    assert torch.equal(chosen.bincount(minlength=5), torch.tensor([10_000, 4_000, 0, 6_000, 0]))
    torch.testing.assert_close(logprob, scores.gather(-1, chosen[:, None]).squeeze(-1))


def test_the_ends_of_a_draw_never_choose_what_has_no_probability():
    scores = torch.tensor([[float("-inf"), 0.0, 0.0, float("-inf")]]).repeat(2, 1)
    chosen, _ = rollout._choose(scores, torch.tensor([0.0, 1.0 - 2.0**-53], dtype=torch.float64))
    assert chosen.tolist() == [1, 2]


def test_reading_without_embeddings_reads_the_same_log_probabilities(embedder, items, inputs):
    prefix = inputs.collate(inputs.prepare(items, "generative"))
    rollouts = written(embedder, prefix)
    whole = replay(embedder.backbone, embedder.processor, prefix, rollouts)
    lean = replay(embedder.backbone, embedder.processor, prefix, rollouts, embed=False)
    torch.testing.assert_close(lean.logprobs, whole.logprobs, atol=1e-5, rtol=0)
    assert lean.embeddings is rollouts.embeddings


def test_trimmed_rollouts_end_with_the_longest(embedder, items, inputs):
    rollouts = written(embedder, inputs.collate(inputs.prepare(items, "generative")))
    wide = rollouts.widened(rollouts.tokens.shape[-1] + 5)
    assert wide.trimmed().tokens.shape == rollouts.tokens.shape
    assert torch.equal(wide.trimmed().mask, rollouts.mask)


def test_given_summaries_join_sampled_ones(embedder, items, inputs):
    prefix = inputs.collate(inputs.prepare(items, "generative"))
    own = given([embedder.processor.summary_ids("red circle")] * len(items), embedder.dimension)
    both = written(embedder, prefix, group_size=2).join(own)
    read = replay(embedder.backbone, embedder.processor, prefix, both)
    alone = replay(embedder.backbone, embedder.processor, prefix, own)
    assert both.tokens.shape[1] == 3
    torch.testing.assert_close(read.embeddings[:, 2], alone.embeddings[:, 0], atol=1e-5, rtol=0)


def test_one_word_reads_the_state_at_the_end_of_the_prompt(embedder, items, inputs):
    prefix = inputs.collate(inputs.prepare(items[:1], "one_word"))
    ids = embedder.processor.tokens(items[0], "one_word").ids
    hidden = embedder.backbone.hf(input_ids=ids[None], output_hidden_states=True).hidden_states[-1][0, -1]
    torch.testing.assert_close(
        read_prompt(embedder.backbone, prefix)[0], F.normalize(hidden, dim=-1), atol=1e-5, rtol=0
    )


def test_the_end_of_the_prompt_is_passed_by_on_the_way(embedder, items, inputs):
    prefix = inputs.collate(inputs.prepare(items, "generative"))
    alone = read_prompt(embedder.backbone, prefix)
    own = given([embedder.processor.summary_ids("red circle")] * len(items), embedder.dimension)
    read, prompts = replay_with_prompts(embedder.backbone, embedder.processor, prefix, own)
    torch.testing.assert_close(prompts, alone, atol=1e-5, rtol=0)
    torch.testing.assert_close(
        read.embeddings, replay(embedder.backbone, embedder.processor, prefix, own).embeddings, atol=0, rtol=0
    )
    prefill = Prefill.of(embedder.backbone, prefix)
    torch.testing.assert_close(prefill.vectors, alone, atol=1e-5, rtol=0)
    fresh, shared = (sample(embedder.backbone, embedder.processor, prefix, prefill=each) for each in (None, prefill))
    assert torch.equal(fresh.tokens, shared.tokens)
    assert torch.equal(fresh.embeddings, shared.embeddings)
