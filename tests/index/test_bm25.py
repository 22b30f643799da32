"""BM25 against numbers worked by hand."""

from __future__ import annotations

import math

import pytest

from elva.index.bm25 import Postings, ranked

TEXTS = {"a": ["red", "hat"], "b": ["red", "red", "shoe", "red"], "c": ["blue"], "d": []}


def best(text: str, k: int = 10) -> dict[str, float]:
    return dict(Postings.of(TEXTS).best(text.split(), k, lambda item: True))


def test_a_score_is_that_of_the_formula() -> None:
    mean = 7 / 3  # the text without a word counts nowhere
    idf = math.log(1 + (3 - 2 + 0.5) / (2 + 0.5))
    a = idf * 2.2 / (1 + 1.2 * (0.25 + 0.75 * 2 / mean))
    b = idf * 3 * 2.2 / (3 + 1.2 * (0.25 + 0.75 * 4 / mean))
    assert best("red") == {"b": pytest.approx(b, abs=5e-4), "a": pytest.approx(a, abs=5e-4)}
    assert list(best("red")) == ["b", "a"]


def test_words_add_up_and_one_that_is_said_twice_counts_once() -> None:
    assert best("red hat")["a"] == pytest.approx(best("red")["a"] + best("hat")["a"], abs=1e-3)
    assert best("red red") == best("red")
    assert best("gone") == best("") == Postings.of({}).lengths == {}


def test_only_what_fits_is_given_and_that_changes_no_score() -> None:
    found = Postings.of(TEXTS).best(["red"], 10, lambda item: item == "a")
    assert found == [("a", best("red")["a"])]


def test_ties_go_by_id_and_the_last_bits_make_none() -> None:
    assert ranked([("b", 0.12345678), ("a", 0.12345679), ("c", 0.2)], 2) == [("c", 0.2), ("a", 0.123)]
