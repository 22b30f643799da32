"""Reranking: which words are scored behind whom, once each, and what is remembered of it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from PIL import Image

from elva.errors import CheckpointError
from elva.items import Item
from elva.model.embedder import Embedder
from elva.model.likelihood import Likelihood, Words
from elva.model.matching import Matching
from elva.search import scoring
from elva.search.rerank import Reranker
from elva.search.scoring import Listed

RED = Image.new("RGB", (64, 64), "red")
CANDIDATES = [Item(text="red square"), Item(image=RED), Item(text="blue circle", image=RED)]
TEXT = Item(text="a red thing", instruction="find it")


def plain(embedder: Embedder, text: str, instruction: str | None = None) -> list[float]:
    shown = [replace(candidate, instruction=instruction) for candidate in CANDIDATES]
    rows = Likelihood(embedder).scores(shown, Words.of(embedder.processor, [text]), [[0]] * len(shown))
    return [pytest.approx(row[0], abs=1e-4) for row in rows]


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Item, str]]:
    """The pairs that a model is asked for."""
    asked: list[tuple[Item, str]] = []
    of_pairs = Likelihood.of_pairs

    def listening(self, pairs, items, progress=None):
        asked.extend((items[name], text) for name, text in pairs)
        return of_pairs(self, pairs, items, progress)

    monkeypatch.setattr(Likelihood, "of_pairs", listening)
    return asked


@pytest.mark.parametrize(
    "query", [TEXT, Item(image=RED), Item(text="the same in blue", image=RED, instruction="change it")]
)
def test_candidates_are_scored_by_the_summary_whatever_the_query_is(embedder: Embedder, query: Item) -> None:
    assert Reranker(embedder).scores(query, " blue circle ", CANDIDATES) == plain(embedder, "blue circle")


def test_a_summary_that_is_missing_is_written_by_the_scorer(embedder: Embedder) -> None:
    summary = embedder.embed([TEXT]).summaries[0]
    assert summary
    assert Reranker(embedder).scores(TEXT, "", CANDIDATES) == plain(embedder, summary)


def test_a_query_of_text_alone_may_be_scored_by_its_own_words(embedder: Embedder) -> None:
    scorer = Reranker(embedder, "words")
    assert scorer.scores(TEXT, "blue", CANDIDATES) == plain(embedder, "a red thing")
    assert scorer.scores(Item(text="a red thing", image=RED), "blue", CANDIDATES) == plain(embedder, "blue")


def test_a_model_that_was_taught_to_ask_is_asked_so_for_words_and_not_for_summaries(embedder: Embedder) -> None:
    embedder.processor.settings = replace(embedder.processor.settings, asked_instruction="find the picture")
    scorer = Reranker(embedder, "words")
    assert scorer.scores(TEXT, "blue", CANDIDATES) == plain(embedder, "a red thing", "find the picture")
    assert scorer.scores(Item(image=RED), "blue", CANDIDATES) == plain(embedder, "blue")


def test_yes_or_no_is_asked_about_the_query_itself(embedder: Embedder) -> None:
    query = Item(text="red", image=RED, instruction="find it")
    expected = Matching(embedder).scores([(query, candidate) for candidate in CANDIDATES])
    assert Reranker(embedder, "yes_no").scores(query, "blue", CANDIDATES) == pytest.approx(expected, abs=1e-4)


def test_a_candidate_is_read_once_for_all_queries_that_list_it(
    embedder: Embedder, read: list[tuple[Item, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    prefixes: list[int] = []
    scores = Likelihood.scores
    monkeypatch.setattr(
        Likelihood, "scores", lambda self, items, *rest: prefixes.append(len(items)) or scores(self, items, *rest)
    )
    lists = [Listed(TEXT, words, CANDIDATES[:2]) for words in ("red", "blue", "red")]
    ticks: list[int] = []
    first, second, third = Reranker(embedder).all_scores(lists, ticks.append)
    assert first == third != second
    assert (len(read), prefixes, sum(ticks)) == (4, [2], 6)


def test_scores_are_remembered_and_forgotten(embedder: Embedder, read: list[tuple[Item, str]]) -> None:
    scorer = Reranker(embedder, remembered=3)
    first = scorer.scores(TEXT, "red", CANDIDATES)
    assert scorer.scores(Item(text="else"), "red", CANDIDATES) == first
    assert len(read) == 3
    scorer.scores(TEXT, "blue", CANDIDATES[:2])
    scorer.scores(TEXT, "red", CANDIDATES[2:])
    assert len(read) == 5
    scorer.scores(TEXT, "red", CANDIDATES[:1])
    assert len(read) == 6


def test_blocks_change_nothing(embedder: Embedder, monkeypatch: pytest.MonkeyPatch) -> None:
    lists = [Listed(TEXT, words, CANDIDATES) for words in ("red", "blue", "")]
    expected = [*Reranker(embedder).all_scores(lists)]
    monkeypatch.setattr(scoring, "PAIRS", 4)
    for found, scores in zip(Reranker(embedder).all_scores(lists), expected, strict=True):
        assert found == pytest.approx(scores, abs=1e-5)


def test_where_nobody_has_a_word_nothing_is_scored(embedder: Embedder, monkeypatch: pytest.MonkeyPatch) -> None:
    embed = Embedder.embed

    def silent(self, items, **options):
        return replace(embed(self, items, **options), summaries=[" "] * len(items))

    monkeypatch.setattr(Embedder, "embed", silent)
    lists = [Listed(Item(image=RED), "", CANDIDATES), Listed(TEXT, "red", CANDIDATES[:1]), Listed(TEXT, "red", [])]
    assert [len(scores) for scores in Reranker(embedder).all_scores(lists)] == [0, 1, 0]


def test_scores_that_are_no_numbers_are_refused(embedder: Embedder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Matching, "scores", lambda *_: [float("nan")])
    with pytest.raises(CheckpointError, match="random gives scores that are no numbers"):
        Reranker(embedder, "yes_no").scores(TEXT, "", CANDIDATES[:1])
