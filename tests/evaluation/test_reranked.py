"""A model and a reranker judged together."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from elva.encoding import ModelIdentity
from elva.errors import InputError
from elva.evaluation.mbeir import evaluate
from elva.evaluation.reranked import evaluate_reranked
from elva.index.folder import FolderError
from elva.search.scoring import Listed, Mode
from judging import FakeEncoder, _words, write_root

TASKS = ("mrbench_task0_test", "mrbench_task3_test")


class Words:
    """Counts the words that a candidate shares with the query, or with the summary."""

    mode: Mode = "likelihood"

    def __init__(self, model: FakeEncoder, wordless: str = "") -> None:
        self.model, self._wordless = ModelIdentity.of(model), wordless
        self.lists: list[Listed] = []

    def all_scores(
        self, lists: Iterable[Listed], progress: Callable[[int], None] | None = None
    ) -> Iterator[list[float]]:
        for each in lists:
            self.lists.append(each)
            words = set(_words(each.query))
            if progress:
                progress(len(each.candidates))
            named = " ".join(sorted(words))
            yield [] if named == self._wordless else [len(words & {*_words(item)}) / 2 for item in each.candidates]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_root(tmp_path_factory.mktemp("data") / "root")


ENCODER = FakeEncoder(noise=1.6)


def test_the_first_are_ordered_by_score_and_the_rest_stays(root: Path, tmp_path: Path) -> None:
    evaluate(root, ENCODER, out=tmp_path / "alone", depth=32)
    results = evaluate_reranked(
        root, ENCODER, Words(FakeEncoder("words")), top=8, cosine=0, out=tmp_path / "e", depth=32
    )
    row, alone = (json.loads((tmp_path / name / "results.json").read_text()) for name in ("e", "alone"))
    before, after = row["rerank"]["before"]["ranks"], row["ranks"]
    for name in TASKS:
        assert before[name] == alone["ranks"][name]
        old, new = before[name]["best_positive"], after[name]["best_positive"]
        assert all(b == (1 if a <= 8 else a) for a, b in zip(old, new, strict=True)), "the right one shares most words"
        lists = [
            [line.split()[2] for line in (tmp_path / folder / f"runs/{name}.trec").read_text().splitlines()]
            for folder in ("alone", "e")
        ]
        assert lists[0][8:32] == lists[1][8:32]
        assert sorted(lists[0][:8]) == sorted(lists[1][:8]) != lists[1][:8]
    assert row["rerank"]["before"]["mean"] == alone["mean"]
    assert row["rerank"]["pairs"] == 64 * 8
    assert results.mean["hit@1"] > alone["mean"]["hit@1"]
    assert results.rerank_seconds > 0
    assert "seconds" not in (tmp_path / "e/results.json").read_text()


def test_who_reranked_what_is_written_down(root: Path, tmp_path: Path) -> None:
    told: list[tuple[str, int | None]] = []
    results = evaluate_reranked(
        root, ENCODER, Words(FakeEncoder("words")), top=3, cosine=0, out=tmp_path / "e",
        watch=lambda *work: told.append(work) or (lambda done: None),
    )  # fmt: skip
    assert results.row["model"]["name"] == "fake reranked by words"
    assert results.row["behind"]["name"] == "fake"
    assert (results.row["rerank"]["mode"], results.row["rerank"]["top"]) == ("likelihood", 3)
    assert (f"{TASKS[0]}: reranking", 96) in told
    shown = (tmp_path / "e/table.md").read_text()
    assert "the top 3 reranked by likelihood, test split, instruction 0" in shown
    assert "| before reranking |" in shown


def test_the_model_s_summary_is_handed_to_itself_and_to_nobody_else(root: Path, tmp_path: Path) -> None:
    own, other = Words(ENCODER), Words(FakeEncoder("words"))
    for scorer in (own, other):
        evaluate_reranked(root, ENCODER, scorer, top=3, cosine=0, out=tmp_path / "e", tasks=[0])
    assert {each.summary for each in own.lists} == {each.query.text for each in own.lists}
    assert {each.summary for each in other.lists} == {""}
    assert all(each.query.instruction == "Find it." for each in own.lists)


def test_a_query_without_words_stays_as_it_was_and_is_counted(root: Path, tmp_path: Path) -> None:
    scorer = Words(FakeEncoder("words"), wordless="circle crimson small")
    row = evaluate_reranked(root, ENCODER, scorer, top=8, cosine=0, out=tmp_path / "e", tasks=[0]).row
    assert (row["rerank"]["queries_left"], row["rerank"]["pairs"]) == (1, 31 * 8)
    assert row["ranks"][TASKS[0]]["best_positive"][0] == row["rerank"]["before"]["ranks"][TASKS[0]]["best_positive"][0]


def test_cosines_count_beside_the_scores(root: Path, tmp_path: Path) -> None:
    ranks = [
        evaluate_reranked(root, ENCODER, Words(ENCODER), top=8, cosine=worth, out=tmp_path / "e").row["ranks"]
        for worth in (1e6, 0)
    ]
    evaluate(root, ENCODER, out=tmp_path / "alone")
    assert ranks[0] == json.loads((tmp_path / "alone/results.json").read_text())["ranks"] != ranks[1]
    assert json.loads((tmp_path / "e/results.json").read_text())["rerank"]["cosine"] == 0


def test_lists_may_be_shorter_than_what_is_reranked(root: Path, tmp_path: Path) -> None:
    row = evaluate_reranked(
        root, ENCODER, Words(FakeEncoder("words")), top=100, cosine=0, out=tmp_path / "e", depth=10
    ).row
    assert row["rerank"]["pairs"] == 64 * 32
    assert row["run_depth"] == 10
    assert len((tmp_path / f"e/runs/{TASKS[0]}.trec").read_text().splitlines()) == 320
    assert row["mean"]["hit@1"] == 1.0


def test_bad_requests_are_refused_before_any_work(root: Path, tmp_path: Path) -> None:
    scorer = Words(FakeEncoder("words"))
    with pytest.raises(InputError, match="0 candidates of each list are to be reranked"):
        evaluate_reranked(root, ENCODER, scorer, top=0, out=tmp_path / "e")
    with pytest.raises(InputError, match="lists of depth 9"):
        evaluate_reranked(root, ENCODER, scorer, top=5, depth=9, out=tmp_path / "e")
    with pytest.raises(FolderError):
        evaluate_reranked(root, ENCODER, scorer, top=5, out=root)
