"""Mined and random negatives: hard, wrong, distinct."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elva.data.mbeir import Candidate, MBeir, Query, TaskName, write_instructions, write_pool, write_queries
from elva.encoding import Vectors
from elva.errors import DataError, FolderInUse, InputError
from elva.index import gallery
from elva.index.gallery import Gallery, VectorError
from elva.locks import FolderLock
from elva.training import negatives, unfinished
from elva.training.negatives import Balanced, Filter, RightAnswers, mine, read_negatives, where
from judging import FakeEncoder

NAME = TaskName("world", 1, "train")


def query(number: int, text: str, positives: tuple[str, ...]) -> Query:
    return Query(f"100:{number}", text, None, "text", positives, (), 1)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two queries; 100:4 says the same as the first one's positive under another id."""
    words = ["red circle", "red square", "blue square", "green heart", "red circle", "red circle small"]
    pool = [Candidate(f"100:{n}", text, None, "text") for n, text in enumerate(words)]
    root = tmp_path / "data"
    write_queries(root, NAME, [query(0, "red circle", ("100:0", "100:5")), query(1, "blue square", ("100:2",))])
    write_pool(root, NAME, pool)
    write_instructions(root, {}, {})
    return root


def mined(root: Path, **options) -> Mapping[str, tuple[str, ...]]:
    mine(root, FakeEncoder(), root / "n.jsonl", **options)
    return read_negatives(root / "n.jsonl")


def test_the_nearest_come_first_and_right_answers_never(root: Path) -> None:
    negatives = mined(root)
    assert negatives["100:0"][0] == "100:1", "it shares a word"
    assert not {"100:0", "100:5"} & set(negatives["100:0"]), "positives"
    assert "100:4" not in negatives["100:0"], "a duplicate of a positive"
    assert set(negatives["100:1"]) == {"100:0", "100:1", "100:3", "100:4", "100:5"}
    assert negatives["100:1"][0] == "100:1"


def test_right_answers_are_all_positives_and_what_equals_one() -> None:
    contents = [("red", None), ("red", "a.png"), ("red", None), (None, "a.png"), ("blue", None), (None, "a.png")]
    right = RightAnswers([Candidate(f"100:{n}", text, image, "text") for n, (text, image) in enumerate(contents)])
    assert right.of(query(0, "ask", ("100:0",))) == {"100:0", "100:2"}
    assert right.of(query(0, "ask", ("100:1",))) == {"100:1"}, "the same text beside a picture is something else"
    assert right.of(query(0, "ask", ("100:4", "100:3"))) == {"100:4", "100:3", "100:5"}
    assert right.of(query(0, "ask", ("500:1",))) == {"500:1"}, "in a pool that is not read"


def test_only_candidates_alike_are_read_to_know_right_answers(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pool, read = MBeir.open(root).pool(NAME), list[int]()
    at = type(pool).at
    monkeypatch.setattr(type(pool), "at", lambda pool, row: read.append(row) or at(pool, row))
    assert RightAnswers(pool).of(query(0, "ask", ("100:0",))) == {"100:0", "100:4"}
    assert read == [0, 4]


@given(st.lists(st.sets(st.sampled_from("abcdef"))), st.lists(st.sampled_from("abcd")))
def test_what_is_named_is_marked(named: list[set[str]], columns: list[str]) -> None:
    expected = [[each in names for each in columns] for names in named]
    assert where(named, columns).tolist() == expected


def test_negatives_are_read_from_their_file_when_they_are_asked_for(root: Path) -> None:
    negatives = mined(root)
    assert [*negatives] == ["100:0", "100:1"] and len(negatives) == 2
    assert negatives.get("100:7") is None
    text = (root / "n.jsonl").read_text()
    (root / "n.jsonl").write_text(text.replace("100:5", "100:6"))
    assert "100:6" in negatives["100:1"]


def test_equal_cosines_rank_by_did(root: Path) -> None:
    both = [did for did in mined(root)["100:1"] if did in ("100:0", "100:4")]
    assert both == ["100:0", "100:4"]


def test_cosines_are_written_and_fall(root: Path) -> None:
    mined(root)
    for line in (root / "n.jsonl").read_text().splitlines():
        cosines = [cosine for _, cosine in json.loads(line)["candidates"]]
        assert cosines == sorted(cosines, reverse=True)


def test_top_limits_and_short_is_counted(root: Path) -> None:
    ticks: list[tuple[int, int]] = []
    report = mine(root, FakeEncoder(), root / "n.jsonl", top=4, progress=lambda *tick: ticks.append(tick))
    assert (report.queries, report.filtered, report.short) == (2, 0, 1)
    assert [len(dids) for dids in read_negatives(root / "n.jsonl").values()] == [3, 4]
    assert sum(done for done, _ in ticks) == ticks[0][1]


def test_similarities_are_held_in_blocks(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = mined(root)
    held: list[int] = []
    cosines = Gallery.cosines

    def counted(gallery: Gallery, queries: Vectors) -> Iterator[tuple[int, Vectors]]:
        for start, block in cosines(gallery, queries):
            held.append(len(block))
            yield start, block

    monkeypatch.setattr(gallery, "_BLOCK_ENTRIES", 6)
    monkeypatch.setattr(Gallery, "cosines", counted)
    assert mined(root) == whole
    assert held == [1, 1]


class Killed(FakeEncoder):
    """Dies at a call."""

    def __init__(self, call: int) -> None:
        super().__init__()
        self.left = call

    def embed(self, items, **options):
        self.left -= 1
        if not self.left:
            raise KeyboardInterrupt
        return super().embed(items, **options)


@pytest.mark.parametrize("call", [1, 2, 3, 4, 5])
def test_mining_goes_on_where_it_was_killed(root: Path, monkeypatch: pytest.MonkeyPatch, call: int) -> None:
    for module in (negatives, unfinished):
        monkeypatch.setattr(module, "BLOCK", 2 if module is unfinished else 1)
    whole = mine(root, FakeEncoder(), root / "whole.jsonl", top=2)
    with pytest.raises(KeyboardInterrupt):
        mine(root, Killed(call), root / "n.jsonl", top=2)
    assert not (root / "n.jsonl").exists()
    torn = root / "n.jsonl.unfinished/candidates.f32"
    with torn.open("ab") as file:
        file.write(b"half a vector")
    rest, ticks = FakeEncoder(), []
    assert mine(root, rest, root / "n.jsonl", top=2, progress=lambda *tick: ticks.append(tick)) == whole
    assert (root / "n.jsonl").read_bytes() == (root / "whole.jsonl").read_bytes()
    assert len(rest.seen) == 6 + 2 - min(2 * (call - 1), 6) - max(call - 4, 0), "what was done is not done again"
    assert sum(done for done, _ in ticks) == ticks[0][1] == 8
    assert not torn.parent.exists()


def test_unfinished_mining_of_another_command_is_refused(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unfinished, "BLOCK", 2)
    for call, refused in ((1, False), (2, True)):
        with pytest.raises(KeyboardInterrupt):
            mine(root, Killed(call), root / "n.jsonl")
        with pytest.raises(InputError if refused else KeyboardInterrupt) as caught:
            mine(root, Killed(1), root / "n.jsonl", top=3, filter=Filter(margin=0.1))
        assert not refused or "another top, filter: give the same command" in str(caught.value)


@pytest.mark.parametrize("removed", ["candidates.f32", "command.json"])
def test_what_a_finished_mining_left_when_it_was_killed_serves_no_other_model(
    root: Path, monkeypatch: pytest.MonkeyPatch, removed: str
) -> None:
    class Other(FakeEncoder):
        fingerprint = "other"

        def embed(self, items, **options):
            encoding = super().embed(items, **options)
            encoding.vectors[:] = encoding.vectors**3
            encoding.vectors[:] /= np.linalg.norm(encoding.vectors, axis=1, keepdims=True)
            return encoding

    def killed(folder: Path) -> None:
        (folder / removed).unlink(missing_ok=True)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(unfinished.shutil, "rmtree", killed)
        mine(root, FakeEncoder(), root / "n.jsonl")
    assert len(list((root / "n.jsonl.unfinished").glob("*.jsonl"))) == 1
    mine(root, Other(), root / "n.jsonl")
    mine(root, Other(), root / "fresh.jsonl")
    assert (root / "n.jsonl").read_bytes() == (root / "fresh.jsonl").read_bytes()


def test_one_process_mines_at_a_time(root: Path) -> None:
    with FolderLock(root / "n.jsonl.unfinished"), pytest.raises(FolderInUse, match="in use by process"):
        mine(root, FakeEncoder(), root / "n.jsonl")


def test_a_broken_model_is_named_before_anything_is_written(root: Path) -> None:
    class Broken(FakeEncoder):
        def embed(self, items, **options):
            encoding = super().embed(items, **options)
            encoding.vectors[-1] *= np.nan
            return encoding

    with pytest.raises(VectorError, match="NaN"):
        mine(root, Broken(), root / "n.jsonl")
    assert not (root / "n.jsonl").exists()


def test_what_is_too_near_is_dropped_and_counted(root: Path) -> None:
    report = mine(root, FakeEncoder(), root / "n.jsonl", filter=Filter(absolute=0.4))
    negatives = read_negatives(root / "n.jsonl")
    assert report.filtered >= 2
    assert "100:1" not in negatives["100:0"]
    assert negatives["100:0"]


def test_the_relative_filter_compares_with_the_positive() -> None:
    similarity = np.array([0.9, 0.5, 0.45], np.float32)
    assert Filter(relative=0.5).keeps(similarity, 0.95).tolist() == [False, False, True]
    assert Filter(absolute=0.5, relative=1.0).keeps(similarity, 0.47).tolist() == [False, False, True]
    assert Filter(margin=0.1).keeps(similarity, 0.37).tolist() == [False, False, True]
    assert Filter(margin=0.1, absolute=0.8).keeps(similarity, 0.9).tolist() == [False, True, True]
    assert Filter().keeps(similarity, 0.1).all()


@pytest.mark.parametrize("line", ["{half", "[]", '{"qid": "a"}', '{"qid": "a", "candidates": [1]}', ""])
def test_a_bad_line_of_negatives_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "n.jsonl"
    path.write_text('{"qid": "100:1", "candidates": [["100:2", 0.5]]}\n' + line + "\n")
    with pytest.raises(DataError, match=r"n\.jsonl:2: .*elva mine"):
        read_negatives(path)


def pooled(*numbers: int, dataset: int = 100) -> list[Candidate]:
    return [Candidate(f"{dataset}:{n}", f"text {n}", None, "text") for n in numbers]


@given(
    hard=st.integers(0, 6),
    random=st.integers(0, 6),
    mined_ones=st.lists(st.integers(0, 19), unique=True, max_size=10),
    positives=st.lists(st.integers(0, 19), unique=True, min_size=1, max_size=3),
    seed=st.integers(0, 99),
)
def test_balanced_draws_so_many_distinct_negatives(
    hard: int, random: int, mined_ones: list[int], positives: list[int], seed: int
) -> None:
    pool = pooled(*range(20))
    right = tuple(f"100:{n}" for n in positives)
    found = tuple(f"100:{n}" for n in mined_ones)
    asked = query(7, "red", right)
    balanced = Balanced({asked.qid: found}, {NAME: pool}, hard, random)
    drawn = balanced.draw(NAME, asked, frozenset(right), np.random.default_rng(seed))
    assert len(drawn) == len(set(drawn)) == hard + random
    assert not set(drawn) & set(right)
    usable = set(found) - set(right)
    assert len(usable.intersection(drawn[:hard])) >= min(hard, len(usable))
    assert drawn == balanced.draw(NAME, asked, frozenset(right), np.random.default_rng(seed))


def test_a_small_pool_gives_what_it_has() -> None:
    asked = query(7, "red", ("100:0",))
    balanced = Balanced({}, {NAME: pooled(0, 1, 2)}, hard=3, random=3)
    assert sorted(balanced.draw(NAME, asked, frozenset({"100:0"}), np.random.default_rng(0))) == ["100:1", "100:2"]


def test_a_pool_of_right_answers_gives_none() -> None:
    dids = [f"100:{n}" for n in range(9)]
    asked = query(7, "red", tuple(dids))
    balanced = Balanced({asked.qid: dids[:3]}, {NAME: pooled(*range(9))}, 2, 2)
    assert balanced.draw(NAME, asked, frozenset(dids), np.random.default_rng(0)) == []


def test_what_equals_a_positive_is_no_negative_though_it_was_mined() -> None:
    asked = query(7, "red", ("100:0",))
    balanced = Balanced({asked.qid: ["100:1", "100:2"]}, {NAME: pooled(*range(4))}, hard=2, random=2)
    assert sorted(balanced.draw(NAME, asked, frozenset({"100:0", "100:1"}), np.random.default_rng(0))) == [
        "100:2",
        "100:3",
    ]


def test_the_pool_is_not_scanned_for_each_query() -> None:
    class Counting(list[Candidate]):
        looked = 0

        def __getitem__(self, place):  # type: ignore[override]
            self.looked += 1
            return super().__getitem__(place)

        def __iter__(self):
            pytest.fail("scanned")

    pool = Counting(pooled(*range(50_000)))
    asked = query(7, "red", ("100:0",))
    assert len(Balanced({}, {NAME: pool}, 3, 3).draw(NAME, asked, frozenset({"100:0"}), np.random.default_rng(0))) == 6
    assert pool.looked <= 7


def test_random_negatives_come_from_the_pool_of_the_query_s_own_data_set() -> None:
    other = TaskName("mrbench", NAME.task, "train")
    balanced = Balanced({}, {NAME: pooled(0, 1, 2), other: pooled(0, 1, 2, dataset=101)}, hard=0, random=2)
    asked = query(7, "red", ("100:0",))
    assert sorted(balanced.draw(NAME, asked, frozenset({"100:0"}), np.random.default_rng(0))) == ["100:1", "100:2"]


def test_all_mined_negatives_get_their_turn() -> None:
    asked = query(7, "red", ("100:0",))
    balanced = Balanced({asked.qid: [f"100:{n}" for n in range(1, 9)]}, {NAME: pooled(0)}, hard=2, random=0)
    pool = Balanced(balanced.mined, {NAME: pooled(*range(9))}, 2, 0)
    seen = {
        did for seed in range(60) for did in pool.draw(NAME, asked, frozenset({"100:0"}), np.random.default_rng(seed))
    }
    assert seen == {f"100:{n}" for n in range(1, 9)}


def test_the_world_is_mined_within_each_task(world: Path, tmp_path: Path) -> None:
    mine(world, FakeEncoder(), tmp_path / "n.jsonl", top=5)
    negatives = read_negatives(tmp_path / "n.jsonl")
    data = MBeir.open(world)
    for name in data.tasks("train"):
        pool = {c.did for c in data.pool(name)}
        for asked in data.queries(name):
            assert set(negatives[asked.qid]) <= pool - set(asked.positives)
