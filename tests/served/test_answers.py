"""Answers are kept as they come and outlive whoever asked."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from elva.errors import DataError, FolderInUse
from elva.served.answers import Answers


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


def test_threads_may_bring_answers_at_once(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    with Answers(path) as answers, ThreadPoolExecutor(8) as threads:
        for done in [threads.submit(answers.put, f"{n}", "9:1", "x" * 1000) for n in range(100)]:
            done.result()
    with Answers(path) as answers:
        assert len(answers) == 100
