from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from data.building import PICTURES, TEST, TRAIN, candidate, query, rows, spoil, text_to_image, tree, union_tree
from elva.data.layout import UNION_TRAIN, TaskName, union_pool_path
from elva.data.opening import open_tasks
from elva.data.validation import validate
from elva.errors import DataError, DataErrors
from elva.media import MediaLimits

POOL_AND_QUERY = (TEST.pool_path, TEST.query_path)


def only_error(root: Path, **options: Any) -> DataError:
    errors = validate(root, **options).errors
    assert len(errors) == 1, [str(error) for error in errors]
    return errors[0]


def test_a_sound_tree_has_no_errors_and_is_counted(tmp_path: Path) -> None:
    seen: list[int] = []
    root = tree(tmp_path)
    report = validate(root, progress=seen.append)
    assert report.errors == ()
    assert report.counts == {root / TEST.pool_path: 4, root / TEST.query_path: 3}
    assert report.images == len(PICTURES)
    assert report.skipped == 0


def test_progress_adds_up_to_rows_and_images(tmp_path: Path) -> None:
    seen: list[int] = []
    pool = [candidate(n) for n in range(600)]
    validate(tree(tmp_path, pool=pool), progress=seen.append)
    assert len(seen) > 1
    assert sum(seen) == 600 + 3 + len(PICTURES)


@pytest.mark.parametrize(
    ("how", "found"),
    [
        ("missing", "does not exist"),
        ("truncated", "is truncated or damaged"),
        ("bomb", "169,000,000 pixels"),
        ("text", "is not an image"),
    ],
)
def test_a_bad_image_is_an_error_of_its_row(tmp_path: Path, how: str, found: str) -> None:
    root = tree(tmp_path)
    spoil(root / PICTURES[3], how)
    error = only_error(root)
    assert (error.path, error.line, error.field) == (root / TEST.pool_path, 4, "img_path")
    assert found in error.found
    assert validate(root, check_images=False).errors == ()


def test_the_limits_of_images_are_the_callers(tmp_path: Path) -> None:
    assert len(validate(tree(tmp_path), limits=MediaLimits(max_pixels=40)).errors) >= 4


def test_queries_whose_answer_has_a_bad_image_fall_with_it(tmp_path: Path) -> None:
    root = tree(tmp_path)
    spoil(root / PICTURES[0], "missing")
    lines = [(error.path, error.line) for error in validate(root).errors]
    assert lines == [(root / TEST.pool_path, 1), (root / TEST.query_path, 1)]


@pytest.mark.parametrize(
    ("queries", "pool", "line", "field", "found"),
    [
        ([query(0, pos_cand_list=["1000:9"])], [], 1, "pos_cand_list", "no pool holds 1000:9"),
        ([query(0, neg_cand_list=["1000:9"])], [], 1, "neg_cand_list", "no pool holds 1000:9"),
        (
            [query(0, near_misses=[{"did": "1000:9", "kind": "colour"}])],
            [],
            1,
            "near_misses",
            "no pool holds 1000:9",
        ),
        ([query(0), query(0)], [], 2, "qid", "comes twice"),
        ([query(0)], [candidate(0), candidate(0)], 2, "did", "comes twice"),
        ([query(0, query_modality="smell")], [], 1, "query_modality", "unknown modality 'smell'"),
        ([query(0)], [candidate(0), candidate(1, modality="smell")], 2, "modality", "unknown"),
        ([query(0, query_txt="")], [], 1, "query_txt", "all empty"),
        ([query(0)], [candidate(0), candidate(1, img_path="")], 2, "txt", "all empty"),
        ([query(0, pos_cand_list=[])], [], 1, "pos_cand_list", "no positive"),
        ([query(0), b'{"qid": "\xff"}'], [], 2, None, "byte 10 is not UTF-8"),
        ([query(0), "{"], [], 2, None, "no JSON"),
        ([query(0), "3"], [], 2, None, "no object"),
        ([query(0, query_txt=3)], [], 1, "query_txt", "a number instead of a string"),
    ],
)
def test_a_bad_row_is_reported_by_file_line_and_field(
    tmp_path: Path, queries: list[Any], pool: list[Any], line: int, field: str | None, found: str
) -> None:
    error = only_error(tree(tmp_path, queries, pool))
    assert error.path.relative_to(tmp_path) in POOL_AND_QUERY
    assert (error.line, error.field) == (line, field)
    assert found in error.found


def test_a_positive_must_be_in_the_pool_of_its_own_task(tmp_path: Path) -> None:
    root = tree(tmp_path, [query(0, pos_cand_list=["1000:70", "1000:0"])])
    other = TaskName("shop", 3, "test")
    rows(root / other.pool_path, candidate(70, txt="a", img_path=None, modality="text"))
    assert "is not in the task's pool" in only_error(root).found


def test_a_shared_answer_may_lie_in_the_other_datasets_pool(tmp_path: Path) -> None:
    oven, infoseek = TaskName("oven", 6, "test"), TaskName("infoseek", 6, "test")
    asked = {"query_txt": "what is it", "query_img_path": PICTURES[0]}
    row = query(1, query_modality="image,text", **asked)
    text = candidate(1, txt="a", img_path=None, modality="text")
    root = tree(tmp_path)
    rows(root / oven.query_path, row | {"qid": "5:1", "pos_cand_list": ["5:1"]})
    rows(root / infoseek.query_path, row | {"qid": "6:1", "pos_cand_list": ["5:1", "6:1"]})
    rows(root / oven.pool_path, text | {"did": "5:1"})
    rows(root / infoseek.pool_path, text | {"did": "6:1"})
    assert validate(root).errors == ()


def test_a_query_needs_one_answer_in_its_pool(tmp_path: Path) -> None:
    root = tree(tmp_path, [query(0, pos_cand_list=["5:1"])])
    text = candidate(1, did="5:1", txt="a", img_path=None, modality="text")
    rows(root / TaskName("oven", 6, "test").pool_path, text)
    assert "no positive in the task's pool" in only_error(root).found


def test_judgements_may_stand_in_for_positives(tmp_path: Path) -> None:
    root = tree(tmp_path, [query(0, pos_cand_list=[])])
    rows(root / TEST.qrels_path, "1000:0 0 1000:0 1 0")
    assert validate(root).errors == ()


@pytest.mark.parametrize(
    ("line", "found"),
    [("1000:0 0 1000:0 1", "4 fields"), ("1000:0 0 1000:99 1 0", "no pool holds 1000:99")],
)
def test_bad_judgements_are_reported(tmp_path: Path, line: str, found: str) -> None:
    root = tree(tmp_path)
    rows(root / TEST.qrels_path, "1000:0 0 1000:0 1 0", line)
    error = only_error(root)
    assert (error.path.name, error.line) == ("mbeir_shop_task0_test_qrels.txt", 2)
    assert found in error.found


def test_the_other_files_are_checked_too(tmp_path: Path) -> None:
    root = tree(tmp_path)
    rows(root / "instructions/query_instructions.tsv", "text\timage\tshop\t1000\t")
    rows(root / "nli/shop.csv", "sent0,sent1,hard_neg", "a,,b")
    rows(root / "grains.json", "[]")
    names = [error.path.name for error in validate(root).errors]
    assert names == ["query_instructions.tsv", "shop.csv", "grains.json"]


def test_files_without_a_task_or_pool_are_named(tmp_path: Path) -> None:
    root = tree(tmp_path)
    rows(root / "query/test/mbeir_shop_task5_test.jsonl", query(0))
    rows(root / TaskName("mall", 0, "test").query_path, query(0))
    found = [(error.path.name, error.found) for error in validate(root).errors]
    assert ("mbeir_shop_task5_test.jsonl", "the file name holds no known task") in found
    assert ("mbeir_mall_task0_test.jsonl", "mall_task0_test has no pool") in found


def test_a_split_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    assert only_error(tree(tmp_path), splits=["val"]).found == "no val queries"


def test_only_the_chosen_splits_are_checked(tmp_path: Path) -> None:
    root = tree(tmp_path)
    rows(root / TRAIN.query_path, "{")
    assert validate(root, ["test"]).errors == ()
    assert only_error(root).line == 1


def test_the_union_file_is_checked_as_train(tmp_path: Path) -> None:
    rows(tmp_path / UNION_TRAIN, query(1), query(2, query_modality="image", query_txt=None))
    rows(tmp_path / union_pool_path("train"), candidate(1))
    errors = validate(tmp_path, check_images=False).errors
    assert [(error.line, error.field) for error in errors] == [(2, "query_txt")]


OTHER = TaskName("shop", 4, "test")


def other_task(root: Path, queries: list[dict[str, Any]], pool: list[dict[str, Any]]) -> Path:
    """A second task beside the one of `tree`: image -> image."""
    asked = {"query_txt": None, "query_img_path": PICTURES[0], "query_modality": "image"}
    rows(root / OTHER.query_path, *(asked | query for query in queries))
    rows(root / OTHER.pool_path, *pool)
    return root


def test_a_did_that_means_another_candidate_in_another_pool_is_an_error_that_names_both(tmp_path: Path) -> None:
    pool = [candidate(0), candidate(3, img_path=PICTURES[0])]
    root = other_task(tree(tmp_path), [query(10, pos_cand_list=["1000:0"])], pool)
    error = only_error(root)
    assert (error.path, error.line, error.field) == (root / OTHER.pool_path, 2, "did")
    assert error.found == f"1000:3 is another candidate in {root / TEST.pool_path}"
    for tasks in ([], [0], [4]):
        with pytest.raises(DataErrors, match="1000:3 is another candidate"):
            open_tasks(root, "test", tasks=tasks)
    data, _, skipped = open_tasks(root, "test", skip_bad_rows=True)
    assert skipped == 1
    assert [one.did for one in data.pool(OTHER)] == ["1000:0"]


def test_the_same_candidate_may_lie_in_several_pools(tmp_path: Path) -> None:
    root = other_task(tree(tmp_path), [query(10, pos_cand_list=["1000:0"])], [candidate(n) for n in range(4)])
    rows(root / union_pool_path("test"), *(candidate(n, src_content="of the union") for n in range(4)))
    assert validate(root).errors == ()


def test_a_clash_among_pools_of_other_tasks_stops_no_task(tmp_path: Path) -> None:
    root = other_task(tree(tmp_path), [query(10, pos_cand_list=["1000:77"])], [candidate(77)])
    rows(root / TaskName("mall", 0, "test").pool_path, candidate(77, img_path=PICTURES[2]))
    assert validate(root).errors[0].field == "did"
    assert open_tasks(root, "test", tasks=[0])[1] == [TEST]


def test_a_qid_that_means_another_query_in_another_file_of_the_split_is_an_error(tmp_path: Path) -> None:
    root = other_task(tree(tmp_path), [query(2, pos_cand_list=["1000:0"])], [candidate(0)])
    error = only_error(root)
    assert (error.path, error.line, error.field) == (root / OTHER.query_path, 1, "qid")
    assert error.found == f"1000:2 is another query in {root / TEST.query_path}"
    assert open_tasks(root, "test", tasks=[0])[1] == [TEST], "alone, each task has its own"
    with pytest.raises(DataErrors, match="1000:2 is another query"):
        open_tasks(root, "test")


def test_splits_may_number_their_queries_alike(tmp_path: Path) -> None:
    root = tree(tmp_path)
    rows(root / TRAIN.query_path, query(0, query_txt="another thing"))
    assert validate(root).errors == ()


def test_sub_tasks_count_each_good_query_of_the_union_file_once(tmp_path: Path) -> None:
    root = union_tree(tmp_path, query(0), query(1), query(0), query(0), query(2), query(2, query_txt="another thing"))
    spoil(root / PICTURES[1], "missing")
    assert len(validate(root).errors) == 3, "the picture, its query, and the id of another query"
    assert validate(root).tasks == {TaskName("dataset1000", 0, "train"): (2, None)}


def test_a_repeated_qid_of_the_union_file_must_be_the_same_query(tmp_path: Path) -> None:
    error = only_error(union_tree(tmp_path, query(0), query(0, query_txt="another thing")))
    assert (error.line, error.field) == (2, "qid")


def test_a_written_tree_is_sound(tmp_path: Path) -> None:
    text_to_image(tmp_path, TEST)
    assert validate(tmp_path).errors == ()
