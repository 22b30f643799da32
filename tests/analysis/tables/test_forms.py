"""Ablations and plug-ins: a row per form, each measured difference from the whole paired by query."""

from __future__ import annotations

from pathlib import Path

from elva.analysis.tables.evaluations import Measured, gather
from elva.analysis.tables.forms import forms_table
from evaluated import SIXTEEN, Ranks, results, write_evaluation


def measured(folder: Path, tasks: tuple[str, ...] = SIXTEEN, **ranks: Ranks) -> list[Measured]:
    places = [
        write_evaluation(folder / name, results(name, dict.fromkeys(tasks, each))) for name, each in ranks.items()
    ]
    return gather([str(place) for place in places])


def cells(table: object, label: str) -> list[str]:
    return next([cell.text for cell in line.cells] for line in table.lines if line.label == label)  # type: ignore[attr-defined]


def test_measured_forms_stand_in_the_rows_of_the_published_ones(tmp_path: Path) -> None:
    table = forms_table("ablations", measured(tmp_path, whole=[1, 1], no_rank=[1, 20], mine=[20, 20]))
    assert table
    assert [each.name for each in table.columns] == [
        "M-BEIR average",
        "less whole",
        "M-BEIR average",
        "less whole (95 % interval)",
    ]
    assert cells(table, "whole (weights .4 and .6)") == ["58.7", "-", "100.0", "-"]
    theirs, less, ours, gap = cells(table, "without R_rank")
    assert (theirs, less, ours) == ("57.2", "-1.5", "50.0")
    assert gap.startswith("-50.0 (")
    assert cells(table, "without R_margin")[2:] == ["-", "-"]
    assert cells(table, "mine")[:3] == ["-", "-", "0.0"]


def test_other_data_are_named_and_never_called_the_benchmarks_average(tmp_path: Path) -> None:
    models = measured(tmp_path, ("world_task0_test", "world_task4_test"), whole=[1], no_rank=[9])
    table = forms_table("ablations", models)
    assert table
    assert table.columns[2].name == "mean of 2 tasks"
    assert "Measured on other data: world_task0_test, world_task4_test." in table.note


def test_retrievers_of_ones_own_come_behind_the_published_ones(tmp_path: Path) -> None:
    table = forms_table("plug_in", measured(tmp_path, before=[9, 1], after=[1, 1]))
    assert table
    assert [each.name for each in table.columns] == ["M-BEIR average", "MRBench average", "M-BEIR average"]
    assert cells(table, "PUMA + stage 3") == ["56.3", "37.0", "-"]
    assert cells(table, "after") == ["-", "-", "100.0"]


def test_without_measured_forms_there_is_no_table() -> None:
    assert forms_table("ablations", []) is None
