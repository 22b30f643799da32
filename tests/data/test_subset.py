"""A subset is a sound root of drawn queries."""

from __future__ import annotations

from pathlib import Path

import pytest

from data.building import PICTURES, TEST, candidate, query, rows, tree
from data.published import SUB_TASKS, published
from elva.data.mbeir import MBeir, TaskName
from elva.data.opening import open_tasks
from elva.data.subset import draw_subset
from elva.data.validation import validate
from elva.errors import DataError, DataErrors, InputError


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return published(tmp_path_factory.mktemp("published"))


def drawn(root: Path, split: str = "train") -> dict[TaskName, list[str]]:
    data = MBeir.open(root)
    return {name: [query.qid for query in data.queries(name)] for name in data.tasks(split)}


def test_every_task_gives_its_share_and_the_root_is_sound(source: Path, tmp_path: Path) -> None:
    report = draw_subset(source, tmp_path / "out", share=0.5)
    assert validate(tmp_path / "out").errors == ()
    assert sorted((name.dataset, name.task) for name in report.tasks) == sorted(SUB_TASKS)
    assert {counts[:2] for counts in report.tasks.values()} == {(2, 4)}
    _, names, _ = open_tasks(tmp_path / "out", "train", by_task=True)
    assert names == sorted(report.tasks), "what works task by task reads it"
    assert MBeir.open(tmp_path / "out").instructions() == MBeir.open(source).instructions()


def test_pools_stay_whole_and_hold_every_answer(source: Path, tmp_path: Path) -> None:
    report = draw_subset(source, tmp_path / "out", share=0.01)
    whole = MBeir.open(source)
    for name, (count, _, size) in report.tasks.items():
        assert count == 1, "a task never vanishes"
        small = MBeir.open(tmp_path / "out")
        pool = {each.did: each for each in small.pool(name)}
        own = {
            each.did
            for each in whole.pool(name, "global")
            if each.did.startswith(f"{small.queries(name)[0].dataset_id}:")
        }
        assert len(pool) == size >= 5
        assert set(small.queries(name)[0].positives) <= pool.keys()
        assert {did for did in pool if did not in own} <= set(small.queries(name)[0].positives), "OVEN's by InfoSeek"


def test_pools_can_be_cut(source: Path, tmp_path: Path) -> None:
    report = draw_subset(source, tmp_path / "out", share=0.01, pool_size=3)
    assert {size for _, _, size in report.tasks.values()} == {3}
    assert validate(tmp_path / "out").errors == ()


def test_the_seed_draws_and_draws_alike_again(source: Path, tmp_path: Path) -> None:
    for out, seed in (("a", 0), ("b", 0), ("c", 1)):
        draw_subset(source, tmp_path / out, share=0.5, seed=seed)
    assert drawn(tmp_path / "a") == drawn(tmp_path / "b") != drawn(tmp_path / "c")
    assert MBeir.open(tmp_path / "a").fingerprint() == MBeir.open(tmp_path / "b").fingerprint()


def test_images_are_linked_as_a_folder_or_one_by_one(source: Path, tmp_path: Path) -> None:
    draw_subset(source, tmp_path / "linked", share=0.25)
    assert (tmp_path / "linked/mbeir_images").is_symlink()
    draw_subset(source, tmp_path / "own", share=0.25, pool_size=1, own_images=True)
    assert not (tmp_path / "own/mbeir_images").is_symlink()
    assert validate(tmp_path / "own").errors == ()
    count = len([*(tmp_path / "own").rglob("*.jpg")])
    assert 0 < count < len([*source.rglob("*.jpg")])


def test_splits_of_named_tasks_keep_their_judgements(source: Path, tmp_path: Path) -> None:
    draw_subset(source, tmp_path / "out", share=1.0, splits=["val", "test"], datasets=["mscoco"])
    assert drawn(tmp_path / "out", "test") == {
        name: qids for name, qids in drawn(source, "test").items() if name.dataset == "mscoco"
    }
    for name in MBeir.open(tmp_path / "out").tasks("test"):
        assert MBeir.open(tmp_path / "out").qrels(name) == MBeir.open(source).qrels(name)
        assert MBeir.open(tmp_path / "out").pool(name) == MBeir.open(source).pool(name)


def test_the_union_file_s_repeats_are_one_query(source: Path, tmp_path: Path) -> None:
    root = tmp_path / "union"
    for part in ("query/union_train", "cand_pool", "instructions", "mbeir_images"):
        (root / part).parent.mkdir(parents=True, exist_ok=True)
        (root / part).symlink_to(source / part)
    report = draw_subset(root, tmp_path / "out", share=0.5)
    assert {counts[:2] for counts in report.tasks.values()} == {(2, 4)}


def test_bad_rows_stop_it_or_are_left_out(tmp_path: Path) -> None:
    root = tree(tmp_path / "root", [query(0), "{half", query(2)])
    with pytest.raises(DataErrors, match=":2: no JSON"):
        draw_subset(root, tmp_path / "out", splits=["test"])
    assert not (tmp_path / "out").exists()
    assert draw_subset(root, tmp_path / "out", splits=["test"], share=1.0, skip_bad_rows=True).skipped == 1
    with pytest.raises(DataError, match="holds something already"):
        draw_subset(root, tmp_path / "out", splits=["test"])


@pytest.mark.parametrize("share", [0.0, -1.0, 1.5, float("nan")])
def test_a_share_is_one(tmp_path: Path, share: float) -> None:
    with pytest.raises(InputError, match="above 0 and at most 1"):
        draw_subset(tree(tmp_path / "root"), tmp_path / "out", share=share)


def test_a_data_set_that_only_its_file_names_keeps_its_name(tmp_path: Path) -> None:
    root = tree(tmp_path / "root")
    rows(root / "query/train/mbeir_shop_train.jsonl", query(1), query(2))
    draw_subset(root, tmp_path / "out", share=1.0)
    assert [*drawn(tmp_path / "out")] == [TaskName("shop", 0, "train")]
    assert {each.image for each in MBeir.open(tmp_path / "out").pool(TaskName("shop", 0, "train"))} == {*PICTURES}
    assert candidate(1)["did"] == "1000:1" and TEST.dataset == "shop"
