"""Files of decisions: what counts, and what is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from elva.data.records import Query
from elva.errors import DataError, InputError
from elva.grains import Grain
from elva.mrbench.decisions import SCHEMA, Review, dropped, read_reviews, sample_of

QUERY = Query("9:1", "a dog", None, "text", ("9:2",), (), 0, (Grain("entity", "dog", (2, 5), "a thing"),))


def saved(path: Path, by: str, *verdicts: tuple[str, bool], **changes: Any) -> Path:
    rows = [{"qid": qid, "shown": "x", "accepted": accepted} for qid, accepted in verdicts]
    path.write_text(json.dumps({"schema": SCHEMA, "reviewer": by, "decisions": rows} | changes))
    return path


def test_several_files_of_one_person_are_one_review(tmp_path: Path) -> None:
    one = saved(tmp_path / "1.json", "first", ("9:1", True))
    two = saved(tmp_path / "2.json", " first ", ("9:1", True), ("9:2", False))
    other = saved(tmp_path / "3.json", "Zoë", ("9:1", False))
    assert read_reviews([other, one, two]) == [
        Review("Zoë", {("9:1", "x"): False}),
        Review("first", {("9:1", "x"): True, ("9:2", "x"): False}),
    ]


def test_a_person_of_two_minds_is_asked_for_the_newer_file(tmp_path: Path) -> None:
    files = [saved(tmp_path / "1.json", "first", ("9:1", True)), saved(tmp_path / "2.json", "first", ("9:1", False))]
    with pytest.raises(InputError, match=r"2\.json: first decided 9:1 otherwise"):
        read_reviews(files)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"schema": "other"}, "schema"),
        ({"reviewer": " "}, "reviewer"),
        ({"decisions": {}}, "decisions"),
        ({"decisions": [{"qid": "9:1", "shown": "x", "accepted": "yes"}]}, "decisions"),
    ],
)
def test_another_file_is_refused(tmp_path: Path, changes: dict[str, Any], field: str) -> None:
    path = saved(tmp_path / "d.json", "first", **changes)
    with pytest.raises(DataError) as refused:
        read_reviews([path])
    assert refused.value.field == field


def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "d.json").write_text("{")
    for name in ("d.json", "absent.json"):
        with pytest.raises(DataError, match=name):
            read_reviews([tmp_path / name])


def test_a_sample_goes_unless_more_people_accept_it() -> None:
    def said(name: str, *verdicts: bool) -> Review:
        return Review(name, {(f"9:{n}", "x"): each for n, each in enumerate(verdicts)})

    reviews = [said("a", True, True, False, True), said("b", True, False, False, True), said("c", False)]
    assert dropped(reviews) == {("9:1", "x"), ("9:2", "x")}
    assert dropped([]) == frozenset()


def test_a_query_with_other_grains_or_answers_is_another_sample() -> None:
    others = [
        replace(QUERY, grains=(*QUERY.grains, Grain("attribute", "brown"))),
        replace(QUERY, positives=("9:3",)),
        replace(QUERY, text="a cat"),
    ]
    assert len({sample_of(QUERY), *map(sample_of, others)}) == 4
    assert sample_of(replace(QUERY, source="x", negatives=("9:9",))) == sample_of(QUERY)
