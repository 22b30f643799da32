"""Raw records of runs, for tests: whole ones, of which a test says only what matters to it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any


def record(arm: str, seed: int, ranks: Mapping[str, Sequence[int | None]], **fields: Any) -> dict[str, Any]:
    """A record whose rates follow from its ranks; `fields` replace the rest."""
    shares = {
        f"hit@{k}": fmean(fmean(r is not None and r <= k for r in each) for each in ranks.values()) for k in (1, 5, 10)
    }
    mrr = fmean(fmean(1 / r if r else 0.0 for r in each) for each in ranks.values())
    return {
        "schema": 1,
        "experiment": "cure",
        "data": "shapes",
        "split": "test",
        "arm": arm,
        "role": "candidate",
        "default": False,
        "seed": seed,
        "start": f"stage 2 of seed {seed}",
        "updates": 10,
        "seconds": 60.0,
        "preparation_seconds": 2.0,
        "seconds_per_update": None,
        "budget_seconds": 60.0,
        "ranks": {task: list(each) for task, each in ranks.items()},
        "clusters": None,
        "mean": {**shares, "mrr": mrr},
        "grains": {
            "colour": grain(0.9, 0.2, 2.0),
            "pose": grain(0.6, 0.05, 0.5),
            "fill": grain(0.7, 0.1, 1.0),
        },
        "dominant": [],
        "paraphrase_distance": 0.1,
        "missing_ret": 0.0,
        "named": {"colour": [9, 10], "pose": [5, 10]},
        "curve": [],
        "recipe": f"tiny/{arm}",
        "settings": [],
        **fields,
    }


def grain(pair_accuracy: float | None, distance: float | None, ratio: float | None) -> dict[str, float | int | None]:
    """One kind's figures."""
    return {"pair_accuracy": pair_accuracy, "pairs": 20, "grain_distance": distance, "masked": 10, "ratio": ratio}


def curve(rewards: Sequence[float], ranks: Sequence[float]) -> list[dict[str, float]]:
    """Points of a training with these rewards and these ranks of the positive."""
    return [
        {"step": i + 1, "seconds": float(i), "loss": 1.0, "reward/total": reward, "positive_rank": rank}
        for i, (reward, rank) in enumerate(zip(rewards, ranks, strict=True))
    ]


def write_records(folder: Path, *records: Mapping[str, Any]) -> Path:
    """Write records as an experiment leaves them; gives the folder."""
    for each in records:
        path = folder / each["experiment"] / each["data"] / f"{each['arm']}-s{each['seed']}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(each))
    return folder


def cure(**more: Any) -> list[dict[str, Any]]:
    """Four arms of two seeds on eight queries: hit@1 of 1/4 (baseline), 1/2 and 3/8 (controls), 3/4 (the default)."""
    arms = {
        "stage2": ("baseline", 2),
        "more": ("control", 4),
        "other": ("control", 3),
        "elva": ("candidate", 6),
    }
    return [
        record(
            name,
            seed,
            {"t": [1] * hits + [2] * (8 - hits)},
            role=role,
            default=name == "elva",
            **more,
        )
        for name, (role, hits) in arms.items()
        for seed in (0, 1)
    ]
