"""`elva mrbench build` may be killed at any moment: the same command goes on, and asks again what was on its way."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from crash.processes import finish, kill_when, line_count, start
from judging import write_root
from loopback import Server, said

AT_ONCE = 8


def slow(body: dict[str, Any], _: int) -> tuple[int, Any]:
    """Every word of the query's text is an entity; of a picture alone, two things are."""
    time.sleep(0.05)
    words = body["messages"][0]["content"][-1]["text"].splitlines()[0].split()
    return said(json.dumps([{"kind": "entity", "text": word} for word in words[:3]]))


def content(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_killed_build_leaves_the_bytes_of_an_uninterrupted_one(tmp_path: Path) -> None:
    root = write_root(tmp_path / "root")
    with Server(slow) as server:

        def command(out: Path) -> list[str]:
            asked = ["--endpoint", server.url, "--endpoint-model", "m", "--dataset", "mrbench", "--total", "60"]
            return [sys.executable, "-m", "elva", "mrbench", "build", str(root), "--out", str(out), *asked]

        whole, parts = tmp_path / "whole", tmp_path / "parts"
        assert finish(os.execv, sys.executable, command(whole)) == 0
        count = len(server.asked)
        answers = tmp_path / "parts.answers.jsonl"
        codes = []
        for kept in (5, 30):
            process = start(os.execv, sys.executable, command(parts))
            codes.append(kill_when(process, lambda n=kept: answers.exists() and line_count(answers) >= n, 0.01))
        assert -signal.SIGKILL in codes
        assert finish(os.execv, sys.executable, command(parts)) == 0
        assert content(parts) == content(whole)
        assert len(server.asked) - count <= count + 2 * AT_ONCE
    assert not [*tmp_path.glob(".*")], "nothing half-written is left"
