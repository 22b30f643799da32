"""The benchmarks run; how long they take is no test's matter."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import contrast_memory
import contrastive
import data_at_size
import encode
import mining_at_size
from measure import measured


@pytest.mark.parametrize("benchmark", [data_at_size, mining_at_size, contrast_memory])
def test_a_benchmark_shows_and_writes_its_figures(
    benchmark, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    benchmark.main(["--quick", "--out", str(tmp_path / "results/figures.json")])
    phases = json.loads((tmp_path / "results/figures.json").read_text())["phases"]
    shown = capsys.readouterr().out
    for phase, (figures,) in phases.items():
        assert f"| {phase} | " in shown
        assert all(figure >= 0 for figure in figures.values()) and figures["peak"] >= figures["before"]


@pytest.mark.parametrize("benchmark", [encode, contrastive])
def test_a_benchmark_beside_a_peer_agrees_with_it_and_shows_how_much_faster_it_is(
    benchmark, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    benchmark.main(["--quick", "--out", str(tmp_path / "results/figures.json")])
    ratios = json.loads((tmp_path / "results/figures.json").read_text())["ratios"]["vs_sentence_transformers"]
    shown = capsys.readouterr().out
    for name, figures in ratios.items():
        assert f"| {name} | " in shown
        assert 0 < figures["min"] <= figures["median"] <= figures["max"]


def test_memory_is_that_of_the_thing_measured(tmp_path: Path) -> None:
    rows = tmp_path / "mbeir_rows.jsonl"
    rows.write_text('{"txt": "a row of some length"}\n' * 50_000)
    (dropped,) = measured(data_at_size.dropped, tmp_path).values()
    (kept,) = measured(data_at_size.kept, tmp_path).values()
    assert kept.peak - kept.before > 10 > dropped.peak - dropped.before
