"""LongVideoBench as it is downloaded: frames with what is said between them, and what is said of bad rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from elva.clips import Clip
from elva.errors import DataError, DataErrors
from elva.reasoning.long_video_bench import benchmark
from elva.reasoning.questions import Question
from filmed import moving, save_folder
from questioned import long_video_row, long_videos


def only(root: Path, **options: Any) -> Question:
    (part,) = benchmark(root, **options).parts
    (question,) = part.questions
    return question


def test_what_is_said_stands_behind_the_frames_that_are_seen_before_it(tmp_path: Path) -> None:
    """4 frames at 0, 3, 6 and 9 seconds: "stop" is said at the second one, "and go" from the third one on."""
    question = only(long_videos(tmp_path, long_video_row()), frames=4)
    video = tmp_path / "videos/v.gif"
    told = [part.text if part.text is not None else part.video for part in question.item.parts]
    assert told[:-1] == [
        Clip(video, 4, part=(0, 2)),
        "stop\n",
        Clip(video, 4, part=(2, 3)),
        "and go\n",
        Clip(video, 4, part=(3, 4)),
        "the end\n",
    ]
    assert str(told[-1]).startswith("Where is the square when the man says stop?\nA. left\nB. right\n")
    assert (question.answer, question.letters) == ("B", "ABCDE")
    assert question.groups == {"category": "T2E", "duration": "15 s"}


def test_without_subtitles_the_video_is_one_clip(tmp_path: Path) -> None:
    long_videos(tmp_path, long_video_row())
    (tmp_path / "subtitles/v_en.json").unlink()
    question = only(tmp_path, frames=4, subtitles=False)
    assert [part.modality for part in question.item.parts] == ["video", "text"]
    assert question.item.parts[0].video == Clip(tmp_path / "videos/v.gif", 4)
    with pytest.raises(DataErrors, match=r"subtitle_path: subtitles/v_en.json is missing"):
        benchmark(tmp_path)


def test_a_folder_of_frames_may_stand_for_a_video_file(tmp_path: Path) -> None:
    long_videos(tmp_path, long_video_row(video_path="long.mp4"))
    save_folder(tmp_path / "videos/long", moving(3))
    assert only(tmp_path, subtitles=False).item.parts[0].video == Clip(tmp_path / "videos/long", 16)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"correct_choice": 5}, r"\[1\]\.correct_choice: 5 is no option; write a number from 0 to 4"),
        ({"correct_choice": "@"}, r"\[1\]\.correct_choice: '@' is not a whole number"),
        ({"candidates": ["one"]}, r"\[1\]\.candidates: 1 options"),
        ({"duration": 0}, r"\[1\]\.duration: 0 seconds"),
        ({"id": "v_0"}, r"\[1\]\.id: v_0 comes twice"),
        ({"video_path": "/etc/hosts"}, r"\[1\]\.video_path: '/etc/hosts' leaves the folder"),
        ({"question": ""}, r"\[1\]\.question: '' is not a text"),
    ],
)
def test_a_bad_row_is_told_with_place_and_field(changed: dict[str, Any], told: str, tmp_path: Path) -> None:
    long_videos(tmp_path, long_video_row(), long_video_row(**{"id": "v_1", **changed}))
    with pytest.raises(DataErrors, match=r"lvb_val\.json: " + told):
        benchmark(tmp_path)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ([{"timestamp": [1], "text": "a"}], r"v_en\.json: \[0\]\.timestamp: 1 times"),
        ([{"start": "soon", "end": "00:00:01.0", "line": "a"}], r"\[0\]\.start: 'soon' is no time"),
        ([3], r"\[0\]: no 'start'"),
    ],
)
def test_bad_subtitles_are_told_with_their_own_file(said: Any, told: str, tmp_path: Path) -> None:
    with pytest.raises(DataErrors, match=told):
        benchmark(long_videos(tmp_path, long_video_row(), said=said))


def test_a_file_that_is_missing_or_no_json_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"lvb_val\.json is missing"):
        benchmark(tmp_path)
    (tmp_path / "lvb_val.json").write_text("[{")
    with pytest.raises(DataError, match="this is no JSON"):
        benchmark(tmp_path)
