"""Tables of grains: those that an evaluation has figures for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from elva.analysis.tables.evaluations import Measured, gather
from elva.analysis.tables.grains import grain_tables
from evaluated import results, shares, write_evaluation

TASKS = {"cirr_task7_test": [1, 2]}


def grain(pairs: float | None, distance: float | None, masked: int) -> dict[str, Any]:
    return {"pair_accuracy": pairs, "pairs": 4, "grain_distance": distance, "masked": masked, "ratio": None}


def measured(folder: Path, **fields: Any) -> list[Measured]:
    return gather([str(write_evaluation(folder / "ours", results("ours", TASKS, **fields)))])


def test_distances_stand_beside_the_published_ones_and_a_paraphrase(tmp_path: Path) -> None:
    grains = {"entity": grain(0.9, 0.2, 30), "colour": grain(0.5, 0.1, 10)}
    pairs, distances = grain_tables("mbeir", measured(tmp_path, grains=grains, paraphrase_distance=0.05))
    assert [(line.label, line.cells[0].text) for line in pairs.lines] == [("entity", "90.0"), ("colour", "50.0")]
    assert [each.name for each in distances.columns] == ["contrastive baseline", "ELVA", "ours"]
    rows = {line.label: [cell.text for cell in line.cells] for line in distances.lines}
    assert rows["entity"] == ["-", "-", "0.200"]
    assert rows["mean over grains left out"] == ["0.070", "0.150", "0.175"], "each grain counts once"
    assert rows["for comparison: a paraphrase"][-1] == "0.050"


def test_recall_by_number_and_kind_of_grains(tmp_path: Path) -> None:
    groups = {"2": shares([1, 9]), "3": shares([1, 1])}
    models = measured(
        tmp_path,
        benchmark="mrbench",
        grains={"colour": grain(None, None, 0)},
        by_number_of_grains=groups,
        by_kind_of_grain={"colour": shares([9])},
    )
    numbers, kinds = grain_tables("mrbench", models)
    assert numbers.title == "By number of grains: MRBench, hit@5"
    assert [(line.label, line.cells[0].text) for line in numbers.lines] == [("2", "50.0"), ("3", "100.0")]
    assert [(line.label, line.cells[0].text) for line in kinds.lines] == [("colour", "0.0")]


def test_of_global_pools_there_is_recall_by_grains(tmp_path: Path) -> None:
    pool = {"by_number_of_grains": {"2": shares([1, 9])}, "by_kind_of_grain": {"colour": shares([9])}}
    models = measured(
        tmp_path, benchmark="mrbench", grains={"colour": grain(0.5, 0.1, 9)}, pools={"local": {}, "global": pool}
    )
    numbers, kinds = grain_tables("mrbench@global", models)
    assert numbers.title == "By number of grains: MRBench, global pools, hit@5"
    assert [line.cells[0].text for line in (*numbers.lines, *kinds.lines)] == ["50.0", "0.0"]


def test_without_grains_there_are_no_such_tables(tmp_path: Path) -> None:
    assert grain_tables("mbeir", measured(tmp_path)) == []
