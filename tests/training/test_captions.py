"""`elva caption`: one caption per query and candidate, each distinct item written once."""

from __future__ import annotations

from pathlib import Path

import pytest

from data.published import published
from elva.data.mbeir import Candidate, MBeir, Query, TaskName, write_pool, write_queries
from elva.encoding import Encoding
from elva.errors import DataErrors, InputError
from elva.items import Item
from elva.training.captions import split_items, write_captions
from elva.training.prepared import candidate_key, query_key, read_captions
from judging import FakeEncoder

NAME = TaskName("world", 1, "train")


class Writer(FakeEncoder):
    """The fake encoder, which also counts what it was asked to write about."""

    def embed(self, items, **options) -> Encoding:
        self.asked = [*getattr(self, "asked", []), *items]
        return super().embed(items, **options)


def test_every_query_and_candidate_of_the_split_gets_one(world: Path, tmp_path: Path) -> None:
    ticks: list[tuple[int, int]] = []
    writer = Writer()
    report = write_captions(
        world, writer, tmp_path / "c.jsonl", progress=lambda done, total: ticks.append((done, total))
    )
    captions = read_captions(tmp_path / "c.jsonl")
    data = MBeir.open(world)
    for name in data.tasks("train"):
        assert all(query_key(query.qid) in captions for query in data.queries(name))
        assert all(candidate_key(candidate.did) in captions for candidate in data.pool(name))
    assert report.captions == len(captions)
    assert len(writer.asked) == len(set(writer.asked)) <= len(captions)
    assert sum(done for done, _ in ticks) == ticks[0][1] == len(writer.asked)


def test_captions_are_of_the_item_and_not_of_its_instruction(world: Path, tmp_path: Path) -> None:
    writer = Writer()
    write_captions(world, writer, tmp_path / "c.jsonl")
    assert all(item.instruction is None for item in writer.asked)
    data = MBeir.open(world)
    items = dict(split_items(data, data.tasks("train"))())
    assert any(item.instruction for item in items.values())
    captions = read_captions(tmp_path / "c.jsonl")
    for key, item in items.items():
        if item.image is None:
            assert captions[key].split() == (item.text or "").lower().replace("tiny", "small").split()


def test_data_sets_can_be_chosen(world: Path, tmp_path: Path) -> None:
    write_captions(world, Writer(), tmp_path / "some.jsonl", split="test", datasets=("mrbench",))
    write_captions(world, Writer(), tmp_path / "all.jsonl", split="test")
    some, every = read_captions(tmp_path / "some.jsonl"), read_captions(tmp_path / "all.jsonl")
    assert set(some) < set(every)
    assert all(key.split()[1].startswith("101:") for key in some)


def test_candidates_that_no_query_names_can_be_left_out(world: Path, tmp_path: Path) -> None:
    write_captions(world, Writer(), tmp_path / "named.jsonl", named_only=True)
    write_captions(world, Writer(), tmp_path / "all.jsonl")
    named, every = read_captions(tmp_path / "named.jsonl"), read_captions(tmp_path / "all.jsonl")
    train = MBeir.open(world).train_examples("train")
    assert named.keys() == {query_key(q.qid) for q in train.queries} | {candidate_key(did) for did in train.candidates}
    assert named.keys() < every.keys()
    assert named == {key: every[key] for key in named}


def test_files_that_mix_tasks_have_named_candidates_too(tmp_path: Path) -> None:
    published(tmp_path)
    with pytest.raises(InputError, match="mixes tasks"):
        write_captions(tmp_path, Writer(), tmp_path / "c.jsonl")
    write_captions(tmp_path, Writer(), tmp_path / "c.jsonl", named_only=True)
    train = MBeir.open(tmp_path).train_examples("train")
    assert len(read_captions(tmp_path / "c.jsonl")) == len({q.qid for q in train.queries}) + len(train.candidates)


def test_data_that_is_bad_is_refused_before_a_caption_is_written(tmp_path: Path) -> None:
    write_queries(tmp_path, NAME, [Query("100:0", None, "gone.png", "image", ("100:0",), (), 1)])
    write_pool(tmp_path, NAME, [Candidate("100:0", "red circle", None, "text")])
    with pytest.raises(DataErrors, match=r"gone\.png"):
        write_captions(tmp_path, Writer(), tmp_path / "c.jsonl")
    with pytest.raises(InputError, match="no train task"):
        write_captions(tmp_path, Writer(), tmp_path / "c.jsonl", datasets=("cirr",))
    assert not (tmp_path / "c.jsonl").exists()


def test_what_is_asked_twice_is_written_once(tmp_path: Path) -> None:
    queries = [Query(f"100:{n}", "red circle", None, "text", ("100:0",), (), 1) for n in range(3)]
    write_queries(tmp_path, NAME, queries)
    write_pool(tmp_path, NAME, [Candidate("100:0", "red circle", None, "text")])
    writer = Writer()
    report = write_captions(tmp_path, writer, tmp_path / "c.jsonl")
    assert report.captions == 4
    assert writer.asked == [Item(text="red circle")]
    assert set(read_captions(tmp_path / "c.jsonl").values()) == {"red circle"}


def test_a_killed_captioning_goes_on_where_it_was(world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_captions(world, Writer(), tmp_path / "whole.jsonl")
    monkeypatch.setattr("elva.training.captions.BLOCK", 20)

    class Killed(Writer):
        def embed(self, items, **options) -> Encoding:
            if len(getattr(self, "asked", [])) >= 40:
                raise KeyboardInterrupt
            return super().embed(items, **options)

    with pytest.raises(KeyboardInterrupt):
        write_captions(world, Killed(), tmp_path / "c.jsonl")
    assert not (tmp_path / "c.jsonl").exists()
    with pytest.raises(InputError, match="unfinished work with another tasks"):
        write_captions(world, Writer(), tmp_path / "c.jsonl", split="test")
    writer, ticks = Writer(), list[int]()
    report = write_captions(world, writer, tmp_path / "c.jsonl", progress=lambda done, total: ticks.append(done))
    assert (tmp_path / "c.jsonl").read_bytes() == (tmp_path / "whole.jsonl").read_bytes()
    assert sum(ticks) == len(writer.asked) + 40, "what was done already counts as done"
    everything = Writer()
    assert report == write_captions(world, everything, tmp_path / "again.jsonl")
    assert len(everything.asked) == len(writer.asked) + 40
    assert not (tmp_path / "c.jsonl.unfinished").exists()
