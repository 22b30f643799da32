"""`elva likelihood`: every listed candidate scored, what is alike once, killed work taken up again."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from elva.data.mbeir import Candidate, Query, TaskName, write_instructions, write_pool, write_queries
from elva.data.scores import Scores
from elva.errors import DataError, InputError
from elva.items import Item
from elva.model.embedder import Embedder
from elva.model.likelihood import Likelihood, Words
from elva.training import likelihoods
from elva.training.likelihoods import Shortlist, write_likelihoods
from elva.training.prepared import query_key

NAME = TaskName("world", 1, "train")
CAPTIONS = {"100:0": "red circle", "100:1": "blue square", "100:2": "red circle"}
POOL = ["red circle", "red square", "blue square", "green heart", "red circle"]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Three queries, the last captioned as the first; 100:4 says the same as 100:0. Captions lie in c.jsonl."""
    root = tmp_path / "data"
    positives = {"100:0": "100:0", "100:1": "100:2", "100:2": "100:3"}
    asked = [Query(qid, f"ask {qid}", None, "text", (did,), (), 1) for qid, did in positives.items()]
    write_queries(root, NAME, asked)
    write_pool(root, NAME, [Candidate(f"100:{n}", text, None, "text") for n, text in enumerate(POOL)])
    write_instructions(root, {}, {})
    rows = [{"key": query_key(qid), "caption": caption} for qid, caption in CAPTIONS.items()]
    (root / "c.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return root


def scored(root: Path, embedder: Embedder, **options) -> dict[str, dict[str, float]]:
    write_likelihoods(root, embedder, root / "c.jsonl", root / "s.jsonl", **options)
    return {qid: dict(scores) for qid, scores in Scores(root / "s.jsonl").items()}


def plain(embedder: Embedder, candidate: str, text: str) -> float:
    words = Words.of(embedder.processor, [text])
    return Likelihood(embedder).scores([Item(text=candidate)], words, [[0]])[0][0]


def negatives(root: Path, lists: dict[str, list[str]]) -> Path:
    rows = [{"qid": qid, "candidates": [(did, 0.5) for did in dids], "filtered": 0} for qid, dids in lists.items()]
    (root / "n.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return root / "n.jsonl"


def test_every_candidate_of_the_pool_is_scored_best_first(root: Path, embedder: Embedder) -> None:
    ticks: list[tuple[int, int]] = []
    scores = scored(root, embedder, progress=lambda *tick: ticks.append(tick))
    assert scores.keys() == CAPTIONS.keys()
    for qid, row in scores.items():
        for did, score in row.items():
            expected = plain(embedder, POOL[int(did[4:])], CAPTIONS[qid])
            assert score == pytest.approx(expected, abs=1e-4)
        assert [*row.values()] == sorted(row.values(), reverse=True)
        assert len(row) == 5
    assert scores["100:0"] == scores["100:2"], "one caption"
    assert sum(done for done, _ in ticks) == ticks[0][1] == 15


def test_what_is_alike_is_scored_once(root: Path, embedder: Embedder, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    scores = Likelihood.scores

    def listening(self, items, words, texts, progress=None):
        asked.extend((items[at].text, number) for at, each in enumerate(texts) for number in each)
        return scores(self, items, words, texts, progress)

    monkeypatch.setattr(Likelihood, "scores", listening)
    scored(root, embedder)
    assert len(asked) == len(set(asked)) == 4 * 2, "four texts of candidates, two captions"


def test_mined_negatives_are_scored_with_the_positives(root: Path, embedder: Embedder) -> None:
    path = negatives(root, {"100:1": ["100:3", "100:0", "100:1"], "100:0": ["100:1"]})
    report = write_likelihoods(
        root, embedder, root / "c.jsonl", root / "s.jsonl", shortlist=Shortlist(negatives=path, top=2)
    )
    found = {qid: set(row) for qid, row in Scores(root / "s.jsonl").items()}
    assert found == {"100:0": {"100:0", "100:1"}, "100:1": {"100:2", "100:3", "100:0"}}
    assert (report.queries, report.pairs, report.unlisted) == (2, 5, 1)


def test_the_lists_of_an_evaluation_are_scored_as_they_are(root: Path, embedder: Embedder) -> None:
    runs = root / "eval/runs"
    runs.mkdir(parents=True)
    lines = ["100:0 Q0 100:3 1 0.9 m", "100:0 Q0 100:1 2 0.8 m", "100:0 Q0 100:0 3 0.7 m"]
    with pytest.raises(InputError, match=r"world_task1_train\.trec is missing: evaluate this split"):
        scored(root, embedder, shortlist=Shortlist(evaluation=root / "eval"))
    (runs / f"{NAME}.trec").write_text("\n".join(lines) + "\n")
    scores = scored(root, embedder, shortlist=Shortlist(evaluation=root / "eval", top=2))
    assert {qid: set(row) for qid, row in scores.items()} == {"100:0": {"100:3", "100:1"}}, "no positive is added"


def test_queries_of_text_may_speak_for_themselves(root: Path, embedder: Embedder) -> None:
    (root / "c.jsonl").write_text('{"key": "query 100:7", "caption": "none of these"}\n')
    scores = scored(root, embedder, own_words=True)
    assert scores["100:0"]["100:1"] == pytest.approx(plain(embedder, "red square", "ask 100:0"), abs=1e-4)
    with pytest.raises(InputError, match="3 queries have no caption, 100:0 for one; caption this data"):
        scored(root, embedder)


def test_words_are_scored_as_what_one_would_ask_for(root: Path, embedder: Embedder) -> None:
    processor = embedder.processor
    with pytest.raises(InputError, match=r"random was not taught to say what one would ask for.*caption\.asked_share"):
        scored(root, embedder, asked=True)
    processor.settings = replace(processor.settings, asked_instruction="find the picture")
    score = scored(root, embedder, asked=True)["100:0"]["100:1"]
    words = Words.of(processor, ["red circle"])
    shown = Item(text="red square", instruction="find the picture")
    assert score == pytest.approx(Likelihood(embedder).scores([shown], words, [[0]])[0][0], abs=1e-4)
    assert score != pytest.approx(plain(embedder, "red square", "red circle"), abs=1e-3)


def test_unfinished_scores_are_not_mixed_with_those_of_what_is_asked(
    root: Path, embedder: Embedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(likelihoods, "PAIRS", 5)
    embedder.processor.settings = replace(embedder.processor.settings, asked_instruction="find the picture")
    left = [Likelihood.scores]  # for the first query; the second one finds none
    monkeypatch.setattr(Likelihood, "scores", lambda *arguments: left.pop()(*arguments))
    with pytest.raises(IndexError):
        scored(root, embedder)
    with pytest.raises(InputError, match="unfinished work with another asked: give the same command"):
        scored(root, embedder, asked=True)


def test_no_captions_are_needed_where_queries_speak_for_themselves(root: Path, embedder: Embedder) -> None:
    own = scored(root, embedder, own_words=True)
    write_likelihoods(root, embedder, None, root / "none.jsonl", own_words=True)
    assert {qid: dict(row) for qid, row in Scores(root / "none.jsonl").items()} == own
    with pytest.raises(InputError, match="3 queries have no caption"):
        write_likelihoods(root, embedder, None, root / "other.jsonl")


def test_queries_are_drawn_as_for_mining(root: Path, embedder: Embedder) -> None:
    assert len(scored(root, embedder, queries=2, seed=3)) == 2


def test_a_shortlist_of_other_data_is_refused(root: Path, embedder: Embedder) -> None:
    with pytest.raises(InputError, match="the pool of world_task1_train lacks 100:77"):
        scored(root, embedder, shortlist=Shortlist(negatives=negatives(root, {"100:0": ["100:77"]})))
    assert not (root / "s.jsonl").exists()


def test_no_other_file_is_overwritten(root: Path, embedder: Embedder) -> None:
    with pytest.raises(InputError, match="holds no rows of qid, candidates"):
        write_likelihoods(root, embedder, root / "c.jsonl", root / "c.jsonl")
    with pytest.raises(DataError, match="elva mine"):
        scored(root, embedder, shortlist=Shortlist(negatives=root / "c.jsonl"))


@pytest.mark.parametrize("call", [1, 2, 3])
def test_a_killed_scoring_goes_on_where_it_was(
    root: Path, embedder: Embedder, monkeypatch: pytest.MonkeyPatch, call: int
) -> None:
    monkeypatch.setattr(likelihoods, "PAIRS", 5)  # a query each
    write_likelihoods(root, embedder, root / "c.jsonl", root / "whole.jsonl")
    calls, scores = 0, Likelihood.scores

    def dying(self, *arguments):
        nonlocal calls
        calls += 1
        if calls == call:
            raise KeyboardInterrupt
        return scores(self, *arguments)

    monkeypatch.setattr(Likelihood, "scores", dying)
    with pytest.raises(KeyboardInterrupt):
        scored(root, embedder)
    assert not (root / "s.jsonl").exists()
    if call > 1:
        with pytest.raises(InputError, match="unfinished work with another own_words, top: give the same command"):
            scored(root, embedder, own_words=True, shortlist=Shortlist(top=3))
    ticks: list[tuple[int, int]] = []
    scored(root, embedder, progress=lambda *tick: ticks.append(tick))
    assert calls == 4, "what was done is not done again"
    assert (root / "s.jsonl").read_bytes() == (root / "whole.jsonl").read_bytes()
    assert sum(done for done, _ in ticks) == ticks[0][1] == 15
    assert not (root / "s.jsonl.unfinished").exists()
