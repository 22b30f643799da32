from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.building import TEST, TRAIN, candidate, query, rows, text_to_image, tree
from elva.data.layout import DATASETS, TASKS, UNION_TRAIN, TaskName, union_pool_path
from elva.data.mbeir import (
    Candidate,
    MBeir,
    Query,
    choice_by_qid,
    write_pool,
    write_qrels,
    write_queries,
    write_union_pool,
)
from elva.errors import DataError, DataErrors
from elva.grains import Lexicon


def test_the_numbers_the_benchmark_fixes() -> None:
    names = "visualnews fashion200k webqa edis nights oven infoseek fashioniq cirr mscoco"
    assert [DATASETS[name] for name in names.split()] == list(range(10))
    assert (DATASETS["world"], DATASETS["mrbench"]) == (100, 101)
    assert sorted(TASKS) == [0, 1, 2, 3, 4, 6, 7, 8, 10]
    assert TASKS[7] == ("image,text", "image")


@given(
    st.from_regex(r"[a-z][a-z0-9_]{0,12}", fullmatch=True),
    st.sampled_from(sorted(TASKS)),
    st.sampled_from(["train", "val", "test", "base"]),
)
def test_a_task_name_survives_its_text(dataset: str, task: int, split: str) -> None:
    name = TaskName(dataset, task, split)
    assert TaskName.parse(str(name)) == name


@pytest.mark.parametrize("text", ["mscoco", "mscoco_task5_test", "_task0_test", "a_taskx_test"])
def test_what_is_no_task_name_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no task name"):
        TaskName.parse(text)


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    queries = text_to_image(tmp_path, TEST)
    data = MBeir.open(tmp_path)
    assert data.tasks("test") == [TEST]
    assert data.queries(TEST) == queries
    assert [one.did for one in data.pool(TEST)] == ["1000:0", "1000:1", "1000:2"]
    assert not list(tmp_path.rglob("*.part"))


def test_a_folder_that_is_no_tree_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no M-BEIR folder; give a folder that holds query/"):
        MBeir.open(tmp_path)


def test_tasks_can_be_chosen_by_dataset_and_id(tmp_path: Path) -> None:
    for name in (TEST, TaskName("shop", 3, "test"), TaskName("mall", 0, "test"), TRAIN):
        text_to_image(tmp_path, name)
    data = MBeir.open(tmp_path)
    assert [str(name) for name in data.tasks("test")] == [
        "mall_task0_test",
        "shop_task0_test",
        "shop_task3_test",
    ]
    assert data.tasks("test", ["shop"], [3]) == [TaskName("shop", 3, "test")]


def test_the_pool_of_a_split_wins_as_in_mscoco(tmp_path: Path) -> None:
    name = TaskName("mscoco", 3, "test")
    write_queries(tmp_path, name, [])
    write_pool(tmp_path, name, [Candidate("9:1", "shared", None, "text")])
    own = [Candidate("9:2", "of the split", None, "text")]
    write_pool(tmp_path, name, own, split_only=True)
    file = tmp_path / "cand_pool/local/mbeir_mscoco_task3_test_cand_pool.jsonl"
    data = MBeir.open(tmp_path)
    assert data.pool_file(name) == file
    assert data.pool(name) == own
    assert data.pool(TaskName("mscoco", 3, "val"))[0].text == "shared"


def test_the_global_pool_is_the_union(tmp_path: Path) -> None:
    text_to_image(tmp_path, TEST)
    everything = [Candidate("9:2", "of all", None, "text")]
    write_union_pool(tmp_path, "test", everything)
    assert MBeir.open(tmp_path).pool(TEST, "global") == everything


def test_judgements_have_five_fields_and_count_above_zero(tmp_path: Path) -> None:
    root = tree(tmp_path)
    rows(root / TEST.qrels_path, "1000:0 0 1000:0 1 0", "1000:0 0 1000:1 0 0", "1000:1 0 5:9 2 0")
    assert MBeir.open(root).qrels(TEST) == {"1000:0": {"1000:0": 1}, "1000:1": {"5:9": 2}}


def test_without_judgements_the_positives_count(tmp_path: Path) -> None:
    root = tree(tmp_path, [query(0, pos_cand_list=["1000:0", "1000:2"])])
    assert MBeir.open(root).qrels(TEST) == {"1000:0": {"1000:0": 1, "1000:2": 1}}


def test_written_judgements_equal_the_positives(tmp_path: Path) -> None:
    queries = text_to_image(tmp_path, TEST)
    before = MBeir.open(tmp_path).qrels(TEST)
    path = write_qrels(tmp_path, TEST, queries)
    assert path.read_text().splitlines()[0] == "1000:0 0 1000:0 1 0"
    assert MBeir.open(tmp_path).qrels(TEST) == before


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("1000:0 0 1000:0 1", "4 fields instead of 5"),
        ("1000:0 0 1000:0 yes 0", "relevance: 'yes' is no number"),
        ("1000-0 0 1000:0 1 0", "qid: '1000-0' is no id"),
    ],
)
def test_a_bad_judgement_is_named(tmp_path: Path, line: str, message: str) -> None:
    root = tree(tmp_path)
    rows(root / TEST.qrels_path, "1000:0 0 1000:0 1 0", line)
    with pytest.raises(DataErrors, match=f"qrels.txt:2: {message}"):
        MBeir.open(root).qrels(TEST)


def test_instructions_are_keyed_by_dataset_and_modalities_and_drop_empty_prompts(
    tmp_path: Path,
) -> None:
    root = tree(tmp_path)
    rows(
        root / "instructions/query_instructions.tsv",
        "query_modality\tcand_modality\tdataset_name\tdataset_id\tprompt_1\tprompt_2\tprompt_3",
        "text\timage\tShop\t1000\tFind it.\t\tShow it.",
        "text,image\timage\tCIRR\t8\tChange it.",
    )
    data = MBeir.open(root)
    assert data.instructions() == {
        (1000, "text", "image"): ("Find it.", "Show it."),
        (8, "image,text", "image"): ("Change it.",),
    }
    assert data.dataset_ids(["shop", "mscoco", "unheard of"]) == {1000, 9}
    asked = data.queries(TEST)[0]
    assert [data.instruction(asked, choice) for choice in range(3)] == [
        "Find it.",
        "Show it.",
        "Find it.",
    ]
    assert data.instruction(replace(asked, qid="9:1")) is None


def test_a_line_without_prompts_is_an_error(tmp_path: Path) -> None:
    root = tree(tmp_path)
    rows(root / "instructions/query_instructions.tsv", "text\timage\tShop\t1000\t\t ")
    with pytest.raises(DataErrors, match=r"tsv:1: prompt_1: no prompt is left"):
        MBeir.open(root).instructions()


def test_the_choice_by_query_repeats_and_varies() -> None:
    drawn = [choice_by_qid(f"9:{n}") % 4 for n in range(40)]
    assert drawn == [choice_by_qid(f"9:{n}") % 4 for n in range(40)]
    assert set(drawn) == {0, 1, 2, 3}


def test_an_instruction_drawn_by_qid_is_that_of_the_query_in_every_run(tmp_path: Path) -> None:
    text_to_image(tmp_path, TEST, count=4)
    data = MBeir.open(tmp_path)
    drawn = [data.query_item(asked, choice="qid").instruction for asked in data.queries(TEST)]
    assert drawn == [("Find it.", "Show it.")[choice_by_qid(f"1000:{n}") % 2] for n in range(4)]
    assert set(drawn) == {"Find it.", "Show it."}


def test_queries_get_instructions_and_absolute_images_and_candidates_none(tmp_path: Path) -> None:
    text_to_image(tmp_path, TEST)
    data = MBeir.open(tmp_path)
    asked = data.query_item(data.queries(TEST)[1])
    assert (asked.text, asked.instruction) == ("thing 1", "Find it.")
    assert data.query_item(data.queries(TEST)[1], "thing").text == "thing"
    found = data.candidate_item(data.pool(TEST)[1])
    assert found.instruction is None
    assert found.image == tmp_path / "mbeir_images/1.png"


def test_the_lexicon_is_empty_without_its_file_and_an_error_when_malformed(tmp_path: Path) -> None:
    root = tree(tmp_path)
    assert MBeir.open(root).lexicon() == Lexicon()
    (root / "grains.json").write_text('{"colours": 1}')
    with pytest.raises(DataError, match=r"grains\.json: malformed"):
        MBeir.open(root).lexicon()


def test_every_bad_row_is_reported_at_once_or_counted(tmp_path: Path) -> None:
    bad = [b'{"qid": "1000:9', query(2, qid="x"), b"\xff\xfe", "[1]", query(0)]
    root = tree(tmp_path, [query(0), *bad, query(1)])
    with pytest.raises(DataErrors) as caught:
        MBeir.open(root).queries(TEST)
    assert [error.line for error in caught.value.errors] == [2, 3, 4, 5, 6]
    data = MBeir.open(root, skip_bad_rows=True)
    assert [one.qid for one in data.queries(TEST)] == ["1000:0", "1000:1"]
    assert data.rows.skipped[root / TEST.query_path] == 5


def test_a_missing_pool_is_named(tmp_path: Path) -> None:
    root = tree(tmp_path)
    (root / TEST.pool_path).unlink()
    with pytest.raises(DataError, match=r"shop_task0_cand_pool\.jsonl: can't be read"):
        MBeir.open(root, skip_bad_rows=True).pool(TEST)


def test_a_byte_order_mark_and_blank_lines_are_no_rows(tmp_path: Path) -> None:
    root = tree(tmp_path)
    path = root / TEST.query_path
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n\r\n"))
    assert len(MBeir.open(root).queries(TEST)) == 3


def test_the_fingerprint_follows_the_content_of_the_data_files(tmp_path: Path) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    for root in (first, second):
        text_to_image(root, TEST)
    same = MBeir.open(first).fingerprint()
    assert MBeir.open(second).fingerprint() == same
    (second / "grains.json").write_text("{}")
    assert MBeir.open(second).fingerprint() != same


def test_ten_thousand_rows_are_read_fast(tmp_path: Path) -> None:
    queries = [Query(f"1000:{n}", f"a {n}", None, "text", ("1000:1",), (), 0) for n in range(10_000)]
    write_queries(tmp_path, TEST, queries)
    write_pool(tmp_path, TEST, [])
    start = time.process_time()
    assert len(MBeir.open(tmp_path).queries(TEST)) == 10_000
    assert time.process_time() - start < 1.5  # 0.2 s on an idle core


def test_training_reads_what_the_queries_name(tmp_path: Path) -> None:
    queries = text_to_image(tmp_path, TRAIN)
    train = MBeir.open(tmp_path).train_examples()
    assert [*train.queries] == queries
    assert set(train.candidates) == {"1000:0", "1000:1", "1000:2"}


def test_training_looks_up_mined_candidates_too(tmp_path: Path) -> None:
    root = tree(tmp_path)
    data = MBeir.open(root)
    assert "1000:3" not in data.train_examples("test").candidates
    assert "1000:3" in data.train_examples("test", also=["1000:3"]).candidates
    with pytest.raises(DataError, match="no pool holds 1000:77"):
        data.train_examples("test", also=["1000:77"])


def test_the_union_file_gives_tasks_by_modality(tmp_path: Path) -> None:
    root = tmp_path
    rows(
        root / UNION_TRAIN,
        query(1, qid="9:1", pos_cand_list=["9:1"]),
        query(2, qid="8:1", pos_cand_list=["8:2"], query_modality="text,image", query_img_path="a"),
        query(3, qid="6:1", pos_cand_list=["5:3"], query_modality="image", query_txt=None) | {"query_img_path": "a"},
    )
    rows(
        root / union_pool_path("train"),
        candidate(1, did="9:1"),
        candidate(1, did="8:2"),
        candidate(1, did="5:3", modality="text", txt="a", img_path=None),
    )
    data = MBeir.open(root)
    train = data.train_examples()
    assert [(one.qid, one.task) for one in train.queries] == [("9:1", 0), ("8:1", 7), ("6:1", 3)]
    assert [one.qid for one in data.train_examples(task_ids=[7]).queries] == ["8:1"]
    assert [one.qid for one in data.train_examples(datasets=["mscoco"]).queries] == ["9:1"]


def test_a_train_file_without_a_task_in_its_name_is_read(tmp_path: Path) -> None:
    rows(tmp_path / "query/train/mbeir_cirr_train.jsonl", query(1))
    rows(tmp_path / "cand_pool/local/mbeir_cirr_task7_cand_pool.jsonl", candidate(1))
    assert MBeir.open(tmp_path).train_examples().queries[0].task == 0


def test_a_dangling_did_stops_training_or_is_counted(tmp_path: Path) -> None:
    root = tree(tmp_path, [query(0), query(1, neg_cand_list=["1000:55"])])
    with pytest.raises(DataErrors, match=r"test\.jsonl:2: pos_cand_list: no pool holds 1000:55"):
        MBeir.open(root).train_examples("test")
    data = MBeir.open(root, skip_bad_rows=True)
    assert [one.qid for one in data.train_examples("test").queries] == ["1000:0"]
    assert data.rows.skipped[root / TEST.query_path] == 1


def test_filters_that_leave_nothing_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no test queries for these"):
        MBeir.open(tree(tmp_path)).train_examples("test", task_ids=[3])
