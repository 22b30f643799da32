"""Files of scores judged as models are."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from elva.data.mbeir import MBeir, TaskName
from elva.errors import DataError, InputError
from elva.evaluation.judging import Asked
from elva.evaluation.mbeir import evaluate
from elva.evaluation.scored import ByScores, evaluate_scores
from elva.index.folder import FolderError
from judging import FakeEncoder, write_root

NAME = TaskName("mrbench", 0, "test")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_root(tmp_path_factory.mktemp("data") / "root")


@pytest.fixture(scope="module")
def judged(root: Path) -> Path:
    """A model's evaluation, its lists as long as the pools."""
    evaluate(root, FakeEncoder(noise=1.6), out=root.parent / "e")
    return root.parent / "e"


def file_of(path: Path, scores: dict[str, dict[str, float]]) -> Path:
    rows = ({"qid": qid, "candidates": [*each.items()]} for qid, each in scores.items())
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def cosines(judged: Path, top: int = 1000) -> dict[str, dict[str, float]]:
    """What the model's lists say, as scores."""
    scores: dict[str, dict[str, float]] = {}
    for path in sorted(judged.glob("runs/*.trec")):
        for line in path.read_text().splitlines():
            qid, _, did, rank, score, _ = line.split()
            if int(rank) <= top:
                scores.setdefault(qid, {})[did] = float(score)
    return scores


def ranks(folder: Path) -> dict[str, list[int]]:
    return {
        name: each["best_positive"] for name, each in json.loads((folder / "results.json").read_text())["ranks"].items()
    }


def test_a_model_s_cosines_as_scores_give_the_model_s_figures(root: Path, judged: Path, tmp_path: Path) -> None:
    results = evaluate_scores(root, file_of(tmp_path / "s.jsonl", cosines(judged)), out=tmp_path / "e")
    model = json.loads((judged / "results.json").read_text())
    for key in ("mean", "tasks", "ranks", "chance", "data"):
        assert results.row[key] == model[key]
    for kind, grain in results.row["grains"].items():
        assert grain["pair_accuracy"] == pytest.approx(model["grains"][kind]["pair_accuracy"])
        assert grain["grain_distance"] is None
    assert results.row["model"]["name"] == "s"
    assert results.row["missing_ret"] is None
    assert "a file of scores, test split;" in (tmp_path / "e/table.md").read_text()
    for path in (judged / "runs").iterdir():
        ours, theirs = ((folder / "runs" / path.name).read_text().split("\n") for folder in (tmp_path / "e", judged))
        assert [line.split()[:4] for line in ours] == [line.split()[:4] for line in theirs]


def test_what_is_not_scored_comes_behind_in_the_model_s_order(root: Path, judged: Path, tmp_path: Path) -> None:
    top = cosines(judged, 5)
    backwards = {qid: {did: -100 - score for did, score in each.items()} for qid, each in top.items()}
    scores = file_of(tmp_path / "top.jsonl", backwards)
    results = evaluate_scores(root, scores, FakeEncoder(noise=1.6), out=tmp_path / "e")
    for name, theirs in ranks(judged).items():
        assert ranks(tmp_path / "e")[name] == [6 - rank if rank <= 5 else rank for rank in theirs]
    assert results.row["model"]["name"] == "top over fake"
    assert results.row["behind"]["name"] == "fake"
    assert results.row["instruction_choice"] == 0


def test_queries_without_scores_need_a_model_and_are_counted(root: Path, judged: Path, tmp_path: Path) -> None:
    some = cosines(judged, 5)
    del some["101:3"], some["101:1004"]
    scores = file_of(tmp_path / "some.jsonl", some)
    with pytest.raises(InputError, match="no candidates of 2 queries, 101:3 for one; give the model"):
        evaluate_scores(root, scores, out=tmp_path / "e")
    assert not (tmp_path / "e").exists()
    results = evaluate_scores(root, scores, FakeEncoder(noise=1.6), out=tmp_path / "e")
    assert results.row["queries_without_scores"] == 2
    assert ranks(tmp_path / "e") == ranks(judged)


def test_ties_are_ranked_by_did_and_beat_nobody(root: Path) -> None:
    bench = MBeir.open(root)
    qids = [query.qid for query in bench.queries(NAME)]
    scores = {qid: {"101:7": 2.0, "101:11": 2.0, "101:9": 2.0000001, "101:5": -1.0} for qid in qids}
    ranking = ByScores(Asked.of(bench, NAME), scores, None)
    retrieval = ranking.retrieve(10)
    assert retrieval.run.dids[0][:6] == ("101:11", "101:7", "101:9", "101:5", "101:0", "101:1"), "by a millionth"
    assert all(a > b for a, b in zip(retrieval.run.micro[0], retrieval.run.micro[0][1:], strict=False))
    assert dict(zip(retrieval.run.qids, retrieval.ranks, strict=True))["101:9"] == 3
    query = next(iter(bench.queries(NAME)))
    assert ranking.nearness(query, ["101:7", "101:9", "101:5"]).tolist() == [2_000_000, 2_000_000, -1_000_000]
    assert ranking.nearness(query, ["101:1", "101:2"]).tolist() == [-1_000_001] * 2


def test_scores_of_other_data_and_other_files_are_refused(root: Path, judged: Path, tmp_path: Path) -> None:
    scores = cosines(judged)
    scores["101:3"]["101:999"] = 0.5
    with pytest.raises(InputError, match="101:999, scored for query 101:3, is not in the pool of mrbench_task0_test"):
        evaluate_scores(root, file_of(tmp_path / "s.jsonl", scores), out=tmp_path / "e")
    with pytest.raises(DataError, match="write the file again"):
        evaluate_scores(root, judged / "results.json", out=tmp_path / "e")
    with pytest.raises(InputError, match="lists of depth 9"):
        evaluate_scores(root, tmp_path / "s.jsonl", out=tmp_path / "e", depth=9)
    with pytest.raises(FolderError):
        evaluate_scores(root, tmp_path / "s.jsonl", out=root)
