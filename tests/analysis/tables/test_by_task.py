"""Tables with a row per task: the published figures stay what they are, ours stand where they belong."""

from __future__ import annotations

from pathlib import Path

import pytest

from elva.analysis.tables.by_task import published_table
from elva.analysis.tables.evaluations import gather
from evaluated import HALF, SIXTEEN, figures, line, measured, results, write_evaluation


def test_all_sixteen_give_the_average_beside_the_printed_ones(tmp_path: Path) -> None:
    table = published_table("mbeir", measured(tmp_path, ours=results("ours", dict.fromkeys(SIXTEEN, HALF))))
    assert table
    assert [each.name for each in table.columns][-3:] == ["ELVA-2B", "ELVA-7B", "ours"]
    assert [each.published for each in table.columns] == [True] * 8 + [False]
    assert figures(table, "t→i VisualNews")[-2:] == ["43.5", "50.0"]
    assert figures(table, "(i,t)→i FashionIQ")[-2:] == ["34.6", "100.0"]
    assert figures(table, "average")[-2:] == ["58.7", f"{(13 * 50 + 3 * 100) / 16:.1f}"]
    assert "Not comparable" in table.note and "pool 100; and 13 more)" in table.note


def test_whole_data_are_comparable(tmp_path: Path) -> None:
    row = results("ours", {"cirr_task7_test": HALF})
    row["tasks"]["cirr_task7_test"] |= {"queries": 4170, "pool": 21551}
    table = published_table("mbeir", measured(tmp_path, ours=row))
    assert table and "Not comparable" not in table.note


def test_without_all_rows_there_is_no_average_but_that_of_the_rows_that_all_have(tmp_path: Path) -> None:
    some = results("ours", dict.fromkeys(("nights_task4_test", "cirr_task7_test"), HALF))
    table = published_table("mbeir", measured(tmp_path, ours=some))
    assert table
    assert figures(table, "average")[-2:] == ["58.7", "-"]
    assert figures(table, "mean of the 2 rows that all have")[-2:] == [f"{(32.8 + 55.4) / 2:.1f}", "50.0"]


def test_other_splits_and_other_benchmarks_stay_out(tmp_path: Path) -> None:
    val = results("val", {"cirr_task7_val": HALF})
    bench = results("bench", {"cirr_task7_test": HALF}, benchmark="mrbench")
    models = measured(tmp_path, val=val, bench=bench)
    assert published_table("mbeir", models) is None
    assert published_table("mrbench", models)


def test_a_set_without_task_ids_is_found_by_its_name_and_measure(tmp_path: Path) -> None:
    row = results("ours", {"ccneg": [1]}, benchmark="unseen")
    row["tasks"]["ccneg"] = {"accuracy": 0.75, "headline": "accuracy", "queries": 40_000}
    table = published_table("unseen", measured(tmp_path, ours=row))
    assert table and "Not comparable" not in table.note
    assert figures(table, "CC-Neg, accuracy") == ["79.6", "87.3", "75.0"]
    assert figures(table, "SugarCrepe, accuracy") == ["85.8", "91.1", "-"]


def test_a_figure_of_several_parts_is_their_mean_and_none_without_all(tmp_path: Path) -> None:
    names = ("change_object", "focus_object", "change_attribute", "focus_attribute")
    tasks = {f"genecis_{name}": [1, 2] for name in names}
    whole = results("whole", tasks, benchmark="unseen")
    some = results("some", dict(list(tasks.items())[:3]), benchmark="unseen")
    for row in (*whole["tasks"].values(), *some["tasks"].values()):
        row["headline"] = "hit@1"
    table = published_table("unseen", measured(tmp_path, whole=whole))
    assert table and figures(table, "GeneCIS, R@1") == ["18.9", "20.2", "50.0"]
    assert published_table("unseen", gather([str(write_evaluation(tmp_path / "some", some))])) is None


def test_a_part_of_the_queries_is_told(tmp_path: Path) -> None:
    row = results("ours", {"ccneg": [1, 2]}, benchmark="unseen")
    row["tasks"]["ccneg"] = {"accuracy": 0.5, "headline": "accuracy", "queries": 2, "pool": 9}
    table = published_table("unseen", measured(tmp_path, ours=row))
    assert table and "(CC-Neg: 2 of 40,000 queries)" in table.note


def test_figures_of_another_split_than_the_published_ones_are_told(tmp_path: Path) -> None:
    row = results("ours", {"circo": [1, 2]}, benchmark="unseen", split="val")
    row["tasks"]["circo"] = {"map@5": 0.5, "headline": "map@5", "queries": 220, "pool": 123_403}
    table = published_table("unseen", measured(tmp_path, ours=row))
    assert table and figures(table, "CIRCO, MAP@5") == ["33.2", "34.5", "50.0"]
    assert "(CIRCO: val here, test there)" in table.note


def test_missing_pictures_are_told(tmp_path: Path) -> None:
    missing = {"missing_images": 1200, "images": 2000, "queries_left_out": 50}
    row = results("ours", {"msvd": [1]}, benchmark="video", missing=missing)
    table = published_table("video", measured(tmp_path, ours=row))
    assert table and "(MSVD: 1,200 images missing, 50 queries left out)" in table.note


def test_every_published_set_that_is_not_whole_is_told(tmp_path: Path) -> None:
    names = ("sharegpt4v_task0_test", "sharegpt4v_task3_test", "visdial", "ccneg", "circo")
    row = results("ours", {name: [1] for name in names}, benchmark="unseen", missing={"missing_images": 7})
    row["tasks"]["ccneg"]["accuracy"] = row["tasks"]["circo"]["map@5"] = 1.0
    table = published_table("unseen", measured(tmp_path, ours=row))
    assert table and table.note.count("7 images missing, 0 queries left out") == len(names)


def test_withheld_answers_have_no_figures(tmp_path: Path) -> None:
    row = results("ours", {"circo": [1]}, benchmark="unseen")
    row["tasks"]["circo"] = {"queries": 1, "pool": 9}
    assert published_table("unseen", measured(tmp_path, ours=row)) is None


def test_the_best_figures_of_a_row_are_marked_as_they_are_shown(tmp_path: Path) -> None:
    row = results("ours", {"msvd": [1] * 539 + [2] * 461}, benchmark="video")
    table = published_table("video", measured(tmp_path, ours=row))
    assert table
    place = table.lines.index(line(table, "MSVD, R@1"))
    assert {column for at, column in table.best if at == place} == {1, 2}, "53.9 twice"


@pytest.mark.parametrize("name", ["mbeir", "mrbench", "unseen", "video"])
def test_no_table_is_made_of_published_figures_alone(name: str, tmp_path: Path) -> None:
    assert published_table(name, measured(tmp_path, ours=results("ours", {"world_task0_test": HALF}))) is None
