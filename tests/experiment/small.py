"""An experiment of the smallest world, and jobs without the seconds that a new python takes to load torch."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from elva.cli.app import app

SMALL = ["contrast.batch_size=4", "log.every_steps=1", "checkpoint.every_steps=2"]


def plan_row() -> dict[str, Any]:
    """Two arms on the smallest world; change it as you need."""
    start = {"recipe": "tiny/stage2", "settings": ["budget.steps=2", *SMALL], "uses": ["captions"]}
    return {
        "title": "Small",
        "question": "Does it run?",
        "seeds": [0, 1],
        "budget_seconds": 0.4,
        "data": {
            "world": {
                "world": {"size": "tiny"},
                "start": [start],
                "judge": {"split": "val", "datasets": ["mrbench"], "tasks": [0, 3]},
            }
        },
        "prepare": {
            "captions": {
                "command": "elva caption {root} --model {base} --out {out} --image-cache {cache}",
                "setting": "data.captions",
            },
            "negatives": {
                "command": "elva mine {root} --model {start} --seed {seed} --top 4 --out {out} --image-cache {cache}",
                "setting": "data.negatives",
            },
        },
        "arms": {
            "stage2": {"role": "baseline", "quick": True},
            "more": {"role": "control", "recipe": "tiny/more_stage2", "settings": SMALL, "uses": ["captions"]},
            "mined": {
                "extends": "more",
                "role": "candidate",
                "settings": ["contrast.hard_negatives=1"],
                "uses": ["negatives"],
            },
        },
    }


def written(folder: Path, row: dict[str, Any], name: str = "small") -> Path:
    """The plan as a file."""
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(row, sort_keys=False), encoding="utf-8")
    return path


def start_forked(command: Sequence[str], log: Path) -> int:
    """`elva COMMAND` in a copy of this process, in which torch is loaded already."""
    process = os.fork()
    if process:
        return process
    code = 1
    try:
        with log.open("ab") as file:
            os.setsid()
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
        sys.stdout, sys.stderr = open(1, "w", closefd=False), open(2, "w", closefd=False)  # noqa: SIM115
        app(list(command), standalone_mode=False)
        code = 0
    except BaseException as error:
        code = getattr(error, "exit_code", 1)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
