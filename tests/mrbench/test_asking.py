"""Answers of models are read as far as they can be, and never raise."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.building import picture
from elva.data.records import Query
from elva.errors import MediaMissing
from elva.grains import Grain
from elva.items import Item
from elva.mrbench.asking import answer_key, read_answer


def query(text: str | None, image: str | None = None) -> Query:
    modality = "text" if image is None else "image" if text is None else "image,text"
    return Query("9:1", text, image, modality, ("9:2",), (), 0)


def test_words_of_the_text_get_their_place_and_the_text_without_them() -> None:
    answer = '[{"kind": "attribute", "text": "brown"}, {"kind": "entity", "text": "dog"}]'
    read = read_answer(answer, query("a brown dog on a sofa"))
    assert [(grain.kind, grain.text, grain.span) for grain in read.grains] == [
        ("attribute", "brown", (2, 7)),
        ("entity", "dog", (8, 11)),
    ]
    assert read.grains[0].masked_txt == "a dog on a sofa"
    assert (read.dropped, read.readable) == (0, True)


def test_words_said_twice_are_two_grains_at_two_places() -> None:
    answer = '[{"kind": "attribute", "text": "red"}, {"kind": "attribute", "text": "red"}]'
    read = read_answer(answer, query("a red cat and a red dog"))
    assert [grain.span for grain in read.grains] == [(2, 5), (16, 19)]


def test_grains_come_in_the_order_of_the_text_whatever_the_order_of_the_answer() -> None:
    answer = '{"kind": "entity", "text": "sofa"} {"kind": "entity", "text": "dog"}'
    assert [grain.text for grain in read_answer(answer, query("a dog on a sofa")).grains] == ["dog", "sofa"]


def test_of_a_text_alone_nothing_is_taken_that_it_does_not_say() -> None:
    answer = '[{"kind": "entity", "text": "cat"}, {"kind": "entity", "text": "dog"}]'
    read = read_answer(answer, query("a dog"))
    assert [grain.text for grain in read.grains] == ["dog"]
    assert read.dropped == 1


def test_what_only_the_picture_shows_has_no_place() -> None:
    answer = (
        '{"kind": "action", "text": "run"} {"kind": "entity", "text": "Meadow"} {"kind": "entity", "text": "meadow"}'
    )
    read = read_answer(answer, query("make it run", "a.jpg"))
    assert [(grain.text, grain.span) for grain in read.grains] == [("run", (8, 11)), ("Meadow", None)]
    assert read.dropped == 1, "given twice"


def test_words_that_overlap_a_grain_of_the_text_are_not_the_picture_s() -> None:
    answer = '[{"kind": "entity", "text": "dog"}, {"kind": "entity", "text": "brown dog"}]'
    read = read_answer(answer, query("a brown dog", "a.jpg"))
    assert [grain.text for grain in read.grains] == ["dog"]


@pytest.mark.parametrize(
    ("answer", "grains"),
    [
        ('Here they are:\n```json\n[{"kind": "Entity", "text": " dog "}]\n```', ["dog"]),
        ('[{"kind": "entity", "text": "dog"}, {"kind": "ent', ["dog"]),
        ('[{"kind": "mood", "text": "dog"}, {"kind": "entity", "text": ""}]', []),
        ('{"kind": 3, "text": null}', []),
        ("I can't help with that.", []),
        ("", []),
    ],
)
def test_prose_cut_ends_and_other_kinds_do_no_harm(answer: str, grains: list[str]) -> None:
    assert [grain.text for grain in read_answer(answer, query("a dog")).grains] == grains


def test_an_answer_without_any_grain_is_unreadable() -> None:
    assert not read_answer("no", query("a dog")).readable
    assert read_answer('{"kind": "mood", "text": "x"}', query("a dog")).readable


@given(
    answer=st.text()
    | st.lists(st.fixed_dictionaries({"kind": st.sampled_from(["entity", "x"]), "text": st.text()})).map(str)
)
def test_no_answer_raises(answer: str) -> None:
    for asked in (query("a dog runs"), query(None, "a.jpg"), query("it runs", "a.jpg")):
        read = read_answer(answer.replace("'", '"'), asked)
        assert all(isinstance(grain, Grain) and grain.text for grain in read.grains)
        assert read.dropped >= 0


def test_the_key_follows_from_who_is_asked_what_about_which_content(tmp_path: Path) -> None:
    one, same, other = (picture(tmp_path / f"{n}.png", n // 2) for n in range(3))
    key = answer_key("m", "q", Item("text", one))
    assert key == answer_key("m", "q", Item("text", same))
    others = [("n", "q", Item("text", one)), ("m", "r", Item("text", one)), ("m", "q", Item("texts", one)),
              ("m", "q", Item("text", other)), ("m", "q", Item("text")), ("m", "q", Item(None, one))]  # fmt: skip
    assert len({key, *(answer_key(*each) for each in others)}) == 7
    with pytest.raises(MediaMissing, match="gone"):
        answer_key("m", "q", Item(None, tmp_path / "gone.png"))
