"""Rows as places in their file: the same records, without holding them."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from data.building import TEST, TRAIN, candidate, query, rows, tree
from elva.data.layout import TaskName
from elva.data.mbeir import Candidate, MBeir
from elva.data.opening import open_checked, open_tasks
from elva.data.stored import Joined, Lookup, distinct
from elva.errors import DataError


def pool_of(root: Path, count: int) -> MBeir:
    rows(root / TEST.pool_path, *(candidate(n, txt="a" * 200, modality="image,text") for n in range(count)))
    rows(root / TEST.query_path, *(query(n) for n in range(count)))
    return MBeir.open(root)


def test_records_are_those_of_the_file_in_any_order(tmp_path: Path) -> None:
    path = tree(tmp_path) / TEST.pool_path
    content = path.read_bytes().replace(b"\n", b"\r\n \n", 1).removesuffix(b"\n")
    path.write_bytes(b"\xef\xbb\xbf" + content)
    pool = MBeir.open(tmp_path).pool(TEST)
    assert [one.did for one in pool] == [f"1000:{n}" for n in range(4)]
    assert (pool[0].did, pool[-1].did, [one.did for one in pool[1:3]]) == ("1000:0", "1000:3", ["1000:1", "1000:2"])
    assert [pool.line(place) for place in range(4)] == [1, 3, 4, 5]
    with pytest.raises(IndexError):
        pool[4]


def test_a_part_shows_its_rows_alone(tmp_path: Path) -> None:
    pool = pool_of(tmp_path, 9).pool(TEST).only([1, 4, 7])
    part = pool.only([0, 2])
    assert ([one.did for one in pool], [one.did for one in part]) == (
        ["1000:1", "1000:4", "1000:7"],
        ["1000:1", "1000:7"],
    )
    assert (len(part), part[-1].did, part.line(1)) == (2, "1000:7", 8)
    joined = Joined([part, pool.only([]), pool])
    assert [joined[place].did for place in range(5)] == [one.did for one in joined] and joined[-1] == pool[2]
    some = joined.only(np.array([1, 3]))
    assert [one.did for one in some] == ["1000:7", "1000:4"] and [len(each) for each in some.parts] == [1, 0, 1]


def test_ids_and_contents_are_known_without_reading_a_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pool = pool_of(tmp_path, 4).pool(TEST)
    both = Joined([pool.only([2, 0]), pool])
    ids, contents = [[getattr(one, name) for one in both] for name in ("did", "content")]
    monkeypatch.setattr(type(pool), "at", lambda *_: pytest.fail("read"))
    assert both.column("keys").tolist() == [*map(hash, ids)]
    assert both.column("contents").tolist() == contents


def test_a_lookup_asks_pools_in_turn_for_what_it_shows(tmp_path: Path) -> None:
    data = pool_of(tmp_path, 3)
    other = TaskName("shop", 3, "test")
    rows(tmp_path / other.pool_path, candidate(2), candidate(5))
    both = Lookup([data.pool(TEST), data.pool(other)])
    assert both["1000:2"].text == "a" * 200 and both["1000:5"].text is None
    assert "1000:9" not in both and both.get("1000:9") is None
    every, numbers = distinct([data.pool(TEST), data.pool(other), data.pool(TEST)])
    assert [one.did for one in every] == ["1000:0", "1000:1", "1000:2", "1000:5"]
    assert [each.tolist() for each in numbers] == [[0, 1, 2], [2, 3], [0, 1, 2]]


@pytest.mark.parametrize("checked", [True, False])
def test_a_row_held_takes_a_few_dozen_bytes(tmp_path: Path, checked: bool) -> None:
    pool_of(tmp_path, 20_000).pool(TEST)  # what is imported and cached once is here
    tracemalloc.start()
    data = open_checked(tmp_path, ["test"], check_images=False)[0] if checked else MBeir.open(tmp_path)
    held = [data.pool(TEST), data.queries(TEST)]
    per_row = tracemalloc.get_traced_memory()[0] / sum(map(len, held))
    peak = tracemalloc.get_traced_memory()[1] / sum(map(len, held))
    tracemalloc.stop()
    assert per_row < 40
    assert peak < 160


def test_a_validation_hands_its_index_over_and_the_file_is_not_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, _, _ = open_tasks(tree(tmp_path), "test")
    monkeypatch.setattr("elva.data.rows.located_lines", lambda *_: pytest.fail("read again"))
    assert len(data.pool(TEST)) == 4 and len(data.queries(TEST)) == 3


def test_a_file_that_changes_meanwhile_is_named(tmp_path: Path) -> None:
    pool = MBeir.open(tree(tmp_path)).pool(TEST)
    text = (tmp_path / TEST.pool_path).read_text()
    (tmp_path / TEST.pool_path).write_text(text.replace("{", "[", 1))
    with pytest.raises(DataError, match=r"cand_pool\.jsonl:1: the file has changed while it was read"):
        pool[0]


def test_an_empty_file_has_no_rows(tmp_path: Path) -> None:
    (tree(tmp_path) / TEST.pool_path).write_bytes(b"")
    pool = MBeir.open(tmp_path).pool(TEST)
    assert [*pool] == [] and "1000:0" not in Lookup([pool])


def test_training_queries_get_their_task_when_they_are_read(tmp_path: Path) -> None:
    root = tree(tmp_path)
    rows(root / "query/train/mbeir_shop_train.jsonl", query(1), query(2))
    rows(root / TRAIN.query_path, query(3))
    train = MBeir.open(root).train_examples()
    assert [(one.qid, one.task) for one in train.queries] == [("1000:3", 0), ("1000:1", 0), ("1000:2", 0)]
    assert {did: one.did for did, one in train.candidates.items()} == {f"1000:{n}": f"1000:{n}" for n in (1, 2, 3)}
    assert len(train.candidates) == 3 and isinstance(train.candidates["1000:1"], Candidate)
    assert {key: places.tolist() for key, places in train.sub_tasks.items()} == {(1000, 0): [0, 1, 2]}
