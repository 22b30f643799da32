"""Distances of right and wrong candidates, as the ranked lists have them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from elva.analysis.page import standalone
from elva.analysis.tables import distances
from elva.analysis.tables.distances import distance_chart, note, spread_of
from elva.analysis.tables.evaluations import Measured, gather
from elva.evaluation.trec import Run, write_qrels, write_run
from evaluated import results, write_evaluation

TASK = "cirr_task7_test"


def listed(folder: Path, extraction: str = "generative") -> Measured:
    """Two queries: one with a right candidate at 0.1 and wrong ones at 0.3 and 0.5, one without a right one listed."""
    row = results("ours", {TASK: [1, None]})
    row["model"]["extraction"] = extraction
    write_evaluation(folder, row)
    (folder / "runs").mkdir()
    (folder / "qrels").mkdir()
    run = Run(("1:0", "1:1"), (("a", "b", "c"), ("b", "c")), ((900_000, 700_000, 500_000), (800_000, 600_000)))
    write_run(folder / f"runs/{TASK}.trec", run, "ours")
    write_qrels(folder / f"qrels/{TASK}.txt", {"1:0": {"a": 1}, "1:1": {"a": 1}})
    return gather([str(folder)])[0]


def test_right_nearest_wrong_and_other_wrong_candidates_are_told_apart(tmp_path: Path) -> None:
    found = spread_of(listed(tmp_path / "ours"), "mbeir")
    assert found
    assert found.distances["right"] == pytest.approx([0.1])
    assert found.distances["nearest wrong"] == pytest.approx([0.3, 0.2])
    assert found.distances["other wrong"] == pytest.approx([0.5, 0.4])
    assert (found.unlisted, found.queries) == (1, 2)
    assert "ours 50.0%" in note([found])


def test_only_so_many_queries_are_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distances, "QUERIES", 1)
    found = spread_of(listed(tmp_path / "ours"), "mbeir")
    assert found and found.queries == 1


def test_scores_that_are_no_cosines_are_not_drawn(tmp_path: Path) -> None:
    assert spread_of(listed(tmp_path / "reranked", "reranked"), "mbeir") is None
    assert spread_of(listed(tmp_path / "ours"), "video") is None
    assert distance_chart([], "nothing") == ""


def test_a_strip_per_model_and_a_curve_per_kind(tmp_path: Path) -> None:
    found = spread_of(listed(tmp_path / "ours"), "mbeir")
    assert found
    drawn = distance_chart([found, found], "how far")
    assert drawn.count("<polygon") == 6 and drawn.count("<svg") == 1
    assert "ours, nearest wrong: median 0.250" in drawn
    width = float(drawn.split('viewBox="0 0 ')[1].split()[0])
    places = [float(x) for points in re.findall(r'points="([^"]+)"', drawn) for x in re.findall(r"([\d.]+),", points)]
    assert min(places) >= 0 and max(places) <= width
    assert ".area" in standalone(drawn)
