"""Answers are kept as they come and outlive whoever asked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from data.building import picture
from elva.errors import DataError, FolderInUse, MediaMissing
from elva.items import Item
from elva.mrbench.answers import Answers, answer_key


def test_what_was_put_is_there_for_the_next_process(tmp_path: Path) -> None:
    path = tmp_path / "new" / "answers.jsonl"
    with Answers(path) as answers:
        assert "a" not in answers
        answers.put("a", "9:1", "ä \n{}")
        assert answers["a"] == "ä \n{}"
        assert json.loads(path.read_text("utf-8"))["qid"] == "9:1", "on the disk at once"
    with Answers(path) as answers:
        assert answers["a"] == "ä \n{}"
        assert len(answers) == 1


def test_a_line_that_was_cut_off_is_removed_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    with Answers(path) as answers:
        answers.put("a", "9:1", "one")
        answers.put("b", "9:2", "two")
    whole = path.read_bytes()
    for cut in range(whole.index(b"\n") + 1, len(whole)):
        path.write_bytes(whole[:cut])
        with Answers(path) as answers:
            assert answers["a"] == "one"
            assert "b" not in answers
            answers.put("b", "9:2", "two")
        assert path.read_bytes() == whole


@pytest.mark.parametrize("line", ["no JSON", '{"key": "a"}', "[]"])
def test_another_file_is_refused_and_left_alone(tmp_path: Path, line: str) -> None:
    path = tmp_path / "other.jsonl"
    path.write_text(f'{{"key": "a", "answer": "b"}}\n{line}\n')
    with pytest.raises(DataError, match=r"other\.jsonl:2: this is no answer"), Answers(path):
        pass
    assert path.read_text().endswith(f"{line}\n")


def test_a_second_build_waits_for_another_file(tmp_path: Path) -> None:
    with Answers(tmp_path / "a.jsonl"), pytest.raises(FolderInUse, match="in use"), Answers(tmp_path / "a.jsonl"):
        pass


def test_the_key_follows_from_who_is_asked_what_about_which_content(tmp_path: Path) -> None:
    one, same, other = (picture(tmp_path / f"{n}.png", n // 2) for n in range(3))
    key = answer_key("m", "q", Item("text", one))
    assert key == answer_key("m", "q", Item("text", same))
    others = [("n", "q", Item("text", one)), ("m", "r", Item("text", one)), ("m", "q", Item("texts", one)),
              ("m", "q", Item("text", other)), ("m", "q", Item("text")), ("m", "q", Item(None, one))]  # fmt: skip
    assert len({key, *(answer_key(*each) for each in others)}) == 7
    with pytest.raises(MediaMissing, match="gone"):
        answer_key("m", "q", Item(None, tmp_path / "gone.png"))
