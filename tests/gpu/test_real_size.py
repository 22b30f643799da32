"""Stages 2 and 3 at a published size: on a GPU for what it takes, on the CPU so that the script doesn't rot."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from real_size import FORMS

SCRIPT = Path(__file__).parents[2] / "benchmarks/real_size.py"


def measured(out: Path, *options: str) -> dict[str, Any]:
    command = [sys.executable, str(SCRIPT), *options, "--out", str(out)]
    done = subprocess.run(command, env=os.environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    print(done.stdout)
    results: dict[str, Any] = json.loads(out.read_text())
    stages = ("stage 2", "stage 2, layers held", *FORMS)
    for stage in stages:
        assert all(value is None or (math.isfinite(value) and value > 0) for value in results[stage].values()), stage
    return results


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_qwen2_vl_2b_trains_in_both_stages(tmp_path: Path) -> None:
    results = measured(tmp_path / "r.json", "--steps", "3", "--batch", "64", "--negatives", "20")
    assert results["stage 2"]["peak_gib"] < results["stage 2, layers held"]["peak_gib"]


@pytest.mark.long
def test_the_measurement_runs_on_the_cpu(tmp_path: Path) -> None:
    small = ["--steps", "2", "--batch", "4", "--part", "2", "--negatives", "4", "--group", "2", "--length", "4"]
    measured(tmp_path / "r.json", "--size", "tiny", "--device", "cpu", *small)
