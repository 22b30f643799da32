"""Likelihoods: what a plain forward gives, whoever shares a forward; and what grains take of them."""

from __future__ import annotations

import pytest
import torch

from elva.model import likelihood
from elva.model.likelihood import Likelihood, Words
from plain import plain_inputs

TEXTS = ["a small red triangle", "blue", "", "a large blue circle left of a red triangle", "the picture"]


def every(embedder, items):
    return Words.of(embedder.processor, TEXTS), [range(len(TEXTS))] * len(items)


def test_a_score_is_the_sum_of_the_log_softmax_of_a_plain_forward(embedder, items):
    words, asked = every(embedder, items)
    scores = Likelihood(embedder).scores(items, words, asked)
    hf, banned = embedder.backbone.hf, torch.tensor(embedder.processor.banned_ids())
    with torch.no_grad():
        for item, found in zip(items, scores, strict=True):
            assert sorted(found) == [0, 1, 2, 3, 4]
            for text, ids in enumerate(words.ids):
                hf.model.rope_deltas = None  # state left by the last call
                logits = hf(**plain_inputs(embedder, item, ids)).logits[0]
                logprobs = logits.index_fill(-1, banned, float("-inf")).log_softmax(-1)
                before = logprobs[len(logits) - len(ids) - 1 : len(logits) - 1]
                expected = before.gather(-1, ids[:, None]).sum()
                assert found[text] == pytest.approx(float(expected), abs=1e-4)


def test_an_empty_text_is_sure(embedder, items):
    assert Likelihood(embedder).scores(items[:1], Words.of(embedder.processor, [""]), [[0]]) == [{0: 0.0}]


@pytest.mark.parametrize(
    ("window", "prefixes", "tokens", "scores"), [(512, 32, 1, 1 << 26), (2, 1, 30, 1 << 26), (3, 2, 2048, 900)]
)
def test_grouping_and_chunking_change_nothing(embedder, items, monkeypatch, window, prefixes, tokens, scores):
    words, asked = every(embedder, items)
    expected = {(i, t): x for i, t, x in Likelihood(embedder).logprobs(items, words, asked)}
    for name, value in (("WINDOW", window), ("PREFIXES", prefixes), ("TOKENS", tokens), ("SCORES", scores)):
        monkeypatch.setattr(likelihood, name, value)
    found = {(i, t): x for i, t, x in Likelihood(embedder).logprobs(items, words, asked)}
    assert found.keys() == expected.keys()
    for pair, logprobs in found.items():
        torch.testing.assert_close(logprobs, expected[pair], atol=1e-5, rtol=1e-5)


def test_only_what_is_asked_for_is_scored_and_each_prefix_read_once(embedder, items, monkeypatch):
    read = []
    collate = likelihood.Inputs.collate
    monkeypatch.setattr(likelihood.Inputs, "collate", lambda self, batch: read.extend(batch) or collate(self, batch))
    monkeypatch.setattr(likelihood, "PREFIXES", 2)
    asked = [[number % 5, 3] if number % 5 != 3 else [] for number in range(len(items))]
    ticks: list[int] = []
    scores = Likelihood(embedder).scores(items, Words.of(embedder.processor, TEXTS), asked, ticks.append)
    assert [sorted(each) for each in scores] == [sorted(each) for each in asked]
    assert sum(ticks) == sum(map(len, asked))
    assert len(read) == sum(map(bool, asked)), "who is asked nothing is not read"


def test_pairs_are_scored_once_and_by_name(embedder, items, monkeypatch):
    named, ticks = dict(enumerate(items)), []
    pairs = [(0, "blue"), (3, "blue"), (0, "red"), (0, "blue"), (3, "")]
    found = Likelihood(embedder).of_pairs(pairs, named, ticks.append)
    assert found.keys() == set(pairs)
    assert sum(ticks) == 4
    words = Words.of(embedder.processor, ["blue", "red", ""])
    expected = Likelihood(embedder).scores([items[0], items[3]], words, [[0, 1], [0, 2]])
    assert found[0, "blue"] == pytest.approx(expected[0][0], abs=1e-5)
    assert found[0, "red"] == pytest.approx(expected[0][1], abs=1e-5)
    assert found[3, "blue"] == pytest.approx(expected[1][0], abs=1e-5)


def test_a_long_text_is_cut_and_counted(embedder, items):
    longest = embedder.processor.settings.max_text
    words = Words.of(embedder.processor, ["red " * (longest + 5), "red"])
    assert (words.cut, len(words.ids[0])) == (1, longest)


def test_control_tokens_in_a_text_are_no_tokens(embedder, items):
    ret = embedder.processor.ret_id
    assert ret not in Words.of(embedder.processor, ["red [RET] blue"]).ids[0].tolist()
