"""Rows of a comparison: one model each, all judged on the same queries.

A row is what demo/results.json holds under its name. Differences between rows are paired: the same
queries, so what is hard for every model cancels out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from elva.data.writing import write_lines
from elva.errors import InputError
from elva.evaluation.metrics import MEASURES, mean_standard_error, standard_error
from elva.evaluation.table import decimals, markdown, percent

SCHEMA = 1
LABELS = {
    "stage2": "stage 2: InfoNCE",
    "more_stage2": "stage 2, trained on for as long",
    "elva": "ELVA, recommended form",
    "elva_paper": "ELVA, rewards as printed",
    "elva_no_rollouts": "ELVA without rollouts",
    "control_infonce_rollouts": "InfoNCE on own rollouts",
}
"""What people read in place of a row's name."""

_RATES = (*MEASURES, "hit@1_se")


def row_of(evaluation: Mapping[str, Any], *, updates: int = 0, train_seconds: float = 0.0) -> dict[str, Any]:
    """A row from an evaluation's results.json and what its training cost."""
    return {
        "mean": {key: evaluation["mean"][key] for key in _RATES},
        "tasks": {name: {key: task[key] for key in _RATES} for name, task in evaluation["tasks"].items()},
        "grains": evaluation["grains"],
        "paraphrase_distance": evaluation["paraphrase_distance"],
        "missing_ret": evaluation["missing_ret"],
        "updates": updates,
        "train_seconds": round(train_seconds, 3),
        "chance": evaluation["chance"],
        "model": evaluation["model"],
    }


def write_results(path: Path, rows: Mapping[str, Mapping[str, Any]], seed: int) -> None:
    """Write demo/results.json, at once or not at all; rates are between 0 and 1."""
    text = json.dumps({"schema": SCHEMA, "seed": seed, "rows": rows}, indent=1, allow_nan=False)
    write_lines(path, [text])


def read_results(path: Path) -> dict[str, Any]:
    """Read what `write_results` wrote; raises InputError for any other file."""
    if not path.is_file():
        raise InputError(f"{path} is missing: run the evaluations first")
    results: dict[str, Any] = json.loads(path.read_text("utf-8"))
    if results.get("schema") != SCHEMA or not results.get("rows"):
        raise InputError(f"{path} holds no rows of schema {SCHEMA}")
    return results


@dataclass(frozen=True, slots=True)
class Difference:
    """Mean hit@1 of one row less that of another, paired by query.

    Attributes:
        points: the difference, between -1 and 1.
        error: its standard error over queries; it knows nothing of training seeds.
        queries: how many queries were compared.
    """

    points: float
    error: float
    queries: int

    @property
    def clear(self) -> bool:
        """Whether it exceeds two standard errors."""
        return abs(self.points) > 2 * self.error

    def __str__(self) -> str:
        """As people read it: percentage points."""
        return f"{100 * self.points:+.1f} ± {100 * self.error:.1f} points"


def difference(one: Mapping[str, Any], other: Mapping[str, Any]) -> Difference:
    """Compare two evaluations (results.json) of the same queries; raises InputError otherwise."""
    points, errors, queries = [], [], 0
    for name, ranks in one["ranks"].items():
        against = other["ranks"].get(name)
        if against is None or against["qids"] != ranks["qids"]:
            raise InputError(f"{name}: the evaluations are of different queries")
        pairs = zip(ranks["best_positive"], against["best_positive"], strict=True)
        gains = [float(a == 1) - float(b == 1) for a, b in pairs]
        points.append(fmean(gains))
        errors.append(standard_error(gains))
        queries += len(gains)
    return Difference(fmean(points), mean_standard_error(errors), queries)


def write_results_table(seeds: Sequence[Mapping[str, Any]]) -> str:
    """Markdown of several demo/results.json: rows against seeds, mean and spread.

    The spread is the sample standard deviation over seeds; with one seed none is given.
    """
    names = list(dict.fromkeys(name for each in seeds for name in each["rows"]))
    rows = {name: [each["rows"][name] for each in seeds if name in each["rows"]] for name in names}
    header = ["row", *(f"hit@1, seed {each['seed']}" for each in seeds), "hit@1", "hit@5", "MRR"]
    main = [[name, *(_of_seed(each, name) for each in seeds), *_spreads(rows[name])] for name in names]
    kinds = sorted({kind for each in rows.values() for row in each for kind in row["grains"]})
    return "\n".join(
        [
            markdown([*header, "updates", "train seconds"], main),
            "Pair accuracy by kind of grain, mean over seeds:\n",
            markdown(["row", *kinds], [[n, *_pairs(rows[n], kinds)] for n in names]),
            "Distance when a grain is removed, mean over seeds, beside that of a paraphrase:\n",
            markdown(["row", *kinds, "paraphrase"], [[n, *_distances(rows[n], kinds)] for n in names]),
        ]
    )


def _of_seed(results: Mapping[str, Any], name: str) -> str:
    row = results["rows"].get(name)
    return percent(row["mean"]["hit@1"] if row else None)


def _spreads(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    rates = [[row["mean"][key] for row in rows] for key in ("hit@1", "hit@5", "mrr")]
    spreads = [percent(fmean(each)) + (f" ± {percent(stdev(each))}" if len(each) > 1 else "") for each in rates]
    costs = [fmean(row[key] for row in rows) for key in ("updates", "train_seconds")]
    return [*spreads, *(f"{cost:.0f}" for cost in costs)]


def _pairs(rows: Sequence[Mapping[str, Any]], kinds: Sequence[str]) -> list[str]:
    return [percent(_mean_of(rows, kind, "pair_accuracy")) for kind in kinds]


def _distances(rows: Sequence[Mapping[str, Any]], kinds: Sequence[str]) -> list[str]:
    paraphrases = [row["paraphrase_distance"] for row in rows]
    known = [each for each in paraphrases if each is not None]
    distances = [decimals(_mean_of(rows, kind, "grain_distance")) for kind in kinds]
    return [*distances, decimals(fmean(known) if known else None)]


def _mean_of(rows: Sequence[Mapping[str, Any]], kind: str, key: str) -> float | None:
    values = [row["grains"].get(kind, {}).get(key) for row in rows]
    known = [each for each in values if each is not None]
    return fmean(known) if known else None
