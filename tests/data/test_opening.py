"""A tree is opened when every row that is asked for has been found good, or without the bad ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from data.building import PICTURES, TEST, query, rows, spoil, tree, union_tree
from elva.data.layout import UNION_TRAIN, union_pool_path
from elva.data.opening import open_checked, open_tasks
from elva.data.validation import validate
from elva.errors import DataErrors, InputError


def test_training_opens_a_root_that_has_the_union_file_only(tmp_path: Path) -> None:
    root = union_tree(tmp_path, query(0), query(1), query(0))
    data, names, skipped = open_tasks(root, "train", tasks=[0])
    assert (names, skipped) == ([], 0)
    train = data.train_examples(task_ids=[0])
    assert [one.qid for one in train.queries] == ["1000:0", "1000:1", "1000:0"], "it is published upsampled"
    assert set(train.candidates) == {"1000:0", "1000:1"}
    assert validate(root).counts == {root / union_pool_path("train"): 4, root / UNION_TRAIN: 3}


def test_bad_rows_of_the_union_file_and_its_pool_stop_the_training_or_are_left_out(tmp_path: Path) -> None:
    root = union_tree(tmp_path, query(0), query(1), "{half", query(2))
    spoil(root / PICTURES[2], "missing")
    with pytest.raises(DataErrors, match="3 bad places"):
        open_tasks(root, "train")
    data, _, skipped = open_tasks(root, "train", skip_bad_rows=True)
    assert skipped == 3
    assert [one.qid for one in data.train_examples().queries] == ["1000:0", "1000:1"]


def test_training_opens_train_files_without_a_task_in_their_name(tmp_path: Path) -> None:
    root = tree(tmp_path)
    rows(root / "query/train/mbeir_shop_train.jsonl", query(1))
    rows(root / "query/train/mbeir_mall_train.jsonl", "{half")
    data, names, _ = open_tasks(root, "train", ["shop"])
    assert names == []
    assert [one.qid for one in data.train_examples("train", ["shop"]).queries] == ["1000:1"]
    with pytest.raises(DataErrors, match="mbeir_mall_train"):
        open_tasks(root, "train")


def test_what_works_task_by_task_wants_files_named_by_task(tmp_path: Path) -> None:
    root = union_tree(tmp_path, query(0))
    with pytest.raises(InputError, match=r"no train task that fits .*union_up_train\.jsonl mixes tasks: split it into"):
        open_tasks(root, "train", by_task=True)


def test_a_data_set_that_is_nowhere_fits_nothing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no train task that fits datasets=\['shop'\]"):
        open_tasks(union_tree(tmp_path, query(0)), "train", ["shop"])


def test_bad_rows_stop_the_opening_or_are_left_out_and_counted(tmp_path: Path) -> None:
    root = tree(tmp_path, [query(0), query(1, pos_cand_list=["1000:9"]), query(2), query(3)])
    spoil(root / PICTURES[3], "missing")
    with pytest.raises(DataErrors, match="3 bad places"):
        open_checked(root)
    data, report = open_checked(root, skip_bad_rows=True)
    assert report.skipped == 3
    assert [one.qid for one in data.queries(TEST)] == ["1000:0", "1000:2"]
    assert [one.did for one in data.pool(TEST)] == ["1000:0", "1000:1", "1000:2"]
    assert sum(data.rows.skipped.values()) == 3


def test_what_no_row_can_be_blamed_for_is_never_skipped(tmp_path: Path) -> None:
    root = tree(tmp_path)
    (root / TEST.pool_path).unlink()
    with pytest.raises(DataErrors, match="no candidate pool"):
        open_checked(root, skip_bad_rows=True)


@pytest.mark.parametrize(("datasets", "tasks", "named"), [(("world", "wrld"), (), "'wrld'"), ((), (0, 99), "99")])
def test_a_data_set_or_task_that_is_not_there_is_named(world: Path, datasets: Any, tasks: Any, named: str) -> None:
    with pytest.raises(InputError, match=f"has no test task of {named}; it has .*world_task0_test"):
        open_tasks(world, "test", datasets, tasks)
