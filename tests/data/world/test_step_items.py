"""Questions with steps: every dimension, answers that what happens bears out, steps with types and times."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from random import Random

import numpy as np
import pytest

from elva.clips import Clip, frames_of
from elva.data.world.step_items import BEATS, DIMENSIONS, write_items
from elva.data.world.stories import Role, Story, starts
from elva.data.world.story_film import box, film_story


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("items")
    assert write_items(out, 8, 0, lambda part, done: None) == 8 * len(DIMENSIONS)
    return out / "reasoning/vcr-bench"


@pytest.fixture(scope="module")
def rows(root: Path) -> list[dict[str, object]]:
    return json.loads((root / "meta_info_video.json").read_text())


def test_every_dimension_is_asked_as_often_on_clips_of_eight_seconds(root: Path, rows: list) -> None:
    assert {*Counter(row["dimension"] for row in rows).values()} == {8} and len(rows) == 56
    assert len({row["id"] for row in rows}) == len(rows)
    for row in rows:
        assert len(frames_of(Clip(root / row["video_path"]))) == row["duration"] == 2 * (BEATS + 1)


def test_choices_are_letters_of_different_options_and_stand_in_the_question(rows: list) -> None:
    for row in rows:
        choices = row["choices"] or {}
        assert row["multiple-choice"] == bool(choices)
        assert len({*choices.values()}) == len(choices)
        assert all(f"\n{letter}. {option}" in row["question"] for letter, option in choices.items())
        assert not choices or row["answer"] in choices
    letters = Counter(row["answer"] for row in rows if row["multiple-choice"])
    assert {*letters.values()} == {6}, "8 of each of three dimensions, in turn"


def test_steps_are_numbered_typed_and_end_in_the_answer(rows: list) -> None:
    for row in rows:
        types = row["reasoning_types"]
        assert len(types) == len(row["reasoning"]) and types[:BEATS] == ["perception"] * BEATS
        for place, (step, kind) in enumerate(zip(row["reasoning"], types, strict=True), 1):
            timed = re.fullmatch(rf"{place}\. (0:0\d-0:0\d, )?\S.*\.", step)
            assert timed and (timed[1] is not None) == (kind == "perception"), step
        said = row["choices"][row["answer"]] if row["multiple-choice"] else row["answer"]
        assert row["reasoning"][-1].endswith(f"So the answer is {said}.")


def test_open_answers_follow_from_the_steps(rows: list) -> None:
    for row in rows:
        seen = row["reasoning"][:BEATS]
        if row["dimension"] == "Video Temporal Counting":
            assert row["answer"] == str(sum("moving" in step for step in seen))
        if row["dimension"] == "Video Temporal Grounding":
            action = re.search(r"is the \w+ \w+ (.*)\?", row["question"])[1]
            (step,) = (step for step in seen if step.endswith(f": {action}."))
            first, last = json.loads(row["answer"])
            assert f"0:0{first}-0:0{last}, " in step


def test_beats_lie_where_the_frames_change(root: Path, rows: list) -> None:
    for row in rows[:14]:
        frames = [np.asarray(frame.convert("RGB"), int) for frame in frames_of(Clip(root / row["video_path"]))]
        for beat, step in enumerate(row["reasoning"][:BEATS]):
            first = int(step.split("-")[0][-1])
            assert first == 2 * beat + 1
            changed = (np.abs(frames[first] - frames[first + 1]).max(axis=2) > 25).sum()
            assert (changed >= 8) != ("still" in step), step


def test_a_box_is_the_edge_of_what_is_drawn() -> None:
    for seed in range(20):
        rng = Random(seed)
        done = ("turning", "growing", "moving left")
        role = Role("arrow", "red", "striped", done, *starts([done], rng))
        story = Story((role,), "white")
        (frame,) = film_story(story, [3.0], Random(seed))
        picture = np.asarray(frame, int)
        rows, columns = np.nonzero(np.abs(picture - picture[0, 0]).max(axis=2) > 25)
        drawn = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
        assert np.abs(np.subtract(box(story, 0, 3.0, Random(seed)), drawn)).max() <= 1


def test_grounding_in_space_names_a_box_in_the_picture(rows: list) -> None:
    for row in rows:
        if row["dimension"] == "Temporal Spatial Grounding":
            left, top, right, bottom = json.loads(row["answer"])
            assert 0 < left < right < 64 and 0 < top < bottom < 64
