"""Two processes want one run folder: the first one has it."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from chain import Chain, assert_same_run
from crash import child
from crash.processes import elva, end, finish, line_count, start
from elva.cli.app import USER_ERROR


def test_a_second_training_in_a_folder_is_refused_and_the_first_is_not_disturbed(chain: Chain, tmp_path: Path) -> None:
    settings = chain.settings(chain.model("base"), "budget.steps=12")
    run = tmp_path / "run"
    first = start(child.train, "tiny/stage1", settings, run, False)
    while line_count(run / "metrics.jsonl") < 1:
        assert first.is_alive()
        time.sleep(0.001)
    pid = first.pid or 0
    os.kill(pid, signal.SIGSTOP)  # it would be done before the others ask
    try:
        command = ["train", "tiny/stage1", *settings, "--out", run]
        for options, message in ((["--resume"], f"is in use by process {pid}; "), ([], "holds a run already")):
            code, said = elva(*command, *options)
            assert code == USER_ERROR
            assert said.startswith(f"elva: {run} {message}")
    finally:
        os.kill(pid, signal.SIGCONT)
    assert end(first) == 0
    assert finish(child.train, "tiny/stage1", settings, tmp_path / "alone", False) == 0
    assert_same_run(tmp_path / "alone", run)
