"""Indexing: what is new is embedded, what is gone goes, and what is bad is listed."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from elva.encoding import ModelIdentity
from elva.errors import DataErrors, IndexMismatch, InputError
from elva.index import build
from elva.index.address import Address
from elva.index.build import BuildReport, build_index
from elva.index.condition import parse
from elva.index.folder import FolderError
from elva.index.opening import open_index
from elva.index.protocol import Index
from elva.index.sources.choosing import choose_source
from elva.items import Item
from judging import THINGS, FakeEncoder, draw, write_root

Made = Callable[[Path], dict[str, Any]]
"""Where a folder's index is to lie -> what makes it there."""


@pytest.fixture(params=["lance", "exact", "milvus"])
def made(request: pytest.FixtureRequest, addressed: Callable[[Path, str], Address | None]) -> Made:
    return lambda out: {"store": request.param, "address": addressed(out, request.param)}


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for thing in THINGS[:12]:
        draw(thing).save(folder / f"{'-'.join(thing)}.png")
    return folder


def run(source: Path, out: Path, **options: Any) -> tuple[BuildReport, list[str]]:
    encoder = options.pop("encoder", None) or FakeEncoder()
    return build_index(choose_source(source, without=out), encoder, out, **options), encoder.seen


def counts(report: BuildReport) -> tuple[int, ...]:
    return report.new, report.changed, report.unchanged, report.gone, len(report.left_out), report.embedded


def content(index: Index) -> list[tuple[Any, ...]]:
    ids = sorted(index.contents())
    shown = map(index.thumbnail, ids)
    return list(zip(index.get(ids), index.vectors(ids).tolist(), shown, strict=True))


def test_a_second_run_over_a_broken_picture_publishes_nothing(photos: Path, tmp_path: Path, made: Made) -> None:
    whole = next(photos.iterdir()).read_bytes()
    (photos / "cut.png").write_bytes(whole[: len(whole) // 2])
    report, _ = run(photos, tmp_path / "i", **made(tmp_path / "i"))
    assert counts(report) == (12, 0, 0, 0, 1, 12)
    again, _ = run(photos, tmp_path / "i")
    assert counts(again) == (0, 0, 12, 0, 1, 0)
    assert again.stats.version == report.stats.version and again.stats.tidy


def test_a_second_run_embeds_only_what_is_new_or_changed(photos: Path, tmp_path: Path, made: Made) -> None:
    out = tmp_path / "i"
    report, _ = run(photos, out, **made(out), model="m")
    assert counts(report) == (12, 0, 0, 0, 0, 12)
    assert (report.stats.items, report.stats.images) == (12, 12)
    report, seen = run(photos, out)
    assert counts(report) == (0, 0, 12, 0, 0, 0)
    assert not seen and report.stats.version == open_index(out).stats().version
    draw(THINGS[20]).save(photos / f"{'-'.join(THINGS[0])}.png")
    draw(THINGS[21]).save(photos / "new-green-thing.png")
    (photos / f"{'-'.join(THINGS[1])}.png").unlink()
    (photos / f"{'-'.join(THINGS[2])}.png").write_bytes(b"no picture")
    report, seen = run(photos, out)
    assert counts(report) == (1, 1, 9, 2, 1, 2)
    assert sorted(seen) == ["circle crimson small", "new green thing"]
    run(photos, tmp_path / "afresh", **made(tmp_path / "afresh"))
    assert content(open_index(out)) == content(open_index(tmp_path / "afresh"))
    assert open_index(out).origin.model is None


def test_where_only_metadata_changed_nothing_is_embedded(tmp_path: Path, made: Made) -> None:
    table, out = tmp_path / "t.jsonl", tmp_path / "i"
    rows = [{"id": str(number), "title": f"thing {number}", "price": number} for number in range(3)]
    table.write_text("".join(json.dumps(row) + "\n" for row in rows))
    run(table, out, **made(out))
    rows[1]["price"] = 50
    table.write_text("".join(json.dumps(row) + "\n" for row in rows))
    report, seen = run(table, out)
    assert counts(report) == (0, 1, 2, 0, 0, 0)
    assert not seen
    (hits,) = open_index(out).search(FakeEncoder().embed([Item("thing")]).vectors, where=parse("price = 50"))
    assert [(hit.entry.id, hit.entry.summary) for hit in hits] == [("1", "thing 1")]


def test_a_run_that_was_stopped_goes_on_where_it_was(
    photos: Path, tmp_path: Path, made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "BLOCK", 5)
    out = tmp_path / "i"
    encoder, embed = FakeEncoder(), FakeEncoder.embed

    def stopping(items: list[Item], **options: Any) -> Any:
        if len(encoder.seen) == 10:
            raise KeyboardInterrupt
        return embed(encoder, items, **options)

    encoder.embed = stopping  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        run(photos, out, encoder=encoder, **made(out))
    assert len(open_index(out)) == 10
    report, seen = run(photos, out)
    assert counts(report) == (2, 0, 10, 0, 0, 2)
    assert len(seen) == 2 and report.stats.tidy
    monkeypatch.undo()
    run(photos, tmp_path / "whole", **made(tmp_path / "whole"))
    assert content(open_index(out)) == content(open_index(tmp_path / "whole"))


def test_another_consistency_of_an_index_that_is_there_is_told(
    photos: Path, tmp_path: Path, addressed: Callable[[Path, str], Address | None]
) -> None:
    out = tmp_path / "i"
    address = addressed(out, "milvus")
    assert address is not None
    run(photos, out, store="milvus", address=address)
    told = (
        r"i is the collection \w+ of .* with consistency Strong, not the collection .* with consistency Bounded: leave"
    )
    with pytest.raises(InputError, match=told):
        run(photos, out, address=replace(address, consistency="Bounded"))


def test_bad_pictures_are_listed_and_the_rest_is_found(tmp_path: Path, made: Made) -> None:
    root, out = write_root(tmp_path / "root"), tmp_path / "i"
    (root / "mbeir_images/circle-blue-small.png").unlink()
    picture = root / "mbeir_images/square-blue-small.png"
    picture.write_bytes(picture.read_bytes()[:80])  # its header is sound
    with pytest.raises(DataErrors, match="2 bad places"):
        run(root, out, **made(out), strict=True)
    assert not out.exists()
    told: list[tuple[str, int | None]] = []
    encoder = FakeEncoder()
    watch = lambda label, total: told.append((label, total)) or (lambda _: None)  # noqa: E731
    report, _ = run(root, out, **made(out), encoder=encoder, watch=watch)
    assert counts(report) == (62, 0, 0, 0, 2, 62)
    assert sorted(error.found for error in report.left_out)[0].endswith("circle-blue-small.png does not exist")
    assert told == [("looking for changes", None), ("opening the index", None), ("embedding", 63)]
    index = open_index(out, ModelIdentity.of(encoder))
    (hits,) = index.search(encoder.embed([Item("small crimson triangle")]).vectors, k=2)
    assert {hit.entry.summary for hit in hits} == {"triangle crimson small", "small crimson triangle"}


def test_another_source_model_or_store_is_refused_and_a_moved_source_is_not(photos: Path, tmp_path: Path) -> None:
    out, other = tmp_path / "i", tmp_path / "other"
    run(photos, out, store="exact")
    other.mkdir()
    draw(THINGS[0]).save(other / "x.png")
    with pytest.raises(InputError, match=r"is the index of .*photos, not of .*other; choose another folder"):
        run(other, out)
    with pytest.raises(IndexMismatch, match=r"built with fake .* not with new"):
        run(photos, out, encoder=FakeEncoder("new"))
    with pytest.raises(InputError, match="is of the store exact, not lance"):
        run(photos, out, store="lance")
    photos.rename(tmp_path / "moved")
    report, _ = run(tmp_path / "moved", out)
    assert report.embedded == 0 and report.unchanged == 12
    assert open_index(out).origin.root == tmp_path / "moved"


def test_a_source_with_nothing_in_it_leaves_the_index_alone(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "i"
    run(photos, out, store="exact")
    for path in photos.iterdir():
        path.write_bytes(b"")
    with pytest.raises(InputError, match=r"nothing to index in it; the first of 12 that can't be used: .*\.png"):
        run(photos, out)
    assert len(open_index(out)) == 12
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis/x.tex").write_text("years of work")
    draw(THINGS[0]).save(photos / "x.png")
    with pytest.raises(FolderError, match=r"is not an index folder"):
        run(photos, tmp_path / "thesis")
