from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.building import candidate, query
from elva.data.records import (
    MODALITIES,
    Candidate,
    NearMiss,
    Query,
    RowProblem,
    candidate_from_row,
    candidate_to_row,
    query_from_row,
    query_to_row,
)
from elva.grains import Grain

words = st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(str.strip)
paths = st.text("abc/._-", min_size=1).filter(lambda path: not path.startswith("/") and ".." not in path.split("/"))
ids = st.builds("{}:{}".format, st.integers(0, 2000), st.integers(0, 10**9))
id_lists = st.lists(ids, unique=True, max_size=4).map(tuple)
misses = st.lists(st.builds(NearMiss, ids, words), max_size=3).map(tuple)

PARTS = {"text": words, "image": paths, "video": paths}


@st.composite
def contents(draw: st.DrawFn) -> tuple[str | None, str | None, Any, str | None]:
    modality = draw(st.sampled_from(MODALITIES))
    text, image, video = (draw(value) if part in modality else None for part, value in PARTS.items())
    return text, image, modality, video


@st.composite
def queries(draw: st.DrawFn) -> Query:
    text, image, modality, video = draw(contents())
    positives = draw(id_lists)
    grains = [Grain("kind", draw(words))]
    if text is not None:
        grains.append(Grain("colour", text, (0, len(text)), draw(words)))
    return Query(
        draw(ids),
        text,
        image,
        modality,
        positives,
        tuple(did for did in draw(id_lists) if did not in positives),
        draw(st.sampled_from([0, 3, 8])),
        tuple(draw(st.permutations(grains))),
        draw(misses),
        draw(st.none() | words),
        draw(st.none() | words),
        video,
    )


@given(queries())
def test_a_query_survives_its_row(one: Query) -> None:
    assert query_from_row(json.loads(json.dumps(query_to_row(one))), one.task) == one


@given(contents(), ids, st.none() | words)
def test_a_candidate_survives_its_row(
    content: tuple[str | None, str | None, Any, str | None], did: str, source: str | None
) -> None:
    text, image, modality, video = content
    one = Candidate(did, text, image, modality, source, video)
    assert candidate_from_row(json.loads(json.dumps(candidate_to_row(one)))) == one


def test_positives_may_be_strings_or_objects() -> None:
    mixed = query(1, pos_cand_list=["9:1", {"did": "9:2"}, {"did": "9:1"}])
    assert query_from_row(mixed, 0).positives == ("9:1", "9:2")


@pytest.mark.parametrize("spelling", ["image,text", "text,image"])
def test_both_spellings_of_the_mixed_modality_are_one(spelling: str) -> None:
    row = candidate(1, modality=spelling, txt="a")
    assert candidate_from_row(row).modality == "image,text"
    asked = query(1, query_modality=spelling, query_img_path="a.png")
    assert query_from_row(asked, 7).modality == "image,text"


def test_a_row_of_published_form_has_no_field_of_a_video() -> None:
    assert query_to_row(query_from_row(query(1), 0)) == query(1)
    assert candidate_to_row(candidate_from_row(candidate(1))) == candidate(1)
    film = candidate(1, img_path=None, modality="video", video_path="clips/1")
    assert candidate_to_row(candidate_from_row(film)) == film
    assert (
        len({candidate_from_row(candidate(1, modality="video", img_path=None, video_path=v)).content for v in "ab"})
        == 2
    )


def test_the_task_comes_from_the_file_else_from_the_row_else_is_unknown() -> None:
    assert query_from_row(query(1, task_id=3), 0).task == 0
    assert query_from_row(query(1, task_id=3), None).task == 3
    assert query_from_row(query(1), None).task == -1


def test_a_positive_is_never_a_negative_too() -> None:
    row = query(1, pos_cand_list=["9:1"], neg_cand_list=["9:1", "9:2"])
    assert query_from_row(row, 0).negatives == ("9:2",)


def test_absent_keys_and_empty_strings_are_null() -> None:
    one = candidate_from_row({"did": "2:1", "txt": " ", "img_path": "a.png", "modality": "image"})
    assert (one.text, one.source) == (None, None)


def test_source_objects_are_kept_as_json() -> None:
    assert candidate_from_row(candidate(1, src_content={"id": 7})).source == '{"id": 7}'


def test_positives_of_another_dataset_are_read() -> None:
    one = query_from_row(query(1, qid="6:1", pos_cand_list=["5:9", "6:2"]), 6)
    assert one.dataset_id == 6
    assert one.positives == ("5:9", "6:2")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"qid": None}, "qid"),
        ({"qid": 7}, "qid"),
        ({"qid": "7"}, "qid"),
        ({"qid": "a:1"}, "qid"),
        ({"qid": "1: 2"}, "qid"),
        ({"query_txt": ""}, "query_txt"),
        ({"query_txt": 5}, "query_txt"),
        ({"query_txt": "half \ud800"}, "query_txt"),
        ({"query_modality": "audio"}, "query_modality"),
        ({"query_modality": None}, "query_modality"),
        ({"query_modality": ["text"]}, "query_modality"),
        ({"query_modality": "image"}, "query_img_path"),
        ({"query_img_path": "a.png"}, "query_modality"),
        ({"query_modality": "image", "query_img_path": "../a.png"}, "query_img_path"),
        ({"query_modality": "image", "query_img_path": "/etc/a.png"}, "query_img_path"),
        ({"query_modality": "video"}, "query_video_path"),
        ({"query_video_path": "a.mp4"}, "query_modality"),
        ({"query_modality": "video", "query_video_path": "a.mp4"}, "query_modality"),
        ({"query_modality": "video", "query_txt": None, "query_video_path": "../a.mp4"}, "query_video_path"),
        ({"pos_cand_list": "9:1"}, "pos_cand_list"),
        ({"pos_cand_list": [9]}, "pos_cand_list"),
        ({"pos_cand_list": [{"id": "9:1"}]}, "pos_cand_list"),
        ({"neg_cand_list": {"did": "9:1"}}, "neg_cand_list"),
        ({"task_id": "0"}, "task_id"),
        ({"grains": [{"kind": "colour"}]}, "grains"),
        ({"grains": "colour"}, "grains"),
        ({"grains": [{"kind": "a", "text": "b", "span": [0, 99]}]}, "grains"),
        ({"grains": [{"kind": "a", "text": "b", "span": [2, 1]}]}, "grains"),
        ({"grains": [{"kind": "a", "text": "b", "span": [1]}]}, "grains"),
        ({"grains": [{"kind": "a", "text": "b", "masked_txt": " "}]}, "grains"),
        ({"near_misses": [{"did": "9:1"}]}, "near_misses"),
        ({"near_misses": ["9:1"]}, "near_misses"),
        ({"near_misses": 7}, "near_misses"),
        ({"paraphrase_txt": 7}, "paraphrase_txt"),
    ],
)
def test_a_bad_field_is_named(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(RowProblem) as caught:
        query_from_row(query(1, **changes), None)
    assert caught.value.field == field


@given(
    st.dictionaries(
        st.sampled_from([*query(1), "query_video_path", "grains", "near_misses", "task_id"]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(st.sampled_from(["did", "kind", "text", "span"]), inner, max_size=3)
            ),
            max_leaves=8,
        ),
    )
)
def test_any_json_object_gives_a_query_or_a_named_problem(row: dict[str, Any]) -> None:
    try:
        query_from_row(query(1) | row, None)
    except RowProblem as problem:
        assert problem.fix
