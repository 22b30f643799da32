"""SEED-Bench-R1 as it is downloaded: what is asked, and what is said of bad rows and missing files."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from elva.clips import Clip, frames_of
from elva.errors import DataError, DataErrors, InputError
from elva.reasoning.media import Missing, usable
from elva.reasoning.seed_bench_r1 import MEDIA, parsed_questions
from questioned import save, taught_row, training_row, validation_row


def test_a_question_shows_the_video_then_the_picture_then_asks(tmp_path: Path) -> None:
    save(tmp_path, "validation_L3", [validation_row(2, domain="Work")])
    (question,) = parsed_questions(tmp_path, "validation_L3", frames=2)
    video, picture, text = question.item.parts
    assert video.video == Clip(tmp_path / "videos/World/v2.gif", 2, 2.0)
    assert len(frames_of(video.video)) == 2
    assert picture.image == tmp_path / "images/World/v2.png"
    assert text.text is not None
    assert text.text.startswith("What comes next?\nA. red\nB. lime\nC. blue\nD. black\n")
    assert "<think>" in text.text
    assert (question.key, question.answer, question.letters) == ("2", "C", "ABCD")
    assert question.groups == {"level": "L3", "domain": "work"}
    assert question.response is None


def test_a_kind_that_is_the_domain_is_told_once(tmp_path: Path) -> None:
    rows = [validation_row(0, domain="order", kind="order"), validation_row(1, kind="order")]
    save(tmp_path, "validation_L3", rows)
    groups = [each.groups for each in parsed_questions(tmp_path, "validation_L3")]
    assert groups == [{"level": "L3", "domain": "order"}, {"level": "L3", "kind": "order"}]


def test_where_nothing_was_done_yet_there_is_no_video(tmp_path: Path) -> None:
    row = validation_row(1, task_progress_metadata=[])
    del row["video_basename"]
    save(tmp_path, "validation_L1", [row])
    (question,) = parsed_questions(tmp_path, "validation_L1")
    assert [part.modality for part in question.item.parts] == ["image", "text"]


def test_training_draws_three_wrong_answers_and_their_order_by_the_seed_and_the_sample(tmp_path: Path) -> None:
    save(tmp_path, "training_6k", [training_row(number) for number in range(200)])
    questions = parsed_questions(tmp_path, "training_6k")
    again, other = (parsed_questions(tmp_path, "training_6k", seed=seed) for seed in (0, 1))
    assert questions == again
    assert questions != other
    assert all(each.choices["ABCD".index(each.answer)] == "lime" and len({*each.choices}) == 4 for each in questions)
    assert min(Counter(each.answer for each in questions).values()) > 30
    assert {choice for each in questions for choice in each.choices} == {"lime", *training_row(0)["negative_answers"]}
    save(tmp_path, "training_6k", [training_row(number) for number in (7, 3)])
    assert [each.choices for each in parsed_questions(tmp_path, "training_6k")] == [
        questions[7].choices,
        questions[3].choices,
    ]


def test_a_wrong_answer_that_is_the_right_one_is_not_drawn(tmp_path: Path) -> None:
    save(tmp_path, "training_6k", [training_row(1, negative_answers=["lime", "red", "red", "blue", "black"])])
    (question,) = parsed_questions(tmp_path, "training_6k")
    assert sorted(question.choices) == ["black", "blue", "lime", "red"]


def test_what_is_to_be_written_is_asked_by_the_prompt_of_its_row(tmp_path: Path) -> None:
    save(tmp_path, "training_with_cot_6k", [taught_row(1)])
    (question,) = parsed_questions(tmp_path, "training_with_cot_6k")
    assert question.item.parts[-1].text == taught_row(1)["prompt"]
    assert question.choices == ("red", "lime", "blue", "black")
    assert (question.answer, question.response) == ("B", taught_row(1)["response"])


def test_a_prompt_without_options_asks_an_open_question(tmp_path: Path) -> None:
    save(tmp_path, "training_base", [taught_row(1, prompt="What happens?", answer="it turns", response="it turns")])
    (question,) = parsed_questions(tmp_path, "training_base")
    assert (question.choices, question.answer, question.response) == ((), "it turns", "it turns")


BAD: list[tuple[dict[str, Any], str]] = [
    (validation_row(1, golden_choice_idx="E"), r":2: golden_choice_idx: 'E' is no option; write one of A, B, C, D"),
    (validation_row(1, answer="red"), r":2: answer: 'red' is not option B"),
    (validation_row(1, choice_c=" "), r":2: choice_c: ' ' is not a text"),
    (validation_row(1, question=None), r":2: question: None is not a text"),
    (validation_row(1, sample_id=0), r":2: sample_id: 0 comes twice"),
    (validation_row(1, sample_id=None), r":2: sample_id: None is not a text"),
    (validation_row(1, video_basename="../v.gif"), r":2: video_basename: '../v.gif' leaves the folder"),
    (validation_row(1, task_progress_metadata="none"), r":2: task_progress_metadata: 'none' is not a list"),
    ({"sample_id": 1}, r":2: no '\w+'; every one has it"),
    (training_row(1, negative_answers=["red", "lime"]), r":2: negative_answers: 1 wrong answers, where 3 are needed"),
    (training_row(1, answer=3), r":2: answer: 3 is not a text"),
    (taught_row(1, answer="white"), r":2: answer: 'white' is none of the prompt's options"),
    (taught_row(1, prompt="What is next?\nB. lime"), r":2: prompt: options B; write A. to the first"),
    (taught_row(1, response="<answer>E.</answer>"), r":2: response: the response chooses none of the options"),
    (taught_row(1, response="prose"), r":2: response: the response chooses none of the options"),
]


@pytest.mark.parametrize(("row", "told"), BAD)
def test_a_bad_row_is_told_with_line_and_field(row: dict[str, Any], told: str, tmp_path: Path) -> None:
    save(tmp_path, "validation_L1", [validation_row(0), row])
    with pytest.raises(DataErrors, match=r"validation_L1\.jsonl" + told):
        parsed_questions(tmp_path, "validation_L1")


def test_all_bad_rows_are_told_at_once_in_their_order(tmp_path: Path) -> None:
    save(tmp_path, "validation_L1", [validation_row(0), validation_row(0), validation_row(1, answer=None)])
    with (tmp_path / "annotations/validation_L1.jsonl").open("a") as file:
        file.write("{half of a row\n")
    with pytest.raises(DataErrors, match="3 bad places") as caught:
        parsed_questions(tmp_path, "validation_L1")
    assert [error.line for error in caught.value.errors] == [2, 3, 4]


def test_a_file_that_is_missing_or_empty_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"annotations/validation_L2\.jsonl is missing"):
        parsed_questions(tmp_path, "validation_L2")
    save(tmp_path, "validation_L2", [])
    with pytest.raises(DataError, match="no row"):
        parsed_questions(tmp_path, "validation_L2")


def test_missing_and_damaged_files_are_told_in_one_line_with_counts(tmp_path: Path) -> None:
    save(tmp_path, "validation_L1", [validation_row(number) for number in range(4)])
    (tmp_path / "videos/World/v1.gif").unlink()
    (tmp_path / "images/World/v1.png").unlink()
    (tmp_path / "images/World/v2.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match="3 of 8 files can't be used, for one") as caught:
        usable("set", parsed_questions(tmp_path, "validation_L1"), MEDIA, skip=False)
    assert "\n" not in str(caught.value)
    assert "or leave out the questions that need them: 2 of 4" in str(caught.value)
    left, missing = usable("set", parsed_questions(tmp_path, "validation_L1"), MEDIA, skip=True)
    assert [each.key for each in left] == ["0", "3"]
    assert missing == Missing(8, 3, 2)


def test_where_no_question_is_left_the_set_is_refused(tmp_path: Path) -> None:
    save(tmp_path, "validation_L1", [validation_row(0)])
    (tmp_path / "images/World/v0.png").unlink()
    with pytest.raises(InputError, match="nothing is left"):
        usable("set", parsed_questions(tmp_path, "validation_L1"), MEDIA, skip=True)
