"""Answers: written as plain transformers would, whatever the checkpoint reads at [RET], and in whatever batches."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from elva.encoding import Written
from elva.errors import CheckpointError
from elva.items import Item
from elva.model import answering
from elva.model.answering import write_answers
from elva.model.embedder import Embedder
from elva.model.inputs import Inputs, Prefix
from elva.model.rollout import given, replay, sample
from plain import plain_inputs


@pytest.fixture
def questions(items: list[Item]) -> list[Item]:
    """Clip, picture and words, in published order; and shorter ones."""
    shown = [Item(video=items[5].video), Item(image=items[1].image)]
    return [Item(turns=[*shown, Item("which circle? A. red B. blue")]), *items]


def prefix_of(embedder: Embedder, items: list[Item]) -> Prefix:
    inputs = Inputs(embedder.backbone, embedder.processor, embedder.features)
    return inputs.collate(inputs.prepare(items, "own"))


def test_an_answer_is_what_transformers_finds_probable_behind_the_question(
    embedder: Embedder, questions: list[Item]
) -> None:
    end, prefix = embedder.processor.end_id, prefix_of(embedder, questions)
    settings = {"temperature": 1.0, "max_tokens": 9, "generator": torch.Generator().manual_seed(0), "end": end}
    written = sample(embedder.backbone, embedder.processor, prefix, group_size=3, **settings)
    again = replay(embedder.backbone, embedder.processor, prefix, written, 1.0, end=end)
    torch.testing.assert_close(again.logprobs, written.logprobs, atol=1e-5, rtol=0)
    banned = torch.tensor(embedder.processor.banned_ids(end))
    assert embedder.processor.ret_id in banned and end not in banned
    for row, item in enumerate(questions):
        ids = written.tokens[row, 0][written.mask[row, 0]]
        assert int(ids[-1]) == end and not torch.isin(ids, banned).any()
        embedder.backbone.hf.model.rope_deltas = None  # state left by the last call
        with torch.no_grad():
            logits = embedder.backbone.hf(**plain_inputs(embedder, item, ids, "own")).logits[0, -len(ids) - 1 : -1]
        expected = logits.index_fill(-1, banned, float("-inf")).log_softmax(-1).gather(-1, ids[:, None]).squeeze(-1)
        credit = written.credit[row, 0][: len(ids)]
        torch.testing.assert_close(written.logprobs[row, 0][: len(ids)][credit], expected[credit], atol=1e-5, rtol=0)


@pytest.mark.parametrize("bottleneck", ["states", "words", "pictures"])
def test_what_is_kept_from_ret_is_not_kept_from_answers(
    embedder: Embedder, questions: list[Item], bottleneck: str
) -> None:
    free = write_answers(embedder, questions, max_new_tokens=6)
    answer = [embedder.processor.answer_ids("red circle")] * len(questions)
    end, prefix = embedder.processor.end_id, prefix_of(embedder, questions)
    before = replay(embedder.backbone, embedder.processor, prefix, given(answer, 0), end=end)
    embedder.processor.settings = replace(embedder.processor.settings, bottleneck=bottleneck, max_summary=2)
    assert write_answers(embedder, questions, max_new_tokens=6) == free
    after = replay(embedder.backbone, embedder.processor, prefix_of(embedder, questions), given(answer, 0), end=end)
    assert torch.equal(before.logprobs, after.logprobs)
    assert after.embeddings.shape == (len(questions), 1, 0)


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_an_answer_does_not_depend_on_what_shares_its_batch(
    embedder: Embedder, questions: list[Item], temperature: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticks = list[int]()
    settings = {"max_new_tokens": 8, "temperature": temperature, "seed": 3}
    together = write_answers(embedder, questions, **settings, progress=ticks.append)
    assert sum(ticks) == len(questions)
    assert write_answers(embedder, questions, **settings, batch_size=1) == together
    monkeypatch.setattr(answering, "PLACES", 1)
    assert write_answers(embedder, questions, **settings) == together
    assert (write_answers(embedder, questions, **settings | {"seed": 4}) == together) == (temperature == 0)


def test_answers_without_an_end_and_questions_cut_short_are_counted(
    embedder: Embedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = [Item("red"), Item("red " * 200), Item("blue")]
    assert write_answers(embedder, asked, max_new_tokens=1) == Written([""] * 3, 3, 1)
    words, end = embedder.backbone.embedding_table.num_embeddings, embedder.processor.end_id
    nothing = torch.nn.functional.one_hot(torch.tensor(end), words).float()
    monkeypatch.setattr(embedder.backbone, "logits", lambda hidden: nothing.expand(*hidden.shape[:-1], -1).clone())
    assert write_answers(embedder, asked, max_new_tokens=2) == Written([""] * 3, 0, 1)
    assert write_answers(embedder, [], max_new_tokens=2) == Written([], 0, 0)


def test_a_tokenizer_that_ends_no_turn_is_refused(embedder: Embedder) -> None:
    embedder.processor.tokenizer.eos_token = None
    with pytest.raises(CheckpointError, match="eos_token"):
        write_answers(embedder, [Item("red")], max_new_tokens=2)
