"""VCR-Bench is read as it is published, and bad rows are told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from elva.clips import Clip
from elva.errors import DataError, DataErrors
from elva.reasoning.vcr_bench import read_questions
from elva.reasoning.vcr_bench.reading import group_of
from judged_videos import STEPS, choice_row, row, save


def test_a_question_shows_its_video_then_asks_with_the_times_of_the_frames(tmp_path: Path) -> None:
    (read,) = read_questions(save(tmp_path, [row(7)]), frames=3)
    video, asked = read.question.item.parts
    assert video.video == Clip(tmp_path / "videos/1.png", 3)
    question, shown, how = (asked.text or "").splitlines()
    assert question == "Where does the square move?"
    assert shown == "The video is shown at 0:00, 0:01, 0:01.5."
    assert "step by step" in how
    assert (read.key, read.answer, read.steps, read.question.choices) == ("7", "right", STEPS, ())
    assert read.question.groups == {"dimension": "Video Temporal Counting", "duration": "60-300"}


def test_options_are_added_only_where_the_question_lacks_them(tmp_path: Path) -> None:
    with_them, without = read_questions(save(tmp_path, [choice_row(0), choice_row(1, question="Where to?")]))
    assert with_them.words == "Where does it move?A. left\nB. right\nC. up\nD. down"
    assert without.words == "Where to?\nA. left\nB. right\nC. up\nD. down"
    assert (without.question.choices, without.answer) == (("left", "right", "up", "down"), "B")


def test_a_video_that_is_not_there_is_left_to_who_looks_at_it(tmp_path: Path) -> None:
    (read,) = read_questions(save(tmp_path, [row(0, video_path="videos/gone.png")]))
    assert "shown at" not in (read.question.item.parts[1].text or "")


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"answer": "E"}, r"\[1\]\.answer: 'E' is no option; write one of A, B, C, D"),
        ({"answer": "AB"}, "'AB' is no option"),
        ({"choices": ""}, "'' is not an object"),
        ({"choices": {"A": "left", "C": "up"}}, "options A, C; call the first one A"),
        ({"choices": {"A": ""}}, "options none"),
        ({"reasoning": []}, "no step"),
        ({"reasoning": [""]}, r"reasoning\[0\]: '' is not a text"),
        ({"duration": "long"}, "'long' is not a number"),
        ({"multiple-choice": "yes"}, "'yes'; write true or false"),
        ({"video_path": "../a.mp4"}, "leaves the folder"),
        ({"id": 0}, "0 comes twice"),
        ({"question": None}, "None is not a text"),
    ],
)
def test_a_bad_row_is_told_with_its_place(tmp_path: Path, changed: dict[str, Any], told: str) -> None:
    with pytest.raises(DataErrors, match=told):
        read_questions(save(tmp_path, [choice_row(0), choice_row(1, **changed)]))


def test_a_file_that_is_missing_or_torn_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"meta_info_video\.json is missing"):
        read_questions(tmp_path)
    path = save(tmp_path, [row(0)]) / "meta_info_video.json"
    path.write_text(path.read_text()[:-9])
    with pytest.raises(DataError, match="this is no JSON"):
        read_questions(tmp_path)
    for content in ({}, []):
        path.write_text(json.dumps(content))
        with pytest.raises(DataError, match=r"not a list|no row"):
            read_questions(tmp_path)


def test_durations_fall_into_the_published_groups() -> None:
    assert [group_of(seconds) for seconds in (0, 60, 60.5, 300, 301)] == ["0-60", "0-60", "60-300", "60-300", "300+"]
