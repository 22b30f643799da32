"""The language of conditions: what it means, and what it refuses."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elva.index.condition import ConditionError, parse

SHOE = {"colour": "Red", "price": 39.5, "year": "2021", "tags": ["new", "sale"], "size": {"width": 3}, "made": None}


@pytest.mark.parametrize(
    "text",
    ["colour = red", "colour == RED", '"colour" = "rEd"', "price < 40", "price >= 39.5", "year > 2020", "year = 2021.0",
     'year = "2021"', "tags = sale", "tags in (old, sale)", "size.width = 3", "colour != blue", "not colour = blue",
     "colour = blue or colour = red and price > 30", "(colour = blue or colour = red) and price > 30", "made != x",
     "NOT gone = x AND colour IN (Red)", "colour > blue", "tags > o", "'colour'='red'"],
)  # fmt: skip
def test_what_is_true(text: str) -> None:
    assert parse(text).holds(SHOE)


@pytest.mark.parametrize(
    "text",
    ["colour = blue", "price < 39.5", 'price > "x"', "year > 2021", "tags = old", "size = 3", "made = null", "gone = x",
     "gone < 3", "not tags = sale", "tags != sale", "colour < 5", "(colour = red and price > 40) or year < 2000"],
)  # fmt: skip
def test_what_is_not(text: str) -> None:
    assert not parse(text).holds(SHOE)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", "column 1: found the end, expected a field"),
        ("colour", "column 7: found the end, expected one of = < <= > >= != in behind 'colour'"),
        ("colour red", "column 8: found 'red', expected one of"),
        ("colour = ", "column 9: found the end, expected a value"),
        ("colour = red blue", r"column 14: found 'blue', expected and, or, .*quotes"),
        ("(colour = red", r"column 14: found the end, expected \)"),
        ("colour in red", r"column 11: found 'red', expected \( behind in"),
        ("colour in (red", r"expected \)"),
        ("colour = 'red", "column 10: the quote ' is never closed"),
        ("colour ! red", "column 8: '!' is no sign"),
        ("and = red", "column 1: found 'and', expected a field"),
        ("clour = red", "column 1: no entry has a field 'clour'; did you mean 'colour'?"),
        ("x = 1 and x = 2", "column 1: no entry has a field 'x'; the fields are: colour, price"),
        ("(" * 31 + "colour = red", "nested deeper than 30"),
        ("not " * 31 + "colour = red", "nested deeper than 30"),
        ("colour in (" + ",".join("a" * 101) + ")", "more than 100 comparisons"),
        ("colour = " + "a" * 4000, "4,009 characters, the limit is 4,000"),
    ],
)
def test_what_is_malformed_names_its_column_and_what_was_expected(text: str, found: str) -> None:
    with pytest.raises(ConditionError, match=found):
        parse(text, ["price", "colour"])


def test_a_field_inside_an_object_is_suggested() -> None:
    with pytest.raises(ConditionError, match=r"did you mean 'attributes\.gender'\?"):
        parse("gender = Men", ["attributes.gender", "genre"])


def test_quotes_keep_what_is_inside() -> None:
    said = {"the field": 'it\'s a "so, (called) = sign"'}
    assert parse("""'the field' = 'it''s a "so, (called) = sign"'""").holds(said)
    assert parse('''"the field" = "it's a ""so, (called) = sign"""''').holds(said)
    assert not parse("price = '40'").holds({"price": 40.0}), "in quotes a value is a text, and JSON writes 40.0"


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        parse(text).holds(SHOE)
    except ConditionError as error:
        assert "column" in str(error)
