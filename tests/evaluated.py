"""Evaluation folders for tests: results.json that follows from ranks, and run files on demand."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from elva.analysis.tables.evaluations import Measured, gather
from elva.analysis.tables.table import Line, Table

SIXTEEN = (
    *("visualnews_task0_test", "mscoco_task0_test", "fashion200k_task0_test", "webqa_task1_test", "edis_task2_test"),
    *("webqa_task2_test", "visualnews_task3_test", "mscoco_task3_test", "fashion200k_task3_test", "nights_task4_test"),
    *("oven_task6_test", "infoseek_task6_test", "fashioniq_task7_test", "cirr_task7_test", "oven_task8_test"),
    "infoseek_task8_test",
)
"""M-BEIR's sub-tasks in the order of the paper's table."""

Ranks = Sequence[int | None]


def shares(ranks: Ranks) -> dict[str, float]:
    """The rates of some ranks."""
    rates = {f"hit@{k}": fmean(rank is not None and rank <= k for rank in ranks) for k in (1, 5, 10)}
    return {**rates, "mrr": fmean(1 / rank if rank else 0.0 for rank in ranks)}


def results(name: str, ranks: Mapping[str, Ranks], **fields: Any) -> dict[str, Any]:
    """A results.json whose rates follow from its ranks; `fields` replace the rest."""
    rows = {
        task: {
            **shares(each),
            "headline": "hit@10" if task.startswith("fashion") else "hit@5",
            "queries": len(each),
            "pool": 100,
            "chance": dict.fromkeys(("hit@1", "hit@5", "hit@10", "mrr"), 0.01),
        }
        for task, each in ranks.items()
    }
    return {
        "schema": 1,
        "benchmark": "mbeir",
        "tasks": rows,
        "ranks": {
            task: {"qids": [f"1:{i}" for i in range(len(each))], "best_positive": list(each)}
            for task, each in ranks.items()
        },
        "grains": {},
        "paraphrase_distance": None,
        "model": {"name": name, "fingerprint": f"of {name}", "extraction": "generative", "dimension": 8},
        "data": {"fingerprint": "data"},
        "split": "test",
        "instruction_choice": 0,
        "versions": {"elva-retrieval": "0"},
        **fields,
    }


def write_evaluation(folder: Path, row: Mapping[str, Any]) -> Path:
    """Write a results.json into a folder; gives the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "results.json").write_text(json.dumps(row))
    return folder


HALF = [1, 7]
"""hit@5 of one half, hit@10 of all."""


def measured(folder: Path, **rows: object) -> list[Measured]:
    for name, row in rows.items():
        write_evaluation(folder / name, row)  # type: ignore[arg-type]
    return gather([str(folder / name) for name in rows])


def line(table: Table, label: str) -> Line:
    return next(each for each in table.lines if each.label == label)


def figures(table: Table, label: str) -> list[str]:
    return [cell.text for cell in line(table, label).cells]
