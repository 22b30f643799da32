"""The demo end to end, a few steps of everything."""

from __future__ import annotations

import json

import pytest

from elva.demo import run_demo


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
