"""VCR-Bench at its smallest, in its own format: what a red square does."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from elva.encoding import ModelIdentity, Progress, Written
from elva.items import Item
from elva.reasoning.asking import Decoding
from filmed import moving, save_animation

STEPS = (
    "1. 0:00-0:01, the red square is left.",
    "2. 0:01-0:02, the red square moves right.",
    "3. Therefore the answer is right.",
)
RIGHT = "0:00-0:01, a red square is left.\n0:01-0:02, the red square moves right.\nSo the answer is right."
"""A response with all steps."""
OPTIONS = {"A": "left", "B": "right", "C": "up", "D": "down"}


def row(number: int, **changed: Any) -> dict[str, Any]:
    """An open question."""
    return {
        "id": number,
        "video_path": f"videos/{number % 2}.png",
        "duration": (2, 120, 301)[number % 3],
        "dimension": ("Video Plot Analysis", "Video Temporal Counting")[number % 2],
        "question": "Where does the square move?",
        "multiple-choice": False,
        "choices": {letter: "" for letter in OPTIONS},
        "answer": "right",
        "reasoning": list(STEPS),
        **changed,
    }


def choice_row(number: int, **changed: Any) -> dict[str, Any]:
    """A question with options, which the published ones hold."""
    listed = "\n".join(f"{letter}. {text}" for letter, text in OPTIONS.items())
    asked = {"question": f"Where does it move?{listed}\n", "multiple-choice": True, "choices": OPTIONS, "answer": "B"}
    return row(number, **asked) | changed


def save(root: Path, rows: Sequence[dict[str, Any]]) -> Path:
    """The file and two videos; returns the root."""
    (root / "videos").mkdir(parents=True, exist_ok=True)
    for name in ("0", "1"):
        save_animation(root / f"videos/{name}.png", moving(4), 500)
    (root / "meta_info_video.json").write_text(json.dumps(rows), "utf-8")
    return root


class Parrot:
    """A model that always writes the same.

    Args:
        text: what it writes.
        patience: how many calls it answers before it is killed; None for any number.
    """

    identity = ModelIdentity("parrot", "p", "generative", 4)

    def __init__(self, text: str = RIGHT, patience: int | None = None) -> None:
        self.text, self.patience, self.asked = text, patience, list[Item]()

    def write(self, items: Sequence[Item], decoding: Decoding, progress: Progress | None = None) -> Written:
        if self.patience == 0:
            raise KeyboardInterrupt
        self.patience = None if self.patience is None else self.patience - 1
        self.asked += items
        return Written([self.text] * len(items), cut=1, truncated=0)
