"""Hits in a reranker's order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from PIL import Image

from elva.encoding import ModelIdentity
from elva.errors import MediaMissing
from elva.index.protocol import Entry, Hit
from elva.items import Item
from elva.media import load_image
from elva.search.hits import rerank
from elva.search.scoring import Listed, Mode

QUERY = Item(text="red")


class ByLength:
    """Prefers long texts, and opens pictures; has nothing to say without a summary."""

    model, mode = ModelIdentity("length", "0", "generative", 1), "likelihood"
    mode: Mode

    def all_scores(self, lists: Iterable[Listed], progress: object = None) -> Iterator[list[float]]:
        for each in lists:
            for item in (each.query, *each.candidates):
                if item.image is not None:
                    load_image(item.image)
            yield [float(len(item.text or "")) for item in each.candidates] if each.summary else []


def hits(*entries: Entry) -> list[Hit]:
    return [Hit(rank, 1 - rank / 10, entry) for rank, entry in enumerate(entries, 1)]


def image_of(folder: Path):
    return lambda entry: folder / entry.image if entry.image else None


def test_hits_are_ordered_by_score_and_ties_by_id_and_keep_their_cosines(tmp_path: Path) -> None:
    found = rerank(
        ByLength(), QUERY, "s", hits(Entry("c", "ab"), Entry("b", "xyz"), Entry("a", "cd")), image_of(tmp_path), 0
    )
    assert [(each.hit.rank, each.hit.entry.id, each.score) for each in found] == [(1, "b", 3), (2, "a", 2), (3, "c", 2)]
    assert [each.hit.score for each in found] == [0.8, 0.7, 0.9]


def test_a_cosine_counts_beside_the_score(tmp_path: Path) -> None:
    entries = [Entry("a", "ab"), Entry("b", "xyzw"), Entry("c", "xyz")]
    found = rerank(ByLength(), QUERY, "s", hits(*entries), image_of(tmp_path), 15)
    assert [(each.hit.entry.id, each.score) for each in found] == [("b", 4), ("a", 2), ("c", 3)]


def test_what_can_t_be_opened_comes_behind_as_it_was(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "there.png")
    (tmp_path / "bad.png").write_bytes(b"no picture")
    entries = [
        Entry("b", "abcd", "gone.png"),
        Entry("a", "abc", "bad.png"),
        Entry("c", "ab"),
        Entry("d", "abc", "there.png"),
    ]
    found = rerank(ByLength(), QUERY, "s", hits(*entries), image_of(tmp_path), 0)
    assert [(each.hit.entry.id, each.score) for each in found] == [("d", 3), ("c", 2), ("b", None), ("a", None)]
    with pytest.raises(MediaMissing, match="query"):
        rerank(ByLength(), Item(image=tmp_path / "query.png"), "s", hits(*entries), image_of(tmp_path))


def test_without_anything_to_score_by_hits_stay_as_they_are(tmp_path: Path) -> None:
    entries = [Entry("b", "a"), Entry("a", "abc")]
    found = rerank(ByLength(), QUERY, "", hits(*entries), image_of(tmp_path))
    assert [(each.hit, each.score) for each in found] == [(hit, None) for hit in hits(*entries)]
    assert rerank(ByLength(), QUERY, "s", [], image_of(tmp_path)) == []
