"""Judging answers may be killed at any moment: the same command goes on, and leaves the same bytes."""

from __future__ import annotations

import random
import signal
from pathlib import Path

from crash import child
from crash.processes import finish, kill_when, line_count, start
from questioned import save, validation_row

BLOCK = 8


def content(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_killed_evaluation_leaves_the_bytes_of_an_uninterrupted_one(tmp_path: Path) -> None:
    chance = random.Random(1)
    root = save(tmp_path / "data", "validation_L1", [validation_row(number) for number in range(80)])
    whole, parts, answers = tmp_path / "whole", tmp_path / "parts", tmp_path / "parts.answers.jsonl"
    assert finish(child.answer, root, whole, BLOCK) == 0
    codes = []
    for kept in (1, 5):
        process = start(child.answer, root, parts, BLOCK)
        codes.append(kill_when(process, lambda n=kept: line_count(answers) >= n, chance.uniform(0, 0.02)))
    assert -signal.SIGKILL in codes
    assert finish(child.answer, root, parts, BLOCK) == 0
    assert content(parts) == content(whole)
    assert line_count(answers) == 10
    assert not [*tmp_path.glob(".*")], "nothing half-written is left"
