"""A whole evaluation with a fake encoder: files, sharing, refusal, reproducibility."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ir_measures
import pytest

from elva.data.mbeir import MBeir, TaskName, choice_by_qid
from elva.data.opening import Selection
from elva.encoding import Encoding
from elva.errors import DataErrors, ElvaError, IndexMismatch, InputError
from elva.evaluation.embed import embed_root
from elva.evaluation.mbeir import evaluate
from elva.evaluation.store import VectorStore
from elva.items import Item
from judging import FakeEncoder, write_root


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_root(tmp_path_factory.mktemp("data") / "root")


def test_the_files_agree_with_the_figures(root: Path, tmp_path: Path) -> None:
    results = evaluate(root, FakeEncoder(noise=1.6), out=tmp_path / "e")
    row = json.loads((tmp_path / "e/results.json").read_text())
    assert row == json.loads(json.dumps(results.row))
    assert set(row["tasks"]) == {"mrbench_task0_test", "mrbench_task3_test"}
    for name, task in row["tasks"].items():
        run = list(ir_measures.read_trec_run(str(tmp_path / f"e/runs/{name}.trec")))
        qrels = list(ir_measures.read_trec_qrels(str(tmp_path / f"e/qrels/{name}.txt")))
        found = ir_measures.calc_aggregate([ir_measures.Success @ 1, ir_measures.RR], qrels, run)
        assert found[ir_measures.Success @ 1] == pytest.approx(task["hit@1"])
        assert found[ir_measures.RR] == pytest.approx(task["mrr"], abs=1e-6)
        ranks = row["ranks"][name]["best_positive"]
        assert sum(rank == 1 for rank in ranks) / len(ranks) == pytest.approx(task["hit@1"])
        assert 0 < task["hit@1"] < 1
        assert task["chance"]["hit@1"] == pytest.approx(1 / 32)
    assert "| **mean** |" in (tmp_path / "e/table.md").read_text()
    assert row["counts"]["forced_ret"] == 5  # four calls for queries and pools, one for masked queries
    assert row["missing_ret"] == pytest.approx(5 / row["counts"]["embedded"])


def test_same_bytes_twice(root: Path, tmp_path: Path) -> None:
    for each in ("a", "b"):
        evaluate(root, FakeEncoder(), out=tmp_path / each)
    files = [path.relative_to(tmp_path / "a") for path in (tmp_path / "a").rglob("*") if path.is_file()]
    assert len(files) == 7
    for file in files:
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_saved_vectors_give_the_same_results_without_embedding(root: Path, tmp_path: Path) -> None:
    embed_root(root, FakeEncoder(), tmp_path / "v")
    encoder = FakeEncoder()
    saved = evaluate(root, encoder, out=tmp_path / "e", vectors=tmp_path / "v")
    assert len(encoder.seen) == 32 * 4  # only the three grains and the paraphrase of each query
    assert saved.row == evaluate(root, FakeEncoder(), out=tmp_path / "f").row


def test_vectors_of_another_model_are_refused_by_name(root: Path, tmp_path: Path) -> None:
    embed_root(root, FakeEncoder("first"), tmp_path / "v", Selection(tasks=[0]))
    with pytest.raises(IndexMismatch, match=r"made by first .* not by second"):
        evaluate(root, FakeEncoder("second"), out=tmp_path / "e", vectors=tmp_path / "v")
    with pytest.raises(IndexMismatch, match="instruction 0, not 1"):
        evaluate(
            root,
            FakeEncoder("first"),
            out=tmp_path / "e",
            vectors=tmp_path / "v",
            instruction_choice=1,
        )
    assert not (tmp_path / "e").exists()


def test_the_instruction_may_be_drawn_by_qid_and_is_recorded(root: Path, tmp_path: Path) -> None:
    class Listening(FakeEncoder):
        def embed(self, items: Sequence[Item], **options: Any) -> Encoding:
            told.update({item.text: item.instruction for item in items if item.instruction})
            return super().embed(items, **options)

    told: dict[str | None, str | None] = {}
    evaluate(root, Listening(), out=tmp_path / "e", tasks=[0], instruction_choice="qid")
    row = json.loads((tmp_path / "e/results.json").read_text())
    assert row["instruction_choice"] == "qid"
    assert "instruction by qid;" in (tmp_path / "e/table.md").read_text()
    asked = MBeir.open(root).queries(TaskName("mrbench", 0, "test"))
    prompts = ("Find it.", "Look for it.", "Which?", "Search.")
    assert {told[query.text] for query in asked} == set(prompts)
    for query in asked:
        assert told[query.text] == told[query.paraphrase] == prompts[choice_by_qid(query.qid) % 4]
        assert all(told[grain.masked_txt] in prompts for grain in query.grains)
    embed_root(root, FakeEncoder(), tmp_path / "v", Selection(tasks=[0], instruction_choice="qid"))
    with pytest.raises(IndexMismatch, match="instruction qid, not 0"):
        evaluate(root, FakeEncoder(), out=tmp_path / "f", tasks=[0], vectors=tmp_path / "v")
    evaluate(root, FakeEncoder(), out=tmp_path / "f", tasks=[0], vectors=tmp_path / "v", instruction_choice="qid")


def test_vector_folder_round_trip(root: Path, tmp_path: Path) -> None:
    store = embed_root(root, FakeEncoder(), tmp_path / "v", Selection(tasks=[0]))
    again = VectorStore.load(tmp_path / "v")
    assert len(again) == len(store) == 64
    assert [*again.rows()] == [*store.rows()]
    assert (again.vectors("query", ["101:3"]) == store.vectors("query", ["101:3"])).all()
    assert again.counts == store.counts


def test_bad_rows_are_all_reported_or_left_out_and_counted(tmp_path: Path) -> None:
    root = write_root(tmp_path / "root")
    (root / "mbeir_images/square-blue-large.png").unlink()
    encoder = FakeEncoder()
    with pytest.raises(DataErrors) as caught:
        evaluate(root, encoder, out=tmp_path / "e")
    assert encoder.seen == [], "nothing is embedded before"
    places = {(error.path.parent.name, error.field) for error in caught.value.errors}
    assert ("local", "img_path") in places
    assert ("test", "query_img_path") in places
    assert ("test", "pos_cand_list") in places, "the query whose answer is lost with it"
    row = evaluate(root, encoder, out=tmp_path / "e", skip_bad_rows=True).row
    assert row["tasks"]["mrbench_task0_test"]["pool"] == 31
    assert row["tasks"]["mrbench_task0_test"]["queries"] < 32
    assert row["counts"]["skipped_rows"] == sum(row["skipped_rows"].values()) > 0
    store = embed_root(root, FakeEncoder(), tmp_path / "v", Selection(skip_bad_rows=True))
    assert store.counts.skipped_rows == row["counts"]["skipped_rows"]
    assert VectorStore.load(tmp_path / "v").counts == store.counts


def test_queries_that_the_qrels_lack_are_judged_by_their_positives_and_counted(root: Path, tmp_path: Path) -> None:
    whole = evaluate(root, FakeEncoder(noise=1.6), out=tmp_path / "a", tasks=[0]).row
    short = write_root(tmp_path / "root")
    qrels = short / "qrels/test/mbeir_mrbench_task0_test_qrels.txt"
    lines = qrels.read_text().splitlines(keepends=True)
    qrels.write_text("".join(lines[:20]))
    row = evaluate(short, FakeEncoder(noise=1.6), out=tmp_path / "b", tasks=[0]).row
    name = "mrbench_task0_test"
    assert (whole["tasks"][name]["without_qrels"], row["tasks"][name]["without_qrels"]) == (0, 12)
    assert row["tasks"][name] | {"without_qrels": 0} == whole["tasks"][name]
    assert row["tasks"][name]["queries"] == len(row["ranks"][name]["qids"]) == 32
    assert (tmp_path / "b/qrels" / f"{name}.txt").read_text() == (tmp_path / "a/qrels" / f"{name}.txt").read_text()


def test_queries_without_any_qrels_file_are_judged_by_their_positives(root: Path, tmp_path: Path) -> None:
    bare = write_root(tmp_path / "root")
    (bare / "qrels/test/mbeir_mrbench_task0_test_qrels.txt").unlink()
    tasks = [
        evaluate(each, FakeEncoder(noise=1.6), out=tmp_path / str(i), tasks=[0]).row["tasks"]
        for i, each in enumerate((root, bare))
    ]
    assert tasks[0] == tasks[1]


def test_lists_shorter_than_the_deepest_cutoff_are_refused_before_any_work(root: Path, tmp_path: Path) -> None:
    encoder = FakeEncoder()
    with pytest.raises(InputError, match="give a depth of 10 or more"):
        evaluate(root, encoder, out=tmp_path / "e", depth=9)
    assert encoder.seen == []
    row = evaluate(root, encoder, out=tmp_path / "e", depth=10).row
    assert row["chance"]["mrr"] == pytest.approx(sum(1 / rank for rank in range(1, 11)) / 32)


def test_nothing_to_evaluate_is_an_error_and_leaves_nothing(root: Path, tmp_path: Path) -> None:
    with pytest.raises(ElvaError, match="no test task"):
        evaluate(root, FakeEncoder(), out=tmp_path / "e", datasets=["cirr"])
    assert list(tmp_path.iterdir()) == []


def test_a_folder_of_somebody_else_is_not_replaced(root: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(ElvaError, match=r"holds no results\.json"):
        evaluate(root, FakeEncoder(), out=tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "mine"
