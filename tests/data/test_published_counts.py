"""A whole download is told from a part of one by its counts."""

from __future__ import annotations

import pytest

from data.published import SUB_TASKS
from elva.data.layout import DATASETS, TaskName
from elva.data.published_counts import COUNTS, SPLITS, PublishedCounts, lacking, published_counts

EVERY = [TaskName(dataset, task, split) for dataset, task in COUNTS for split in SPLITS]


def thousands(printed: str) -> float:
    return float(printed.replace(",", "").removesuffix("K")) / (1 if printed.endswith("K") else 1000)


@pytest.mark.parametrize(
    ("printed", "count", "fits"),
    [
        ("24.8K", 24_809, True),
        ("4.8K", 4_889, True),  # cut
        ("17.6K", 17_593, True),  # rounded
        ("25K", 24_809, True),
        ("201K", 201_999, True),
        ("201K", 202_000, False),
        ("201K", 200_499, False),
        ("4.8K", 4_900, False),
        ("2K", 40, False),
        ("19,995", 19_995, True),
        ("19,995", 19_994, False),
        ("19,995", 19_996, False),
    ],
)
def test_a_figure_in_thousands_may_be_rounded_or_cut_another_is_exact(printed: str, count: int, fits: bool) -> None:
    assert PublishedCounts(printed, None).fit(count, None) == fits
    assert PublishedCounts("1", printed).fit(1, count) == fits


def test_the_sixteen_sub_tasks_add_up_to_the_published_totals() -> None:
    assert COUNTS.keys() == set(SUB_TASKS)
    assert all(DATASETS[dataset] < 10 for dataset, _ in COUNTS)
    train, val, test, pool = (sum(map(thousands, column)) for column in zip(*COUNTS.values(), strict=True))
    assert round(train) == 1150
    assert round(val) == 182
    assert int(test) == 190, "the paper cuts here"
    assert round(1000 * pool) == 5_609_079


def test_a_pool_is_compared_where_it_is_the_published_one() -> None:
    with_pool = [name for name in EVERY if published_counts(name).pool is not None]
    assert {name.split for name in with_pool if name.dataset == "mscoco"} == {"test"}
    assert {name.split for name in with_pool if name.dataset != "mscoco"} == {"val", "test"}
    assert published_counts(TaskName("cirr", 7, "test")).fit(4170, None), "that of a mixed file is not known"


@pytest.mark.parametrize("name", ["world_task0_test", "mrbench_task3_test", "cirr_task0_test", "cirr_task7_base"])
def test_what_is_not_mbeir_s_has_no_published_counts(name: str) -> None:
    assert published_counts(TaskName.parse(name)) is None


def test_what_a_folder_lacks_is_named_once_and_in_the_splits_that_it_has() -> None:
    assert lacking(EVERY) == []
    assert lacking([TaskName("world", 0, "test")]) == []
    assert lacking([name for name in EVERY if name.dataset != "nights"]) == ["nights_task4"]
    assert lacking([name for name in EVERY if str(name) != "nights_task4_val"]) == ["nights_task4_val"]
    assert lacking([name for name in EVERY if name.split == "test"]) == []
    assert len(lacking([TaskName("nights", 4, "test"), TaskName("world", 0, "val")])) == 15
