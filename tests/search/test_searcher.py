"""Queries answered: parts that become one vector, duplicates folded, candidates reranked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from elva.encoding import ModelIdentity, Progress
from elva.errors import InputError
from elva.index.condition import parse
from elva.index.protocol import Entry, UnknownItem
from elva.items import Item
from elva.search.query import Answer, Query
from elva.search.scoring import Listed, Mode
from elva.search.searcher import Searcher
from judging import FakeEncoder
from remembered import Remembered, shapes


@pytest.fixture
def index(tmp_path: Path) -> Remembered:
    return shapes(tmp_path, FakeEncoder())


@pytest.fixture
def searcher(index: Remembered) -> Searcher:
    return Searcher(FakeEncoder(), index)


def ids(answer: Answer) -> list[str]:
    return [each.hit.entry.id for each in answer.results]


def test_words_find_the_picture_they_describe(searcher: Searcher) -> None:
    (answer,) = searcher.search([Query(Item("small crimson circle"), top=3)])
    assert ids(answer)[0] == "circle-crimson-small.png"
    assert [each.hit.rank for each in answer.results] == [1, 2, 3]
    assert answer.summary == "small crimson circle"
    assert set(answer.seconds) == {"embed", "search"}


def test_several_queries_are_embedded_at_once(searcher: Searcher, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    embed = searcher.encoder.embed
    monkeypatch.setattr(searcher.encoder, "embed", lambda items: calls.append(len(items)) or embed(items))
    queries = [Query(Item("circle"), minus=(Item("crimson"),)), Query(like=("note",)), Query(Item("square"))]
    one, _, three = searcher.search(queries)
    assert calls == [3]
    assert one.summary == "circle"
    assert ids(three) == ids(searcher.search([Query(Item("square"))])[0])


def test_what_a_query_is_to_be_without_goes_down(searcher: Searcher) -> None:
    plain, minus = searcher.search(
        [Query(Item("circle crimson"), top=4), Query(Item("circle crimson"), minus=(Item("small"),), top=4)]
    )
    assert [each for each in ids(plain) if "small" in each]
    assert ids(minus)[0] == "circle-crimson-large.png"
    assert sum("small" in each for each in ids(minus)) < sum("small" in each for each in ids(plain))


def test_a_query_without_all_of_itself_is_refused(searcher: Searcher) -> None:
    with pytest.raises(InputError, match="nothing is left of the query"):
        searcher.search([Query(Item("circle"), minus=(Item("circle"), Item("circle")))])


def test_an_indexed_item_is_searched_from_by_its_vector(searcher: Searcher) -> None:
    (answer,) = searcher.search([Query(like=("circle-crimson-small.png",), top=4)])
    assert answer.summary == ""
    assert "circle-crimson-small.png" not in ids(answer)
    assert all(
        sum(a == b for a, b in zip(each.split("-"), ["circle", "crimson", "small.png"], strict=True)) >= 2
        for each in ids(answer)
    )
    assert searcher.encoder.seen == []  # type: ignore[attr-defined]


def test_unlike_an_indexed_item_needs_no_model_either(searcher: Searcher) -> None:
    (answer,) = searcher.search([Query(like=("circle-crimson-small.png",), unlike=("square-blue-small.png",), top=2)])
    assert ids(answer)[0].startswith("circle")


def test_a_result_and_words_are_read_by_the_model_as_one(searcher: Searcher) -> None:
    (answer,) = searcher.search([Query(Item("large"), like=("circle-blue-small.png",), top=2)])
    assert searcher.encoder.seen == ["circle blue small large"]  # type: ignore[attr-defined]
    assert ids(answer)[0] == "circle-blue-large.png"
    assert answer.notes == ()


def test_where_the_picture_is_gone_its_thumbnail_is_read_and_that_is_said(
    searcher: Searcher, index: Remembered, monkeypatch: pytest.MonkeyPatch
) -> None:
    (index.origin.root / "circle-blue-small.png").unlink()
    read: list[Item] = []
    embed = searcher.encoder.embed
    monkeypatch.setattr(searcher.encoder, "embed", lambda items: read.extend(items) or embed([Item("circle large")]))
    query = Query(Item("large"), like=("circle-blue-small.png",))
    (answer,) = searcher.search([query])
    assert read == [Item("large", index.thumbnail("circle-blue-small.png"))]
    assert answer.notes == ("the picture of circle-blue-small.png is gone: its thumbnail was read instead",)
    monkeypatch.setattr(index, "thumbnail", lambda item: None)
    (answer,) = searcher.search([query])
    assert "averaged" in answer.notes[0]


def test_a_text_and_words_are_averaged_and_that_is_said(searcher: Searcher) -> None:
    (answer,) = searcher.search([Query(Item("large"), like=("note",))])
    assert answer.notes == ("note is a text: its vector and that of the words were averaged",)


def test_conditions_reach_the_index(searcher: Searcher) -> None:
    (answer,) = searcher.search([Query(Item("small"), where=parse("colour = green"), match="circle small")])
    assert ids(answer) == ["circle-green-small.png"]


def test_a_hybrid_query_brings_up_what_its_words_name(searcher: Searcher, index: Remembered) -> None:
    plain, hybrid = searcher.search(
        [Query(Item("circle letter"), top=5), Query(Item("circle letter"), top=5, hybrid=True)]
    )
    assert "note" not in ids(plain)
    assert ids(hybrid)[3] == "note", "behind what both rankings hold further up"
    assert [each.hit.rank for each in hybrid.results] == [1, 2, 3, 4, 5]
    near = {each.entry.id: each.score for each in index.search(hybrid.vector[None], 40)[0]}
    assert all(each.hit.score == near[each.hit.entry.id] for each in hybrid.results), "scores stay cosines"
    (narrow,) = searcher.search([Query(Item("circle letter"), where=parse("price > 4"), hybrid=True)])
    assert "note" not in ids(narrow)
    for query in ({"like": ("note",)}, {"item": Item(image=index.origin.root / "circle-blue-small.png")}):
        with pytest.raises(InputError, match="this one has none"):
            Query(**query, hybrid=True)  # type: ignore[arg-type]


def test_what_only_the_words_find_comes_with_its_cosine(
    searcher: Searcher, index: Remembered, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("elva.search.searcher.DEEP", 1)
    (far,) = searcher.search([Query(Item("circle letter"), top=3, hybrid=True, fold=False)])
    near = {each.entry.id: each.score for each in index.search(far.vector[None], 40)[0]}
    assert "note" in ids(far)
    assert {each.hit.entry.id: each.hit.score for each in far.results} == {each: near[each] for each in ids(far)}


def test_near_duplicates_are_listed_beneath_the_best_of_them(searcher: Searcher, index: Remembered) -> None:
    add_copies(index, "circle-blue-small.png", 30)
    (folded,) = searcher.search([Query(Item("small blue circle"), top=5)])
    assert len(folded.results) == 5
    assert folded.folded == 30
    assert len(folded.results[0].same) == 30
    assert len(set(ids(folded))) == 5
    (flat,) = searcher.search([Query(Item("small blue circle"), top=5, fold=False)])
    assert all("circle-blue-small" in each for each in ids(flat))


def test_no_more_is_asked_of_a_store_than_it_gives(
    searcher: Searcher, index: Remembered, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_copies(index, "circle-blue-small.png", 18)
    monkeypatch.setattr(index, "most", 20)
    asked = [
        Query(Item("small blue circle"), top=8),
        Query(Item("small blue circle"), top=25, fold=False),
        Query(Item("small blue circle"), top=8, hybrid=True),
    ]
    folded, flat, hybrid = searcher.search(asked)
    assert len(folded.results) + folded.folded == 20
    assert folded.notes == (f"the 20 nearest items are near-duplicates of these {len(folded.results)}",)
    assert len(flat.results) == 20 and flat.notes == ("the store gives 20 items at most",)
    assert 0 < len(hybrid.results) <= 20


def test_pictures_of_the_same_content_are_folded_wherever_their_vectors_lie(index: Remembered) -> None:
    far = np.eye(2, index.model.dimension, dtype=np.float32)
    index.add([Entry("one", content="same"), Entry("two", content="same")], far)
    (answer,) = Searcher(FakeEncoder(), index).search([Query(like=("note",), top=60)])
    assert {"one", "two"} & set(ids(answer)) in ({"one"}, {"two"})


def test_an_index_of_copies_alone_is_given_up_and_that_is_said(tmp_path: Path) -> None:
    index = Remembered(FakeEncoder(), tmp_path)
    index.add([Entry("circle.png", image="circle.png")], FakeEncoder().embed([Item("circle")]).vectors)
    add_copies(index, "circle.png", 400)
    (answer,) = Searcher(FakeEncoder(), index).search([Query(Item("circle"), top=2)])
    assert len(answer.results) == 1
    assert "nearest items are near-duplicates of these 1" in answer.notes[0]


def test_an_unknown_id_is_named(searcher: Searcher) -> None:
    with pytest.raises(UnknownItem, match="no item 'nowhere'"):
        searcher.search([Query(like=("nowhere",))])


class ByLength:
    """Prefers what has few letters; notes what it was asked."""

    mode: Mode = "likelihood"

    def __init__(self, model: ModelIdentity) -> None:
        self.model = model
        self.asked: list[tuple[Item, str, int]] = []

    def all_scores(self, lists: Iterable[Listed], progress: Progress | None = None) -> Iterator[list[float]]:
        for each in lists:
            self.asked.append((each.query, each.summary, len(each.candidates)))
            yield [-100.0 * len(str(candidate.image or candidate.text)) for candidate in each.candidates]


def test_the_nearest_are_put_in_the_scorer_s_order(index: Remembered) -> None:
    scorer = ByLength(index.model)
    searcher = Searcher(FakeEncoder(), index, scorer)
    (answer,) = searcher.search([Query(Item("circle"), top=3, rerank=8)])
    assert scorer.asked == [(Item("circle"), "circle", 8)]
    assert ids(answer) == sorted(ids(answer), key=len)
    assert all(each.likelihood is not None for each in answer.results)
    assert [each.hit.rank for each in answer.results] == [1, 2, 3]
    (answer,) = searcher.search([Query(Item("circle"), top=3, rerank=2)])
    assert [each.likelihood is None for each in answer.results] == [False, False, True]


def test_another_model_writes_its_own_summary(index: Remembered) -> None:
    scorer = ByLength(ModelIdentity("another", "xyz", "generative", 2))
    Searcher(FakeEncoder(), index, scorer).search([Query(Item("circle"), rerank=2)])
    assert scorer.asked[0][1] == ""


def test_queries_that_can_not_be_answered_are_refused(searcher: Searcher) -> None:
    for query, message in (
        (lambda: Query(), "asks for nothing"),
        (lambda: Query(Item("a"), top=0), "1 result or more"),
        (lambda: Query(Item("a"), rerank=0), "1 or more"),
        (lambda: Query(like=("note",), rerank=5), "neither"),
        (lambda: Query(Item("a"), minus=(Item("b"),), rerank=5), "without"),
        (lambda: searcher.search([Query(Item("a"), rerank=5)]), "no reranker is loaded"),
    ):
        with pytest.raises(InputError, match=message):
            query()


def add_copies(index: Remembered, id: str, count: int) -> None:
    entry, vector = index.get([id])[0], index.vectors([id])
    copies = [replace(entry, id=f"{number:03}-{entry.id}") for number in range(count)]
    index.add(copies, np.repeat(vector, count, axis=0))
