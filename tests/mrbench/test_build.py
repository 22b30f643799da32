"""A benchmark drawn from a tree: as many queries of each task, the same bytes for the same command, nothing lost."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from data.building import candidate, query, rows
from data.published import published
from elva.data.mbeir import MBeir
from elva.data.validation import validate
from elva.errors import InputError, MediaMissing
from elva.index.folder import FolderError
from elva.mrbench.build import BuildReport, build
from elva.mrbench.decisions import Review, Sample, sample_of
from elva.mrbench.finding import Asked, Finder, Rules
from elva.served.answers import Answers
from judging import write_root
from mrbench.asked import FakeAsker


@pytest.fixture(scope="module")
def things(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tasks 0 and 3 of 32 queries, each with three grains."""
    return write_root(tmp_path_factory.mktemp("things") / "root")


def drawn(root: Path, out: Path, finder: Finder | None = None, **options: Any) -> BuildReport:
    return build(root, out, finder or Rules(), **{"datasets": ["mrbench"], "total": 20, **options})


def samples(out: Path) -> dict[str, list[Sample]]:
    data = MBeir.open(out)
    return {str(name): [sample_of(query) for query in data.queries(name)] for name in data.tasks("test")}


def content(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_each_task_gives_as_many_queries_and_the_tree_is_sound(things: Path, tmp_path: Path) -> None:
    report = drawn(things, tmp_path / "out")
    assert {name: len(each) for name, each in samples(tmp_path / "out").items()} == {
        "mrbench_task0_test": 10,
        "mrbench_task3_test": 10,
    }
    checked = validate(tmp_path / "out")
    assert checked.errors == ()
    assert report.missing == report.stale == 0
    out, source = MBeir.open(tmp_path / "out"), MBeir.open(things)
    for name in out.tasks("test"):
        assert len(out.pool(name)) == len(source.pool(name)), "pools stay whole"
        assert all(len(each.grains) >= 2 and each.near_misses for each in out.queries(name))
    assert out.instructions() == source.instructions()


def test_the_same_command_writes_the_same_bytes_and_another_seed_other_queries(things: Path, tmp_path: Path) -> None:
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        drawn(things, tmp_path / name, seed=seed)
    assert content(tmp_path / "a") == content(tmp_path / "b")
    assert samples(tmp_path / "a") != samples(tmp_path / "c")


def test_rejected_queries_make_room_and_all_others_stay(things: Path, tmp_path: Path) -> None:
    drawn(things, tmp_path / "out")
    before = samples(tmp_path / "out")
    gone = before["mrbench_task0_test"][:3]
    reviews = [Review("first", {each: False for each in gone} | {before["mrbench_task3_test"][0]: True})]
    report = drawn(things, tmp_path / "out", reviews=reviews)
    after = samples(tmp_path / "out")
    assert after["mrbench_task3_test"] == before["mrbench_task3_test"]
    assert after["mrbench_task0_test"][:7] == before["mrbench_task0_test"][3:]
    assert len(after["mrbench_task0_test"]) == 10
    assert not set(gone) & set(after["mrbench_task0_test"])
    assert [each.rejected for each in report.tasks] == [3, 0]
    assert "first: 1 of 4" in (tmp_path / "out" / "README.md").read_text("utf-8")


def test_a_decision_about_other_grains_does_not_count_and_is_told(things: Path, tmp_path: Path) -> None:
    drawn(things, tmp_path / "out")
    qid, _ = samples(tmp_path / "out")["mrbench_task0_test"][0]
    report = drawn(things, tmp_path / "out", reviews=[Review("first", {(qid, "other"): False})])
    assert report.stale == 1
    assert any("1 decisions are about other grains" in line for line in report.lines())
    assert samples(tmp_path / "out")["mrbench_task0_test"][0][0] == qid


def test_the_scarcest_task_sets_the_number_for_all_and_that_is_told(things: Path, tmp_path: Path) -> None:
    report = drawn(things, tmp_path / "out", total=1000)
    assert [len(each.queries) for each in report.tasks] == [32, 32]
    assert any("32 queries of each task instead of 500" in line for line in report.lines())
    with pytest.raises(InputError, match="1 queries are too few for 2 tasks"):
        drawn(things, tmp_path / "none", total=1)


def test_queries_of_too_few_grains_are_left_out_and_missing_pictures_told(tmp_path: Path) -> None:
    texts = ["dog", "a brown dog", "a cat", "a cat on a sofa"]
    tree = tmp_path / "root"
    rows(
        tree / "query/test/mbeir_shop_task0_test.jsonl",
        *(query(n, query_txt=text) for n, text in enumerate(texts)),
    )
    rows(tree / "cand_pool/local/mbeir_shop_task0_cand_pool.jsonl", *(candidate(n) for n in range(4)))
    report = build(tree, tmp_path / "out", Rules(), datasets=["shop"])
    (task,) = report.tasks
    assert sorted(each.text or "" for each in task.queries) == ["a brown dog", "a cat on a sofa"]
    assert (task.there, task.looked_at, task.few_grains) == (4, 4, 2)
    assert report.missing == 2
    assert any(
        "images of queries and positives are missing, such as mbeir_images/1.png" in line for line in report.lines()
    )


def test_pictures_without_words_say_what_would_help(tmp_path: Path) -> None:
    root = published(tmp_path / "published")
    with pytest.raises(
        InputError, match=r"nights_task4_test gives no query: of 2, 2 .*--captions, --model or --endpoint"
    ):
        build(root, tmp_path / "out", Rules())
    assert not (tmp_path / "out").exists()


def test_a_model_that_does_not_answer_as_asked_is_named(things: Path, tmp_path: Path) -> None:
    asker = FakeAsker("parrot")
    asker.say = lambda item: "Polly wants a cracker"
    with (
        Answers(tmp_path / "answers.jsonl") as answers,
        pytest.raises(InputError, match=r"gives no query: of 32, 32 .*32 of 32 answers of parrot are no list"),
    ):
        drawn(things, tmp_path / "out", Asked(asker, answers), tasks=[0])


def test_the_paper_s_four_tasks_are_the_default(tmp_path: Path) -> None:
    root = published(tmp_path / "published")
    with Answers(tmp_path / "answers.jsonl") as answers:
        report = build(root, tmp_path / "out", Asked(FakeAsker(), answers), total=8, min_grains=1)
    assert [str(each.name) for each in report.tasks] == [
        "cirr_task7_test",
        "mscoco_task0_test",
        "mscoco_task3_test",
        "nights_task4_test",
    ]
    assert validate(tmp_path / "out").errors == ()


def test_a_tree_without_them_says_which_it_has(things: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"lacks cirr task 7, .*--dataset and --task. It has mrbench_task0_test"):
        build(things, tmp_path / "out", Rules())


def test_rules_take_what_is_listed_then_the_text_then_captions_then_the_answer_s_text(tmp_path: Path) -> None:
    root = published(tmp_path / "published")
    data = MBeir.open(root)
    (name,) = data.tasks("test", ["mscoco"], [3])
    pool = {each.did: each for each in data.pool(name)}
    queries = data.queries(name)
    finder = Rules({f"query {queries[0].qid}": "a brown dog"})
    first, second = finder.find(data, queries, pool)
    assert [(grain.kind, grain.text, grain.span, grain.masked_txt) for grain in first] == [
        ("colour", "brown", None, None),
        ("entity", "dog", None, None),
    ]
    assert second, "the words of its first positive"
    assert finder.to_row()["sources"] == {"a caption of its picture": 1, "its positive's text": 1}


def test_a_killed_build_asks_nothing_twice_and_ends_with_the_same_bytes(things: Path, tmp_path: Path) -> None:
    def asked(name: str, asker: FakeAsker) -> int:
        with Answers(tmp_path / f"{name}.jsonl") as answers:
            drawn(things, tmp_path / name, Asked(asker, answers))
        return asker.asked

    count = asked("whole", FakeAsker())
    for patience in (5, 20):
        with pytest.raises(KeyboardInterrupt):
            asked("parts", FakeAsker(patience=patience))
    assert not (tmp_path / "parts").exists()
    assert asked("parts", FakeAsker()) == count - 25
    assert content(tmp_path / "parts") == content(tmp_path / "whole")
    assert asked("parts", FakeAsker()) == 0, "a second build asks about new queries only"
    assert asked("parts", FakeAsker("another")) == count


def test_the_card_says_how_the_grains_were_found(things: Path, tmp_path: Path) -> None:
    with Answers(tmp_path / "answers.jsonl") as answers:
        drawn(things, tmp_path / "out", Asked(FakeAsker("teacher"), answers))
    card = (tmp_path / "out" / "README.md").read_text("utf-8")
    row = json.loads((tmp_path / "out" / "mrbench.json").read_text("utf-8"))
    assert "By teacher (fake teacher)" in card
    assert "List its grains" in card
    assert row["grains"]["unreadable"] == 0
    assert row["queries_by_kind"] == {"entity": 20}
    assert str(tmp_path) not in card + json.dumps(row), "no path: the same build writes the same bytes anywhere"


def test_a_missing_picture_is_one_clear_line(tmp_path: Path) -> None:
    root = write_root(tmp_path / "root")
    for path in (root / "mbeir_images").glob("*.png"):
        path.unlink()
    with Answers(tmp_path / "answers.jsonl") as answers, pytest.raises(MediaMissing) as told:
        drawn(root, tmp_path / "out", Asked(FakeAsker(), answers), tasks=[3])
    assert str(told.value).startswith("32 of the 32 pictures that come next are missing, such as ")
    assert "\n" not in str(told.value)


def test_another_folder_is_never_replaced(things: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("mine")
    with pytest.raises(FolderError, match=r"holds no mrbench\.json"):
        drawn(things, tmp_path / "out")
    drawn(things, tmp_path / "own", own_images=True)
    drawn(things, tmp_path / "own", own_images=True)
    (tmp_path / "own" / "notes.txt").write_text("mine")
    with pytest.raises(FolderError, match=r"notes\.txt"):
        drawn(things, tmp_path / "own")


def test_the_built_in_world_gives_a_benchmark(world: Path, tmp_path: Path) -> None:
    report = build(world, tmp_path / "out", Rules(), datasets=["mrbench"], tasks=[0, 3, 4, 7], total=12)
    assert [len(each.queries) for each in report.tasks] == [3, 3, 3, 3]
    assert report.row["grains"]["sources"] == {"listed in the data": 28}
    assert validate(tmp_path / "out").errors == ()
    kept: Sequence[str] = [*report.row["queries_by_kind"]]
    assert "relation" in kept
