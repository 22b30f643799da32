"""`elva mine` may be killed at any moment: the same command goes on and leaves the same bytes."""

from __future__ import annotations

import os
import random
import signal
import sys
from pathlib import Path

import pytest

from chain import Chain
from crash import child
from crash.processes import finish, kill_when, line_count, start

BLOCK = 64


def work_done(out: Path) -> int:
    """Finished parts and blocks of vectors."""
    folder = out.with_name(out.name + ".unfinished")
    vectors = folder / "candidates.f32"
    blocks = vectors.stat().st_size // (BLOCK * 32 * 4) if vectors.exists() else 0
    return blocks + len(list(folder.glob("*.jsonl")))


def test_a_killed_mining_leaves_the_bytes_of_an_uninterrupted_one(chain: Chain, tmp_path: Path) -> None:
    chance = random.Random(3)
    model, whole, parts = chain.home / "stage2/model", tmp_path / "whole.jsonl", tmp_path / "parts.jsonl"
    assert finish(child.mine, chain.world, model, whole, BLOCK) == 0
    codes = []
    for done in (1, 4):
        process = start(child.mine, chain.world, model, parts, BLOCK)
        codes.append(kill_when(process, lambda n=done: work_done(parts) >= n, chance.uniform(0, 0.03)))
    assert -signal.SIGKILL in codes
    assert finish(child.mine, chain.world, model, parts, BLOCK) == 0
    assert parts.read_bytes() == whole.read_bytes()
    assert {path.name for path in tmp_path.iterdir()} == {"whole.jsonl", "parts.jsonl"}


@pytest.mark.long
@pytest.mark.parametrize("seed", range(2))
def test_the_command_killed_again_and_again_leaves_the_bytes_of_an_uninterrupted_one(
    chain: Chain, tmp_path: Path, seed: int
) -> None:
    chance = random.Random(seed)
    command = [sys.executable, "-m", "elva", "mine", str(chain.world), "--model", str(chain.home / "stage2/model")]
    whole, parts = tmp_path / "whole.jsonl", tmp_path / "parts.jsonl"
    assert finish(os.execv, sys.executable, [*command, "--out", str(whole)]) == 0
    folder = tmp_path / "parts.jsonl.unfinished"
    for _ in range(4):
        process = start(os.execv, sys.executable, [*command, "--out", str(parts)])
        kill_when(process, lambda: line_count(folder / "command.json") > 0, chance.uniform(0, 3.0))
    assert finish(os.execv, sys.executable, [*command, "--out", str(parts)]) == 0
    assert parts.read_bytes() == whole.read_bytes()
    assert not folder.exists()
