"""Tables of tasks that no published table has."""

from __future__ import annotations

from pathlib import Path

from elva.analysis.tables.by_task import published_table
from elva.analysis.tables.evaluations import gather
from elva.analysis.tables.other import other_tables
from evaluated import HALF, figures, measured, results


def test_global_pools_are_a_benchmark_apart(tmp_path: Path) -> None:
    row = results(
        "ours", {"cirr_task7_test": HALF, "cirr_task7_test@global": [9, 9], "fashioniq_task7_test@global": HALF}
    )
    ours = measured(tmp_path, ours=row)
    table = published_table("mbeir", ours)
    assert table and figures(table, "(i,t)→i CIRR")[-1] == "50.0"
    first, second = other_tables("mbeir@global", ours)
    assert first.title == "M-BEIR, global pools: hit@1"
    assert [each.label for each in second.lines[:2]] == ["(i,t)→i cirr, R@5", "(i,t)→i fashioniq, R@10"]
    assert list(other_tables("mbeir", ours)) == []


def test_other_data_get_tables_of_their_own(tmp_path: Path) -> None:
    one = results("one", {"world_task0_test": HALF, "world_task4_val": [1, 1], "cirr_task7_test": HALF})
    two = results("two", {"world_task0_test": [1, 1]})
    first, second = other_tables("mbeir", measured(tmp_path, one=one, two=two))
    assert (first.title, second.title) == ("world: hit@1", "world: hit@5")
    assert [each.label for each in first.lines] == ["t→i world", "i→i world (val)", "mean of 2 tasks"]
    assert figures(first, "t→i world") == ["50.0", "100.0", "1.0"]
    assert figures(first, "i→i world (val)") == ["100.0", "-", "1.0"]
    assert figures(first, "mean of 2 tasks") == ["75.0", "-", "1.0"]
    assert first.best == {(0, 1)}, "chance is no model: where one stands alone, nothing is best"
    assert list(other_tables("mrbench", gather([str(tmp_path / "one")]))) == []


def test_a_table_of_hit_1_holds_the_tasks_that_have_it(tmp_path: Path) -> None:
    row = results("ours", {"fashioniq_dress": HALF, "cirr": HALF}, benchmark="unseen")
    row["tasks"]["fashioniq_dress"] = {"hit@10": 0.5, "headline": "hit@10", "queries": 2}
    first, second = other_tables("unseen", measured(tmp_path, ours=row))
    assert (first.title, [each.label for each in first.lines]) == ("cirr: hit@1", ["cirr"])
    assert second.title == "cirr, fashioniq_dress: headline figures"
    assert [each.label for each in second.lines] == ["cirr, R@5", "fashioniq_dress, R@10", "mean of 2 tasks"]
