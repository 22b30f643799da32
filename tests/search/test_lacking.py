"""What a result lacks: log-probabilities of the words in a span, beside those behind the other results."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from elva.grains import Grain
from elva.index.protocol import Entry, Hit
from elva.items import Item
from elva.model.embedder import Embedder
from elva.model.likelihood import Likelihood, Words
from elva.search.lacking import grain_likelihoods, span_likelihoods
from elva.search.searcher import Searcher
from judging import FakeEncoder
from remembered import Remembered

TEXT = "a small red triangle"
CANDIDATES = [Item(text="red triangle"), Item(text="blue circle"), Item(text="find the picture")]


def span(words: str, text: str = TEXT) -> tuple[int, int]:
    return text.index(words), text.index(words) + len(words)


def rows(embedder: Embedder, candidates: list[Item], text: str = TEXT) -> torch.Tensor:
    found = Likelihood(embedder).logprobs(candidates, Words.of(embedder.processor, [text]), [[0]] * len(candidates))
    by_item = {item: logprobs for item, _, logprobs in found}
    return torch.stack([by_item[number] for number in range(len(candidates))])


def test_a_span_counts_its_tokens_against_the_mean_of_the_others(embedder: Embedder) -> None:
    found = span_likelihoods(embedder, TEXT, [(0, len(TEXT)), span("red")], CANDIDATES)
    sums = rows(embedder, CANDIDATES).double().sum(1)
    assert [row[0] for row in found] == pytest.approx(
        [float(sums[i] - (sums.sum() - sums[i]) / 2) for i in range(3)], abs=1e-4
    )
    ids = Words.of(embedder.processor, [TEXT]).ids[0].tolist()
    places = embedder.processor.places(TEXT, [span("red")])[0]
    assert embedder.processor.tokenizer.decode([ids[place] for place in places]).strip() == "red"
    red = rows(embedder, CANDIDATES)[:, places].double().sum(1)
    assert found[0][1] == pytest.approx(float(red[0] - red[1:].mean()), abs=1e-5)
    assert sum(row[1] for row in found) == pytest.approx(0, abs=1e-4)


def test_spans_that_cover_a_text_sum_to_all_of_it(embedder: Embedder) -> None:
    parts = [(0, 8), (8, 12), (12, len(TEXT))]
    whole, *some = zip(*span_likelihoods(embedder, TEXT, [(0, len(TEXT)), *parts], CANDIDATES), strict=True)
    assert [sum(each) for each in zip(*some, strict=True)] == pytest.approx(whole, abs=1e-4)


def test_a_model_that_was_taught_to_ask_is_asked_so(embedder: Embedder) -> None:
    embedder.processor.settings = replace(embedder.processor.settings, asked_instruction="find it")
    found = span_likelihoods(embedder, TEXT, [(0, len(TEXT))], CANDIDATES)
    sums = rows(embedder, [replace(item, instruction="find it") for item in CANDIDATES]).double().sum(1)
    assert found[0][0] == pytest.approx(float(sums[0] - sums[1:].mean()), abs=1e-4)


def test_where_there_is_nothing_to_say_there_is_none(embedder: Embedder) -> None:
    assert span_likelihoods(embedder, TEXT, [span("red")], CANDIDATES[:1]) == [[None]]
    assert span_likelihoods(embedder, TEXT, [span("red")], []) == []
    assert span_likelihoods(embedder, TEXT, [(1, 2), (3, 3), (9, 5)], CANDIDATES) == [[None] * 3] * 3, (
        "white space, nothing"
    )
    longest = embedder.processor.settings.max_text
    text = "red " * longest + "blue"
    assert span_likelihoods(embedder, text, [span("blue", text)], CANDIDATES[:2]) == [[None], [None]]


def test_spans_are_found_behind_control_tokens_and_in_any_script(embedder: Embedder) -> None:
    text = "[RET] rouge é 红色 [RET] red"
    processor = embedder.processor
    ids = processor.written_ids(text)
    for words in ("rouge", "é", "红色", "red"):
        (places,) = processor.places(text, [span(words, text)])
        assert processor.tokenizer.decode([ids[place] for place in places]).strip() == words


def test_grains_without_a_place_and_results_that_are_gone_say_nothing(embedder: Embedder, tmp_path: Path) -> None:
    index = Remembered(FakeEncoder(), tmp_path)
    entries = [Entry("a", CANDIDATES[0].text), Entry("gone", None, "gone.png"), Entry("b", CANDIDATES[1].text)]
    index.add(entries, np.ones((3, 48), np.float32))
    index.thumbnail = lambda item: None  # type: ignore[method-assign]
    hits = [Hit(rank, 1.0, entry) for rank, entry in enumerate(entries, start=1)]
    grains = [Grain("image", "the picture"), Grain("colour", "red", span("red"))]
    found = grain_likelihoods(embedder, Searcher(FakeEncoder(), index), TEXT, hits, grains)
    (first,), (last,) = span_likelihoods(embedder, TEXT, [span("red")], CANDIDATES[:2])
    assert found == [[None, first], [None, None], [None, last]]
