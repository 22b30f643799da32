"""Second vectors: made once, and the order is theirs alone."""

from __future__ import annotations

from copy import copy

import numpy as np
import pytest

from elva.encoding import ModelIdentity
from elva.items import Item
from elva.model.embedder import Embedder
from elva.search.refining import Refiner
from elva.search.scoring import COSINE, Listed, worth_of
from smallest import smallest_embedder

QUERY = Item("a small red circle", instruction="find the picture")
CANDIDATES = [Item("a blue square"), Item("a red circle"), Item("left of"), Item("find a word")]


@pytest.fixture
def fast() -> Embedder:
    """A model that ranks by the end of the prompt."""
    made = smallest_embedder()
    embedder = Embedder(made.backbone, copy(made.processor), made.name)
    embedder.read_as("prefill")
    return embedder


def test_scores_are_the_cosines_of_generative_vectors(fast: Embedder) -> None:
    refiner = Refiner(fast)
    (scores,) = refiner.all_scores([Listed(QUERY, "", CANDIDATES)])
    query, *rest = smallest_embedder().encode([QUERY, *CANDIDATES])
    np.testing.assert_allclose(scores, np.stack(rest) @ query, atol=2e-6)
    assert refiner.model.extraction == "generative"
    assert not refiner.model.produces(ModelIdentity.of(fast))
    assert worth_of(refiner.mode) == 0
    assert {worth_of(mode) for mode in ("likelihood", "words", "yes_no")} == {COSINE}, "as in Python"


def test_an_empty_list_has_no_scores(fast: Embedder) -> None:
    assert next(Refiner(fast).all_scores([Listed(QUERY, "", []), Listed(QUERY, "", CANDIDATES[:1])])) == []


def test_what_was_refined_is_not_embedded_again(fast: Embedder, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []
    embed = fast.embed

    def counted(items: list[Item], **options: str) -> object:
        made.append(len(items))
        return embed(items, **options)

    monkeypatch.setattr(fast, "embed", counted)
    refiner, done = Refiner(fast), list[int]()
    twice = [Listed(QUERY, "", CANDIDATES[:3]), Listed(Item("left of"), "", [Item("a blue square")])]
    first = list(refiner.all_scores(twice, done.append))
    assert made == [4], "the query, three candidates; the second list says the same words"
    assert list(refiner.all_scores(twice)) == first
    assert made == [4]
    assert done == [3, 1]


def test_another_model_s_vectors_are_read_as_it_gives_them(fast: Embedder) -> None:
    other = smallest_embedder(1)
    assert Refiner(other).model == ModelIdentity.of(other)
