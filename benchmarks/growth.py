"""How the seconds of a step of stage 3 grow with negatives, rollouts, length of the summaries and size of the pictures.

A model with random weights writes, which hardly ever writes [RET]: all its summaries have the full length. One thing is
changed at a time; all are measured in turn, beside the point in the middle.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from elva.model.embedder import Embedder
from elva.model.tiny import TinySize, make_model, make_processor, make_tokenizer
from elva.prompts import PAPER_GENERATIVE, Prompts
from interleaved import Runs, ratio, rounds
from lessons import Lessons

NEGATIVES, ROLLOUTS, TOKENS, SIDE = "negatives", "rollouts", "tokens of a summary", "pixels of a picture's side"


@dataclass(frozen=True, slots=True)
class Points:
    """What is measured: the middle, and less and more of one thing at a time."""

    middle: Mapping[str, int]
    beside: Mapping[str, tuple[int, int]]


POINTS = Points(
    {NEGATIVES: 50, ROLLOUTS: 8, TOKENS: 24, SIDE: 64},
    {NEGATIVES: (25, 100), ROLLOUTS: (4, 16), TOKENS: (12, 48), SIDE: (32, 128)},
)
QUICK = Points({NEGATIVES: 2, ROLLOUTS: 2, TOKENS: 3, SIDE: 32}, {NEGATIVES: (1, 3)})
SAME_PICTURE = 4
"""The task that asks for a picture by a picture."""
WORDS = ["Find the same scene.", PAPER_GENERATIVE] * 4
MIDDLE = "middle"


def growth(home: Path, repeats: int, points: Points = POINTS) -> Runs:
    """Seconds of each point, round by round.

    Args:
        home: where `write_ground` has written.
        repeats: rounds that count.
        points: what is measured.
    """
    works = {MIDDLE: _step(home, points.middle)}
    for what, values in points.beside.items():
        works |= {f"{what}: {value}": _step(home, {**points.middle, what: value}) for value in values}
    return rounds(works, repeats)


def _step(home: Path, point: Mapping[str, int]) -> Callable[[], object]:
    """One and the same step at this point."""
    negatives, group, tokens, side = (point[what] for what in (NEGATIVES, ROLLOUTS, TOKENS, SIDE))
    settings = [
        "reinforce.queries_per_step=1",
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


def table(runs: Runs, points: Points = POINTS) -> tuple[str, dict[str, Any]]:
    """The points beside the middle in Markdown, and the same figures."""
    lines = ["| | less | middle | more | time of less | time of more |", "| --- | ---: | ---: | ---: | ---: | ---: |"]
    figures = {}
    for what, (less, more) in points.beside.items():
        beside = [ratio(runs, f"{what}: {value}", MIDDLE) for value in (less, more)]
        values = [less, points.middle[what], more]
        figures[what] = {"values": values, "less": beside[0], "more": beside[1]}
        cells = [what, *map(str, values), *(f"{each['median']:.2f}" for each in beside)]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines), figures
