"""What people call things."""

from __future__ import annotations

from elva.analysis.tables.naming import judged_as, recall, task_label


def test_data_are_called_by_their_benchmark_where_they_are_its_own() -> None:
    assert judged_as("mbeir", ["cirr_task7_test", "nights_task4_test"]) == "M-BEIR"
    assert judged_as("mbeir", ["cirr_task7_test", "world_task0_test"]) == "cirr, world"
    assert judged_as("mbeir", ["cirr_task7_val"]) == "cirr"
    assert judged_as("mbeir@global", ["cirr_task7_test@global"]) == "M-BEIR, global pools"
    assert judged_as("unseen", ["circo", "cirr_subset"]) == "unseen sets"
    assert judged_as("mbeir", [f"set{i}_task0_test" for i in range(5)]) == "set0, set1, set2, and 2 more"
    assert judged_as("mine", ["a", "b"]) == "a, b"


def test_tasks_and_measures_read_as_in_papers() -> None:
    assert task_label("world_task2_test@global") == "t→(i,t) world"
    assert task_label("world_task4_val") == "i→i world (val)"
    assert task_label("sugarcrepe_add_att") == "sugarcrepe_add_att"
    assert [recall(each) for each in ("hit@5", "map@5", "accuracy")] == ["R@5", "MAP@5", "accuracy"]
