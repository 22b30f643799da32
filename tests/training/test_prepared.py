"""Prepared items, and the captions file."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from elva.errors import DataError, InputError
from elva.items import Item
from elva.model.embedder import Embedder
from elva.training.prepared import PreparedItems, candidate_key, query_key, read_captions, some, write_caption_rows

ITEMS = {"query 1:1": Item(text="a large blue circle"), "candidate 1:1": Item(text="red"), "b": Item(text="blue red")}


def test_one_id_may_name_a_query_and_a_candidate() -> None:
    assert query_key("1:1") != candidate_key("1:1")


def test_keys_come_shortest_first_without_repeats(embedder: Embedder) -> None:
    library = PreparedItems(embedder, ITEMS, "generative")
    assert library.by_length([*ITEMS, *ITEMS]) == ["candidate 1:1", "b", "query 1:1"]


def test_a_prefix_holds_the_items_in_the_order_of_the_keys(embedder: Embedder) -> None:
    library = PreparedItems(embedder, ITEMS, "generative")
    both = library.prefix(["b", "candidate 1:1"])
    alone = library.prefix(["candidate 1:1"])
    assert torch.equal(both.inputs[1, both.mask[1]], alone.inputs[0])


def test_captions_are_read_as_written_with_ret_at_the_end(embedder: Embedder) -> None:
    library = PreparedItems(embedder, ITEMS, "generative", dict.fromkeys(ITEMS, "red circle") | {"b": ""})
    rollouts = library.captions(["b", "candidate 1:1"])
    ret = embedder.processor.ret_id
    assert rollouts.tokens[0, 0, 0] == ret
    assert rollouts.mask[:, 0].sum(-1).tolist() == [1, len(embedder.processor.summary_ids("red circle"))]
    assert not rollouts.forced.any()


def test_items_without_a_caption_are_refused_with_their_number(embedder: Embedder) -> None:
    with pytest.raises(InputError, match=r"2 of 3 items have no caption, candidate 1:1 for one; .*elva caption"):
        PreparedItems(embedder, ITEMS, "generative", {"query 1:1": "a circle"})


def test_some_rows_are_drawn_by_the_seed_in_their_order() -> None:
    rows = list(range(100))
    drawn = some(rows, 10, seed=1)
    assert len(drawn) == 10
    assert list(drawn) == sorted(drawn) != rows[:10]
    assert drawn == some(rows, 10, seed=1) != some(rows, 10, seed=2)
    assert some(rows, None, seed=1) is rows
    assert some(rows, 100, seed=1) is rows


def test_cut_texts_are_counted(embedder: Embedder) -> None:
    long = Item(text="blue " * 500)
    assert PreparedItems(embedder, {**ITEMS, "long": long}, "generative").truncated == 1


def test_captions_come_back_from_disk(tmp_path: Path) -> None:
    captions = {"query 1:1": "a “red” circle\nleft of 猫", "candidate 1:1": ""}
    path = tmp_path / "new" / "captions.jsonl"
    write_caption_rows(path, captions)
    assert read_captions(path) == captions
    assert [each.name for each in path.parent.iterdir()] == ["captions.jsonl"]


def test_captions_keep_unusual_line_separators(tmp_path: Path) -> None:
    captions = {"query 1:1": "one\u2028two\x85three"}
    write_caption_rows(tmp_path / "c.jsonl", captions)
    assert read_captions(tmp_path / "c.jsonl") == captions


@pytest.mark.parametrize("line", ["{half", "[1, 2]", '{"key": "a"}', '"text"', "3", ""])
def test_a_bad_line_of_captions_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "captions.jsonl"
    path.write_text('{"key": "a", "caption": "b"}\n' + line + "\n")
    with pytest.raises(DataError, match=r"captions\.jsonl:2: .*elva caption"):
        read_captions(path)


@pytest.mark.parametrize("row", [b'{"key": "a", "caption": null}\n', b'{"key": "a", "caption": "\xff"}\n'])
def test_a_caption_that_is_no_text_is_named(tmp_path: Path, row: bytes) -> None:
    path = tmp_path / "captions.jsonl"
    path.write_bytes(b'{"key": "b", "caption": "red"}\n' + row)
    with pytest.raises(DataError, match=r"captions\.jsonl:2.*elva caption"):
        read_captions(path)
