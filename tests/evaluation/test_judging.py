"""Means of tasks: never over different pools, and M-BEIR's own only where it is whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from elva.data.layout import TaskName
from elva.data.mbeir import MBeir
from elva.data.published_counts import COUNTS
from elva.errors import DataError
from elva.evaluation.judging import m_beir_average
from elva.evaluation.mbeir import evaluate
from elva.evaluation.table import results_table
from judging import FakeEncoder, write_root


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = write_root(tmp_path_factory.mktemp("data") / "root")
    pools = sorted((root / "cand_pool/local").iterdir())
    union = root / "cand_pool/global/mbeir_union_test_cand_pool.jsonl"
    union.parent.mkdir()
    union.write_text("".join(path.read_text() for path in pools))
    return root


def test_both_pools_are_judged_apart_and_embedded_once(root: Path, tmp_path: Path) -> None:
    encoder = FakeEncoder(noise=1.6)
    row = evaluate(root, encoder, out=tmp_path / "both", pool="both").row
    assert len(encoder.seen) == 128 + 32 * 4, "queries and candidates once, then masked queries"
    tasks = ["mrbench_task0_test", "mrbench_task3_test"]
    assert [*row["tasks"]] == [*row["ranks"]] == [*tasks, *(f"{name}@global" for name in tasks)]
    for scope in ("local", "global"):
        alone = evaluate(root, FakeEncoder(noise=1.6), out=tmp_path / scope, pool=scope).row
        assert alone["mean"] == row["pools"][scope]["mean"]
        assert alone["pools"] == {scope: row["pools"][scope]}
        assert alone["tasks"].items() <= row["tasks"].items()
        assert alone["grains"] == row["grains"]
    assert row["mean"] == row["pools"]["local"]["mean"]
    for name in tasks:
        assert row["tasks"][f"{name}@global"]["pool"] == 64
        assert row["tasks"][f"{name}@global"]["chance"]["hit@1"] == pytest.approx(1 / 64)
        assert (tmp_path / f"both/runs/{name}@global.trec").is_file()
        assert (tmp_path / f"both/qrels/{name}@global.txt").is_file()
    table = (tmp_path / "both/table.md").read_text()
    assert "| **mean, local pools** |" in table and "| **mean, global pools** |" in table


def test_first_candidates_of_the_wrong_modality_are_told(root: Path, tmp_path: Path) -> None:
    row = evaluate(root, FakeEncoder(), out=tmp_path / "e", pool="global").row
    for task in row["tasks"].values():
        assert sum(task["rank_1"].values()) == task["queries"]
        assert task["rank_1"]["right"] == round(task["hit@1"] * task["queries"])
    told = row["tasks"]["mrbench_task0_test@global"]["rank_1"]
    assert (told["right"], told["echo"]) == (3, 29), "a query's own words tie with the picture, and mostly sort first"


def test_a_missing_pool_of_all_data_sets_is_told_before_any_work(tmp_path: Path) -> None:
    encoder = FakeEncoder()
    with pytest.raises(DataError, match=r"mbeir_union_test_cand_pool\.jsonl: no pool of all data sets"):
        evaluate(write_root(tmp_path / "root"), encoder, out=tmp_path / "e", pool="global")
    assert encoder.seen == []


def test_the_average_of_m_beir_needs_all_sixteen() -> None:
    rows = {
        TaskName(dataset, task, "test"): {
            "headline": "hit@10" if dataset.startswith("fashion") else "hit@5",
            "hit@5": 0.5,
            "hit@10": 0.9,
        }
        for dataset, task in COUNTS
    }
    other = TaskName("mrbench", 0, "test")
    assert m_beir_average({**rows, other: {"headline": "hit@5", "hit@5": 0}}) == pytest.approx(
        (13 * 0.5 + 3 * 0.9) / 16
    )
    rows.pop(TaskName("nights", 4, "test"))
    assert m_beir_average(rows) is None


def test_intervals_stand_beside_headline_figures(root: Path, tmp_path: Path) -> None:
    row = evaluate(root, FakeEncoder(noise=1.6), out=tmp_path / "e").row
    for task in row["tasks"].values():
        low, high = task["headline_interval"]
        assert 0 <= low <= task[task["headline"]] <= high <= 1
        assert low < high
    low, high = row["mean"]["headline_interval"]
    assert low < row["mean"]["headline"] < high
    assert row["m_beir_average"] is None
    assert "M-BEIR average" not in results_table(row)
    assert "| **M-BEIR average of 16** |  | 58.7 |" in results_table(
        {**row, "pools": {"local": {**row["pools"]["local"], "m_beir_average": 0.587}}}
    )


def test_the_built_in_world_has_a_pool_of_all_data_sets(world: Path) -> None:
    bench = MBeir.open(world)
    name = bench.tasks("test")[0]
    assert len(bench.pool(name, "global")) > len(bench.pool(name))
