"""Figures by number and kind of grain add up to those of the tasks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from data.building import tree
from elva.errors import InputError
from elva.evaluation import mbeir
from elva.evaluation.mrbench import evaluate
from elva.index.folder import FolderError
from judging import FakeEncoder, write_root


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two tasks of 32 queries with three grains; every fourth query has lost its size, every eighth its shape too."""
    root = write_root(tmp_path_factory.mktemp("things") / "root")
    for task in (0, 3):
        path = root / f"query/test/mbeir_mrbench_task{task}_test.jsonl"
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        for number, row in enumerate(rows):
            lost = {"size"} if number % 4 == 0 else set()
            lost |= {"shape"} if number % 8 == 0 else set()
            row["grains"] = [grain for grain in row["grains"] if grain["kind"] not in lost]
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return root


def test_groups_are_made_by_number_and_by_kind(root: Path, tmp_path: Path) -> None:
    encoder = FakeEncoder(weights={"small": 0.0, "large": 0.0}, noise=0.01)
    row = evaluate(root, encoder, out=tmp_path / "out").row
    counts = {number: each["queries"] for number, each in row["by_number_of_grains"].items()}
    assert counts == {"1": 8, "2": 8, "3": 48}
    assert {kind: each["queries"] for kind, each in row["by_kind_of_grain"].items()} == {
        "colour": 64,
        "shape": 56,
        "size": 48,
    }
    for name in ("hit@1", "hit@5", "mrr"):
        total = sum(each[name] * each["queries"] for each in row["by_number_of_grains"].values())
        assert total / 64 == pytest.approx(row["mean"][name]), "every query counts once"
    assert row["by_kind_of_grain"]["colour"]["hit@1"] == pytest.approx(row["mean"]["hit@1"])


def test_the_folder_is_an_evaluation_of_its_own_kind(root: Path, tmp_path: Path) -> None:
    encoder = FakeEncoder()
    results = evaluate(root, encoder, out=tmp_path / "out")
    assert (
        results.row["benchmark"]
        == json.loads((tmp_path / "out" / "results.json").read_text())["benchmark"]
        == "mrbench"
    )
    table = (tmp_path / "out" / "table.md").read_text("utf-8")
    assert "## By number of grains" in table
    assert "| colour | 100.0 ± 0.0 |" in table
    evaluate(root, encoder, out=tmp_path / "out")
    with pytest.raises(FolderError, match="not that of an evaluation"):
        mbeir.evaluate(root, encoder, out=tmp_path / "out")
    assert "by_number_of_grains" not in mbeir.evaluate(root, encoder, out=tmp_path / "mbeir").row


def test_the_figures_of_the_tasks_are_those_of_mbeir(root: Path, tmp_path: Path) -> None:
    encoder = FakeEncoder(noise=0.5)
    mine, theirs = (each(root, encoder, out=tmp_path / each.__module__).row for each in (evaluate, mbeir.evaluate))
    assert {**mine, "benchmark": ""} == {
        **theirs,
        "benchmark": "",
        **{key: mine[key] for key in ("by_number_of_grains", "by_kind_of_grain", "pools")},
    }


def test_each_pool_has_groups_of_its_own(tmp_path: Path) -> None:
    root = write_root(tmp_path / "root")
    pools = [path.read_text() for path in sorted((root / "cand_pool/local").iterdir())]
    (root / "cand_pool/global").mkdir()
    (root / "cand_pool/global/mbeir_union_test_cand_pool.jsonl").write_text("".join(pools))
    encoder = FakeEncoder(noise=1.5)
    alone = evaluate(root, encoder, out=tmp_path / "alone").row
    both = evaluate(root, encoder, out=tmp_path / "both", pool="both", cache=tmp_path / "cache").row
    everything = both["pools"]["global"]
    for key in ("by_number_of_grains", "by_kind_of_grain"):
        assert both[key] == both["pools"]["local"][key] == alone[key]
        assert everything[key].keys() == alone[key].keys()
    assert everything["by_number_of_grains"]["3"]["hit@5"] == pytest.approx(everything["mean"]["hit@5"])
    assert everything["by_number_of_grains"]["3"]["hit@5"] < alone["by_number_of_grains"]["3"]["hit@5"]
    table = (tmp_path / "both/table.md").read_text("utf-8")
    assert "## By kind of grain, local pools" in table and "## By kind of grain, global pools" in table


def test_data_without_grains_are_refused_before_anything_is_embedded(tmp_path: Path) -> None:
    encoder = FakeEncoder()
    with pytest.raises(InputError, match="no query of these tasks lists its grains; build a benchmark"):
        evaluate(tree(tmp_path / "root"), encoder, out=tmp_path / "out")
    assert encoder.seen == []
