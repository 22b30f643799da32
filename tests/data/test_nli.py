from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.building import rows
from elva.data.nli import Triple, read_triples, write_triples
from elva.data.rows import Rows
from elva.errors import DataError, DataErrors

sentences = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1).filter(str.strip)
triples = st.builds(Triple, sentences, sentences, st.none() | sentences)


@given(many=st.lists(triples, min_size=1, max_size=5))
def test_triples_survive_the_file(many: list[Triple], tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("nli") / "triples.csv"
    assert read_triples(write_triples(path, many)) == many


def test_none_and_na_are_words(tmp_path: Path) -> None:
    path = rows(tmp_path / "nli.csv", "sent0,sent1,hard_neg", "None,NA,null", "nan,N/A,")
    assert read_triples(path) == [Triple("None", "NA", "null"), Triple("nan", "N/A", None)]


def test_json_lines_are_read_too(tmp_path: Path) -> None:
    path = rows(
        tmp_path / "nli.jsonl",
        {"sent0": "a", "sent1": "b", "hard_neg": "c"},
        {"sent0": "a", "sent1": "b"},
    )
    assert read_triples(path) == [Triple("a", "b", "c"), Triple("a", "b", None)]


def test_sentences_may_hold_commas_quotes_and_line_ends(tmp_path: Path) -> None:
    path = rows(tmp_path / "nli.csv", "sent0,sent1,hard_neg", '"a, ""b""\nc",d,e', "f,,g")
    with pytest.raises(DataErrors) as caught:
        read_triples(path)
    assert [error.line for error in caught.value.errors] == [4]
    assert read_triples(path, Rows(skip_bad=True)) == [Triple('a, "b"\nc', "d", "e")]


@pytest.mark.parametrize(
    ("line", "found"),
    [
        (b"a,b", "2 cells instead of 3"),
        (b",b,c", "empty"),
        (b"a,\xff,c", "not UTF-8"),
    ],
)
def test_bad_rows_are_reported_or_counted(tmp_path: Path, line: bytes, found: str) -> None:
    path = rows(tmp_path / "nli.csv", "sent0,sent1,hard_neg", "a,b,c", line)
    with pytest.raises(DataErrors, match=rf"nli\.csv:3: .*{found}"):
        read_triples(path)
    tally = Rows(skip_bad=True)
    assert read_triples(path, tally) == [Triple("a", "b", "c")]
    assert tally.skipped == {path: 1}


def test_other_columns_are_an_error(tmp_path: Path) -> None:
    path = rows(tmp_path / "nli.csv", "premise,hypothesis", "a,b")
    with pytest.raises(DataError, match="name the columns sent0, sent1, hard_neg"):
        read_triples(path)
