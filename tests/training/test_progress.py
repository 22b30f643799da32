"""Metrics on disk and progress on the terminal."""

from __future__ import annotations

import io
import json
import math
from pathlib import Path
from typing import Any

import pytest

from elva.errors import TrainingError
from elva.training.progress import MetricsLog, ProgressBar


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_every_step_is_one_line_at_once(tmp_path: Path) -> None:
    path = tmp_path / "run/metrics.jsonl"
    with MetricsLog(path) as log:
        log.write(1, 0.5, {"loss": 2.0, "reward/total": -0.25})
        assert lines(path) == [{"step": 1, "seconds": 0.5, "loss": 2.0, "reward/total": -0.25}]


def test_resuming_removes_what_will_be_done_again(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    with MetricsLog(path) as log:
        for step in (1, 2, 3):
            log.write(step, step, {"loss": 1 / step})
    with path.open("a") as file:
        file.write('{"step": 4, "lo')  # killed while writing
    with MetricsLog(path, next_step=3) as log:
        log.write(3, 3.0, {"loss": 0.0})
    assert [line["step"] for line in lines(path)] == [1, 2, 3]
    assert lines(path)[1]["loss"] == 0.5
    assert lines(path)[2]["loss"] == 0.0


def test_lines_are_written_where_they_are_due_and_for_the_last_step(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    with MetricsLog(path, every=2) as log:
        for step in range(4):
            log.write(step, step, {})
        assert [line["step"] for line in lines(path)] == [0, 2]
    assert [line["step"] for line in lines(path)] == [0, 2, 3]


@pytest.mark.parametrize(("next_step", "kept"), [(4, [0, 2]), (3, [0, 2]), (2, [0]), (0, [])])
def test_resuming_removes_a_last_line_that_was_not_due(tmp_path: Path, next_step: int, kept: list[int]) -> None:
    path = tmp_path / "metrics.jsonl"
    with MetricsLog(path, every=2) as log:
        for step in range(4):
            log.write(step, step, {})
    with MetricsLog(path, next_step, every=2):
        assert [line["step"] for line in lines(path)] == kept


def test_the_last_line_comes_back_from_the_checkpoint_if_no_step_follows(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    with MetricsLog(path, every=2) as log:
        log.write(2, 2.0, {"loss": 0.5})
        assert log.settle() is None
        log.write(3, 3.0, {"loss": math.nan})
        held = log.settle()
    whole = lines(path)
    assert whole[-1] == held == {"step": 3, "seconds": 3.0, "loss": None}
    for torn in (path.read_text(), json.dumps(whole[0]) + "\n"):  # killed after that line, or before it
        path.write_text(torn)
        with MetricsLog(path, 4, every=2, held=held):
            assert lines(path) == whole[:1]
        assert lines(path) == whole
    with MetricsLog(path, 4, every=2, held=held) as log:
        log.write(4, 4.0, {})
    assert [line["step"] for line in lines(path)] == [2, 4]


def test_a_line_that_cannot_be_written_is_told_once(tmp_path: Path) -> None:
    class Full(io.StringIO):
        def flush(self) -> None:
            raise OSError(28, "No space left on device")

    message = r"metrics\.jsonl can't be written \(No space left on device\); the checkpoints are as they were.*--resume"
    with pytest.raises(TrainingError, match=message), MetricsLog(tmp_path / "metrics.jsonl") as log:
        log._file.close()
        log._file = Full()
        log.write(1, 0.0, {})


def test_a_new_run_starts_a_new_file(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    for _ in range(2):
        with MetricsLog(path) as log:
            log.write(1, 0.0, {})
    assert len(lines(path)) == 1


def test_what_json_cannot_hold_becomes_null(tmp_path: Path) -> None:
    with MetricsLog(tmp_path / "m.jsonl") as log:
        log.write(1, 0.0, {"loss": math.nan, "norm": math.inf})
    assert lines(tmp_path / "m.jsonl") == [{"step": 1, "seconds": 0.0, "loss": None, "norm": None}]


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_without_a_terminal_a_plain_line_comes_now_and_then() -> None:
    stream, clock = io.StringIO(), Clock()
    with ProgressBar("stage 2", 100, "steps", stream=stream, clock=clock) as bar:
        for _ in range(50):
            clock.now += 0.5
            bar.advance(1, note="loss 0.31")
    shown = stream.getvalue().splitlines()
    assert len(shown) == 3, "25 seconds: two lines on the way, one at the end"
    assert shown[0] == "stage 2: 20/100 steps (20%)  2.0 steps/s  0:40 left  loss 0.31"


def test_the_rate_leaves_out_what_an_earlier_session_did() -> None:
    clock = Clock()
    bar = ProgressBar("x", 100, "steps", done=90, stream=io.StringIO(), clock=clock)
    with bar:
        clock.now = 2.0
        bar.advance(4)
        assert bar.status() == "94/100 steps (94%)  2.0 steps/s  0:03 left"


def test_a_budget_of_seconds_shows_no_rate() -> None:
    clock = Clock()
    with ProgressBar("x", 7200, "seconds", stream=io.StringIO(), clock=clock) as bar:
        clock.now = 100.0
        bar.advance(100)
        assert bar.status() == "100/7,200 seconds (1%)  1:58:20 left"


def test_an_unknown_total_shows_the_count() -> None:
    with ProgressBar("x", None, stream=io.StringIO(), clock=Clock()) as bar:
        bar.advance(1234)
        assert bar.status().startswith("1,234 items")


@pytest.mark.parametrize("total", [10, None])
def test_a_terminal_gets_a_bar(total: int | None) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    stream = Terminal()
    with ProgressBar("stage 2", total, "steps", stream=stream) as bar:
        bar.advance(10, note="loss 0.3")
    assert "stage 2" in stream.getvalue()
    assert "loss 0.3" in stream.getvalue()
