"""The published format, with its traps, in miniature."""

from __future__ import annotations

from pathlib import Path

import pytest

from data.published import SUB_TASKS, published
from elva.data.mbeir import MBeir, TaskName
from elva.data.opening import open_tasks
from elva.data.validation import validate


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return published(tmp_path_factory.mktemp("published"))


def test_the_tree_is_sound(tree: Path) -> None:
    assert validate(tree).errors == ()


def test_every_sub_task_is_found_and_read(tree: Path) -> None:
    data = MBeir.open(tree)
    assert data.tasks("test") == sorted(TaskName(dataset, task, "test") for dataset, task in SUB_TASKS)
    for name in data.tasks("test"):
        assert len(data.queries(name)) == 2
        assert {did for each in data.qrels(name).values() for did in each} <= {c.did for c in data.pool(name, "global")}
        assert data.instruction(data.queries(name)[0]) == "Find it."


def test_training_tasks_follow_from_modalities(tree: Path) -> None:
    train = open_tasks(tree, "train")[0].train_examples()
    found = sorted((train.names[query.dataset_id], query.task) for query in train.queries)
    assert found == sorted(4 * SUB_TASKS)
    places = {place: key for key, own in train.sub_tasks.items() for place in own.tolist()}
    assert [places[place] for place in range(64)] == [(query.dataset_id, query.task) for query in train.queries]
    firsts = [own[0] for own in train.sub_tasks.values()]
    assert firsts == sorted(firsts)


def test_the_paper_s_held_out_tasks_are_three_data_sets(tree: Path) -> None:
    train = MBeir.open(tree).train_examples(task_ids=[0, 1, 2, 3, 7])
    assert {train.names[query.dataset_id] for query in train.queries} == {name for name, _ in SUB_TASKS} - {
        "nights",
        "oven",
        "infoseek",
    }


def test_sub_tasks_are_counted(tree: Path) -> None:
    counts = validate(tree, check_images=False).tasks
    assert sorted((name.dataset, name.task) for name in counts if name.split == "val") == sorted(SUB_TASKS)
    assert counts[TaskName("cirr", 7, "test")] == (2, 5 + 3 + 3), "its pool is that of all splits"
    assert counts[TaskName("mscoco", 0, "test")] == (2, 3), "its test pool is its own"
    assert counts[TaskName("oven", 8, "train")] == (4, None), "out of a file that mixes tasks"
