"""The demo: how it stops, what it refuses, and (long) a few steps of everything."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from elva.demo import run_demo
from elva.errors import InputError


def test_ctrl_c_stops_every_job_and_leaves_nothing_half_written(tmp_path: Path) -> None:
    out = tmp_path / "demo"
    command = [sys.executable, "-m", "elva", "demo", "--out", str(out)]
    demo = subprocess.Popen(
        command,
        stderr=subprocess.PIPE,
        start_new_session=True,
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),  # a suite in the background ignores it
    )
    deadline = time.monotonic() + 120
    while not list(out.glob(".world*/mbeir_images")) and demo.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    os.killpg(demo.pid, signal.SIGINT)
    _, said = demo.communicate(timeout=60)
    assert demo.returncode == 130, said
    assert b"Traceback" not in said
    assert [path.name for path in out.iterdir()] == ["logs"]
    assert "elva: stopped" in (out / "logs/world.log").read_text()


def test_what_can_not_be_written_is_told_first(tmp_path: Path) -> None:
    (tmp_path / "results.json").write_text("somebody's")
    with pytest.raises(InputError, match="is no demo"):
        run_demo(tmp_path)
    (tmp_path / "table.md").write_text("no marks")
    for name, found in (("table.md", "add them where the table belongs"), ("missing.md", "can't be read")):
        with pytest.raises(InputError, match=found):
            run_demo(tmp_path / "demo", table=tmp_path / name)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["results.json", "table.md"]


@pytest.mark.long
def test_quick_demo_leaves_its_report_and_is_reused(tmp_path):
    out = tmp_path / "demo"
    run_demo(out, quick=True)
    results = json.loads((out / "results.json").read_text("utf-8"))
    assert results["schema"] == 1
    assert set(results["rows"]) == {"stage1", "stage2", "more_stage2", "elva", "elva_paper"}
    for row in results["rows"].values():
        assert set(row["tasks"]) == {f"mrbench_task{task}_test" for task in (0, 3, 4, 7)}
        assert 0 <= row["mean"]["hit@1"] <= row["mean"]["hit@5"] <= 1
        assert {"pair_accuracy", "grain_distance"} <= set(row["grains"]["colour"])
    page = (out / "report.html").read_text("utf-8")
    assert "data:image/" in page
    assert "http" not in page.split("<body", 1)[1].split("href", 1)[0]
    assert len(list((out / "searches").glob("*.png"))) == 3
    trained = (out / "seed-0" / "stage2" / "model" / "model.safetensors").stat().st_mtime_ns
    run_demo(out, quick=True)
    assert (out / "seed-0" / "stage2" / "model" / "model.safetensors").stat().st_mtime_ns == trained
