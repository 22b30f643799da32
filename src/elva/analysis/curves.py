"""Training curves from the metrics.jsonl of runs."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from elva.analysis.figures import Points, line_chart

SHARED = {
    "reward/total": ("reward, total", "what stage 3 raises"),
    "reward/margin": ("reward, margin part", "similarity of the positive over the best negative"),
    "reward/rank": (
        "reward, rank part",
        "can rise while the rank gets worse: look at the next one",
    ),
    "reward_std": ("spread of the reward", "inside a group; without it there is no advantage"),
    "zero_variance_share": ("groups without spread", "share of groups that teach nothing"),
    "positive_rank": ("rank of the positive", "1 is best"),
    "kl": ("KL to the reference", "how far the policy has moved"),
    "clip_share": ("clipped ratios", "share of tokens at the clip"),
    "cos/positive": ("cosine of the positive", ""),
    "cos/hardest_negative": ("cosine of the hardest negative", ""),
    "cos/mean_negative": ("mean cosine of the negatives", ""),
    "summary_length": ("length of the summaries", "tokens"),
    "missing_ret_rate": ("summaries without [RET]", "share"),
}
"""Metric -> title and note; the runs that log it share one plot. Losses are of different kinds, so
there each run has its own."""


@dataclass(frozen=True, slots=True)
class Curve:
    """One plot: its title, a note, the SVG, and the runs drawn in it."""

    title: str
    note: str
    svg: str
    runs: tuple[str, ...]


def read_metrics(run: Path) -> list[dict[str, Any]]:
    """The logged steps of a run folder (or of its metrics.jsonl); empty when nothing was logged.

    A line that was cut by a crash ends the file.
    """
    path = run / "metrics.jsonl" if run.is_dir() else run
    steps: list[dict[str, Any]] = []
    if not path.is_file():
        return steps
    for line in path.read_text("utf-8").splitlines():
        try:
            steps.append(json.loads(line))
        except json.JSONDecodeError:
            break
    return steps


def curves(runs: Mapping[str, Sequence[Mapping[str, Any]]], colours: Mapping[str, int]) -> list[Curve]:
    """Plots of all that the runs logged: first each loss by itself, then the shared ones."""
    plots = [_curve({name: steps}, colours, "loss", f"loss, {name}", "") for name, steps in runs.items()]
    plots += [_curve(runs, colours, key, *words) for key, words in SHARED.items()]
    return [each for each in plots if each.svg]


def _curve(
    runs: Mapping[str, Sequence[Mapping[str, Any]]],
    colours: Mapping[str, int],
    key: str,
    title: str,
    note: str,
) -> Curve:
    drawn = {name: (colours[name], _points(steps, key)) for name, steps in runs.items()}
    drawn = {name: each for name, each in drawn.items() if each[1]}
    return Curve(title, note, line_chart(drawn, title), tuple(drawn))


def _points(steps: Sequence[Mapping[str, Any]], key: str) -> Points:
    values = [(float(each["step"]), each.get(key)) for each in steps if "step" in each]
    return [(step, float(value)) for step, value in values if isinstance(value, int | float) and math.isfinite(value)]
