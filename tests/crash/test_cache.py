"""An evaluation with a cache may be killed at any moment: what it embedded is there, and is not embedded again."""

from __future__ import annotations

import random
import signal
from pathlib import Path

from crash import child
from crash.processes import finish, kill_when, start
from elva.encoding import ModelIdentity
from elva.evaluation.cache import VectorCache
from elva.evaluation.mbeir import evaluate
from judging import FakeEncoder, write_root


def test_a_killed_evaluation_leaves_whole_folders_and_goes_on(tmp_path: Path) -> None:
    chance = random.Random(5)
    root, cache = write_root(tmp_path / "root"), tmp_path / "cache"
    codes = []
    for done in (2, 9):
        process = start(child.evaluate, root, tmp_path / "e", cache, 4)
        codes.append(
            kill_when(process, lambda n=done: len([*cache.glob("*/*/flags.npy")]) >= n, chance.uniform(0, 0.01))
        )
    assert -signal.SIGKILL in codes
    held = len(VectorCache(cache, ModelIdentity.of(FakeEncoder())))
    assert held >= 4
    encoder = FakeEncoder()
    evaluate(root, encoder, out=tmp_path / "e", cache=cache)
    whole = FakeEncoder()
    evaluate(root, whole, out=tmp_path / "whole", cache=tmp_path / "other")
    assert len(encoder.seen) == len(whole.seen) - held
    for name in ("summaries.jsonl", "qrels/mrbench_task3_test.txt", "runs/mrbench_task0_test.trec"):
        assert (tmp_path / "e" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert finish(child.evaluate, root, tmp_path / "e", cache, 4) == 0
