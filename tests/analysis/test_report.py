"""The report and the tables: whole, self-contained, and honest about who wins."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from elva.analysis.examples import Evaluated, evenly_spaced, largest_changes
from elva.analysis.report import ReportInput, comparisons, verdict, write_report
from elva.analysis.rows import difference, read_results, row_of, write_results, write_results_table
from elva.errors import InputError
from elva.evaluation.mbeir import evaluate
from judging import FakeEncoder, write_root


def ranked(*ranks: int | None, rate: float = 0.0) -> dict[str, Any]:
    qids = [f"1:{i}" for i in range(len(ranks))]
    return {"mean": {"hit@1": rate}, "ranks": {"t": {"qids": qids, "best_positive": list(ranks)}}}


def evaluated(**rows: Mapping[str, Any]) -> dict[str, Evaluated]:
    found = {name: Evaluated(Path(name)) for name in rows}
    for name, row in rows.items():
        found[name].__dict__["results"] = row
    return found


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> ReportInput:
    folder = tmp_path_factory.mktemp("demo")
    root = write_root(folder / "root")
    blind = {"small": 0.1, "large": 0.1}
    encoders = {"stage2": FakeEncoder("stage2", blind, 1.2), "elva": FakeEncoder("elva", {}, 0.9)}
    rows = {
        name: row_of(evaluate(root, each, out=folder / name).row, updates=7, train_seconds=1.5)
        for name, each in encoders.items()
    }
    write_results(folder / "results.json", rows, seed=3)
    (folder / "metrics.jsonl").write_text('{"step": 1, "loss": 2.0}\n{"step": 9, "loss": 1.0}\n')
    return ReportInput(
        folder / "results.json",
        {name: folder / name for name in rows},
        {"elva": folder / "metrics.jsonl", "stage1": folder / "nothing"},
        root,
        [("elva search 'a <b>'", "look for something")],
    )


def test_the_page_holds_everything_and_needs_nothing(demo: ReportInput, tmp_path: Path) -> None:
    write_report(demo, tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    assert not re.search(r'(src|href)="(?!data:)', page)
    assert "<script" not in page and "elva search &#39;a &lt;b&gt;&#39;" in page
    assert page.count("<article") == 6 + 3 + page.split("The largest losses")[1].count("<article")
    assert page.count("data:image/png;base64,") > 20
    assert page.count("<svg") == 3
    assert "elva has the highest mean hit@1" in page
    write_report(demo, tmp_path / "again.html")
    assert (tmp_path / "again.html").read_text() == page


def test_results_keep_the_contract(demo: ReportInput) -> None:
    results = read_results(demo.results)
    assert (results["schema"], results["seed"]) == (1, 3)
    for row in results["rows"].values():
        assert {"mean", "tasks", "grains", "updates", "train_seconds", "missing_ret"} <= set(row)
        rates = [row["mean"], *row["tasks"].values()]
        assert all(0 <= each[key] <= 1 for each in rates for key in ("hit@1", "hit@5", "mrr"))
        assert {"pair_accuracy", "grain_distance"} <= set(row["grains"]["size"])


def test_results_that_are_none_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="missing"):
        read_results(tmp_path / "results.json")
    (tmp_path / "results.json").write_text(json.dumps({"schema": 2, "rows": {"a": 1}}))
    with pytest.raises(InputError, match="schema 1"):
        read_results(tmp_path / "results.json")


def test_difference_is_paired() -> None:
    found = difference(ranked(1, 1, 1, None), ranked(1, 2, 3, 1))
    assert found.points == pytest.approx(0.25)  # gains 0, 1, 1, -1
    assert found.error == pytest.approx((11 / 12) ** 0.5 / 2)
    assert not found.clear
    assert str(found) == "+25.0 ± 47.9 points"
    with pytest.raises(InputError, match="different queries"):
        difference(ranked(1), ranked(1, 2))


def test_the_verdict_calls_a_winner_only_when_the_lead_is_clear() -> None:
    good, bad = ranked(*[1] * 40, rate=1.0), ranked(*[1] * 20, *[2] * 20, rate=0.5)
    near = ranked(*[1] * 39, 2, rate=0.975)
    assert "more than two standard errors" in verdict(evaluated(stage2=bad, elva=good))
    assert "too close to call" in verdict(evaluated(stage2=good, elva=near))
    assert verdict(evaluated(stage2=good, elva=bad)).startswith("stage2 has the highest")
    lost, close = comparisons(evaluated(elva=bad, stage2=good, other=bad), "elva")
    assert lost.endswith("worse.") and "-50.0" in lost
    assert close.endswith("no clear difference.")


def test_queries_are_chosen_by_rule() -> None:
    keys = [("t", str(i)) for i in range(12)]
    assert [int(qid) for _, qid in evenly_spaced(keys, 3)] == [2, 6, 10]
    assert evenly_spaced(keys[:2], 6) == keys[:2]
    before = {("t", "a"): 1, ("t", "b"): 10, ("t", "c"): None, ("t", "d"): 2, ("t", "e"): 5}
    after = {("t", "a"): 3, ("t", "b"): 1, ("t", "c"): 2, ("t", "d"): 2, ("t", "e"): 6}
    gains, losses = largest_changes(before, after, 2)
    assert [qid for _, qid in gains] == ["b", "c"]
    assert [qid for _, qid in losses] == ["a", "e"]


def test_the_table_over_seeds_gives_mean_and_spread(demo: ReportInput) -> None:
    one = read_results(demo.results)
    two = json.loads(json.dumps(one)) | {"seed": 4}
    for row, rate in ((one["rows"]["elva"], 0.5), (two["rows"]["elva"], 0.6)):
        row["mean"]["hit@1"] = rate
    del two["rows"]["stage2"]
    table = write_results_table([one, two])
    assert "| row | hit@1, seed 3 | hit@1, seed 4 | hit@1 |" in table
    assert "| elva | 50.0 | 60.0 | 55.0 ± 7.1 |" in table
    assert re.search(r"\| stage2 \| [\d.]+ \| - \| [\d.]+ \|", table)
