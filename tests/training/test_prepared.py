"""Prepared items, and the captions file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from elva.errors import DataErrors, InputError
from elva.items import Item
from elva.model.embedder import Embedder
from elva.model.rollout import given
from elva.training.prepared import PreparedItems, candidate_key, query_key, read_captions, some

ITEMS = {"query 1:1": Item(text="a large blue circle"), "candidate 1:1": Item(text="red"), "b": Item(text="blue red")}


def test_one_id_may_name_a_query_and_a_candidate() -> None:
    assert query_key("1:1") != candidate_key("1:1")


def taken(embedder: Embedder, items: Mapping[str, Item] = ITEMS, captions: Mapping[str, str] | None = None) -> Any:
    library = PreparedItems(embedder, "generative", captions)
    library.survey(items.items(), memory=1e9)
    library.take(items)
    return library


def test_items_are_read_by_length_dealt_out_evenly_to_processes(embedder: Embedder) -> None:
    library, keys = taken(embedder), [*ITEMS]
    lengths = [library.prefix([key]).mask.shape[1] for key in keys]
    assert [lengths[place] for place in library.reading_order(keys)] == sorted(lengths)
    summaries = given([[7] * (1 + 100 * (key == keys[0])) for key in keys], embedder.dimension)
    assert library.reading_order(keys, summaries)[-1] == 0, "with its summary the first is the longest"
    alike = keys[:1] * 4
    assert library.reading_order(alike, processes=2) == [0, 2, 1, 3]


def test_a_prefix_holds_the_items_in_the_order_of_the_keys(embedder: Embedder) -> None:
    library = taken(embedder)
    both = library.prefix(["b", "candidate 1:1"])
    alone = library.prefix(["candidate 1:1"])
    assert torch.equal(both.inputs[1, both.mask[1]], alone.inputs[0])


def test_own_words_are_those_of_the_prefix_and_need_no_look(
    embedder: Embedder, shown: dict[str, Item], monkeypatch: pytest.MonkeyPatch
) -> None:
    embedder.processor.settings = replace(embedder.processor.settings, bottleneck="pictures")
    library, keys = taken(embedder, ITEMS | shown), ["b", *shown, "query 1:1"]
    expected = library.prefix(keys).own
    assert (expected >= 0).any(1).tolist() == [True, *[False] * len(shown), True]
    monkeypatch.setattr(embedder.backbone, "see", None)
    assert torch.equal(library.own_words(keys), expected)


def test_captions_are_read_as_written_with_ret_at_the_end(embedder: Embedder) -> None:
    library = taken(embedder, captions=dict.fromkeys(ITEMS, "red circle") | {"b": ""})
    rollouts = library.captions(["b", "candidate 1:1"])
    ret = embedder.processor.ret_id
    assert rollouts.tokens[0, 0, 0] == ret
    assert rollouts.mask[:, 0].sum(-1).tolist() == [1, len(embedder.processor.summary_ids("red circle"))]
    assert not rollouts.forced.any()


def test_the_model_itself_may_write_the_captions(embedder: Embedder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("elva.training.prepared.WRITTEN_AT_ONCE", 2)
    library, ticks = taken(embedder), list[int]()
    library.write_captions(iter(ITEMS.items()), ticks.append)
    assert sum(ticks) == len(ITEMS)
    for key, item in ITEMS.items():
        (summary,) = embedder.embed([item], extraction="generative").summaries
        expected = embedder.processor.summary_ids(summary)
        assert library.captions([key]).tokens[0, 0].tolist() == expected


def test_items_without_a_caption_are_refused_with_their_number(embedder: Embedder) -> None:
    with pytest.raises(InputError, match=r"2 of 3 items have no caption, candidate 1:1 for one; .*elva caption"):
        taken(embedder, captions={"query 1:1": "a circle"})


@pytest.fixture
def shown(tmp_path: Path) -> dict[str, Item]:
    """Seven pictures and a clip of two frames, which has as many visual tokens as one."""
    for number in range(8):
        Image.new("RGB", (64, 64), (30 * number, 9, 9)).save(tmp_path / f"{number}.png")
    pictures = {f"candidate 1:{n}": Item(image=tmp_path / f"{n}.png") for n in range(7)}
    return pictures | {"candidate 1:7": Item(video=[tmp_path / "6.png", tmp_path / "7.png"])}


def test_pictures_that_fit_into_memory_are_seen_before_the_first_step(
    embedder: Embedder, shown: dict[str, Item], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("elva.training.prepared.PROBED", 2)
    embedder.features.keep = True
    each = embedder.features.look([shown["candidate 1:0"].image])[0][0].nbytes
    library = PreparedItems(embedder, "generative")
    assert library.survey(shown.items(), memory=7 * each) is None
    pictures = library.survey(shown.items(), memory=8 * each)
    assert pictures == [item.shown for item in shown.values()]
    library.look(pictures)
    monkeypatch.setattr(embedder.backbone, "see", None)  # nothing is looked at any more
    library.take(shown)
    assert len(library.prefix([*shown])) == 8


def test_a_step_that_looks_at_its_own_pictures_reads_the_same(embedder: Embedder, shown: dict[str, Item]) -> None:
    embedder.features.keep = True
    early, late = PreparedItems(embedder, "generative"), PreparedItems(embedder, "generative")
    early.look(early.survey(shown.items(), memory=1e9) or [])
    steps = [dict([*shown.items()][start : start + 4]) for start in (0, 4, 2)]
    for items in steps:
        early.take(items)
        expected = early.prefix([*items]).inputs
        late.take(items)
        assert len(embedder.features._seen) == 0, "what an earlier step saw is forgotten"
        torch.testing.assert_close(late.prefix([*items]).inputs, expected, atol=1e-6, rtol=0)
        early.look([item.shown for item in items.values()])  # both share one memory here


def test_a_step_reads_the_same_bits_wherever_a_run_was_taken_up(embedder: Embedder, shown: dict[str, Item]) -> None:
    embedder.features.keep = True
    steps = [dict([*shown.items()][start : start + 4]) for start in (0, 4, 2)]
    whole = PreparedItems(embedder, "generative")
    for items in steps:
        whole.take(items)
        read = whole.prefix([*items]).inputs
    resumed = PreparedItems(embedder, "generative")
    resumed.take(steps[-1])
    assert torch.equal(resumed.prefix([*steps[-1]]).inputs, read)


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
    assert taken(embedder, {**ITEMS, "long": long}).truncated == 1


def test_captions_are_read_from_their_file_when_they_are_asked_for(tmp_path: Path) -> None:
    captions = {"query 1:1": "a “red” circle\nleft of 猫", "candidate 1:1": "", "b": "one\u2028two\x85three"}
    path = tmp_path / "captions.jsonl"
    rows = [{"key": key, "caption": caption} for key, caption in captions.items()]
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    found = read_captions(path)
    assert found == captions
    assert "b" in found and "c" not in found
    with pytest.raises(KeyError):
        found["c"]


@pytest.mark.parametrize("line", ["{half", "[1, 2]", '{"key": "a"}', '"text"', "3", '{"key": "a", "caption": "twice"}'])
def test_a_bad_line_of_captions_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "captions.jsonl"
    path.write_text('{"key": "a", "caption": "b"}\n' + line + "\n")
    with pytest.raises(DataErrors, match=r"captions\.jsonl:2: .*"):
        read_captions(path)


@pytest.mark.parametrize("row", [b'{"key": "a", "caption": null}\n', b'{"key": "a", "caption": "\xff"}\n'])
def test_a_caption_that_is_no_text_is_named(tmp_path: Path, row: bytes) -> None:
    path = tmp_path / "captions.jsonl"
    path.write_bytes(b'{"key": "b", "caption": "red"}\n' + row)
    with pytest.raises(DataErrors, match=r"captions\.jsonl:2"):
        read_captions(path)
