"""How the seconds of a step of stage 3 grow with negatives, rollouts, length of the summaries and size of the pictures.

A model with random weights writes, which hardly ever writes [RET]: all its summaries have the full length. One thing is
changed at a time; all are measured in turn, beside the point in the middle.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from interleaved import Runs, ratio, rounds
from lessons import Lessons

from elva.model.embedder import Embedder
from elva.model.tiny import TinySize, make_model, make_processor, make_tokenizer
from elva.prompts import Prompts

POINTS: Mapping[str, tuple[int, int, int]] = {
    "negatives": (25, 50, 100),
    "rollouts": (4, 8, 16),
    "tokens of a summary": (12, 24, 48),
    "pixels of a picture's side": (32, 64, 128),
}
"""Less, the middle, more."""
QUICK: Mapping[str, tuple[int, int, int]] = {
    "negatives": (2, 3, 4),
    "rollouts": (2, 3, 4),
    "tokens of a summary": (2, 3, 4),
    "pixels of a picture's side": (16, 32, 64),
}
SAME_PICTURE = 4
"""The task that asks for a picture by a picture."""
WORDS = ["Find the same scene. Summarize: small red solid upright triangle left of large blue striped heart"] * 4
MIDDLE = "middle"


def growth(home: Path, part: int | None, repeats: int, quick: bool = False) -> Runs:
    """Seconds of each point, round by round.

    Args:
        home: where `write_ground` has written.
        part: `reinforce.items_per_forward`.
        repeats: rounds that count.
        quick: much smaller.
    """
    points = QUICK if quick else POINTS
    middle = {what: values[1] for what, values in points.items()}
    works: dict[str, Callable[[], object]] = {MIDDLE: _step(home, part, middle)}
    for what, (less, _, more) in points.items():
        for value in (less, more):
            works[f"{what}: {value}"] = _step(home, part, {**middle, what: value})
    return rounds(works, repeats)


def _step(home: Path, part: int | None, point: Mapping[str, int]) -> Callable[[], object]:
    """One and the same step at this point."""
    negatives, group, tokens, side = (point[what] for what in POINTS)
    settings = [
        "reinforce.queries_per_step=1",
        f"reinforce.items_per_forward={part or 'null'}",
        f"reinforce.hard_negatives={negatives // 2}",
        f"reinforce.random_negatives={negatives - negatives // 2}",
        f"reinforce.rollouts.group_size={group}",
        f"reinforce.rollouts.max_new_tokens={tokens}",
    ]
    lessons = Lessons(home, settings, [SAME_PICTURE], _random_embedder(side))
    return lambda: lessons(0)


def _random_embedder(side: int) -> Embedder:
    """A tiny model that sees every picture with so many pixels a side."""
    size = TinySize(min_pixels=side * side, max_pixels=side * side)
    tokenizer = make_tokenizer(WORDS, size.vocabulary)
    model = make_model(size, tokenizer, seed=0).eval()
    return Embedder(model, make_processor(tokenizer, size, Prompts(), 64), f"{side} pixels")


def table(runs: Runs, quick: bool = False) -> tuple[str, dict[str, Any]]:
    """The points beside the middle in Markdown, and the same figures."""
    points = QUICK if quick else POINTS
    lines = ["| | less | middle | more | time of less | time of more |", "| --- | ---: | ---: | ---: | ---: | ---: |"]
    figures = {}
    for what, values in points.items():
        beside = [ratio(runs, f"{what}: {value}", MIDDLE) for value in (values[0], values[2])]
        figures[what] = {"values": [*values], "less": beside[0], "more": beside[1]}
        lines.append(f"| {what} | {' | '.join(map(str, values))} | {' | '.join(f'{b["median"]:.2f}' for b in beside)} |")
    return "\n".join(lines), figures
