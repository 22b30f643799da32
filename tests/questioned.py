"""SEED-Bench-R1 and LongVideoBench at their smallest, in their own formats."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from filmed import moving, save_animation

COLOURS = ("red", "lime", "blue", "black")
SOURCE = "World"


def validation_row(number: int, **changed: Any) -> dict[str, Any]:
    """A row that offers its options; the right one is that of the number."""
    place = number % 4
    return {
        **_seen(number),
        **dict(zip(("choice_a", "choice_b", "choice_c", "choice_d"), COLOURS, strict=True)),
        "golden_choice_idx": "ABCD"[place],
        "answer": COLOURS[place],
        **changed,
    }


def training_row(number: int, **changed: Any) -> dict[str, Any]:
    """A row with wrong answers to draw from."""
    return {**_seen(number), "answer": "lime", "negative_answers": ["red", "blue", "black", "white", "gray"], **changed}


def taught_row(number: int, **changed: Any) -> dict[str, Any]:
    """A row that says what to write."""
    prompt = "What comes next?\nA. red\nB. lime\nC. blue\nD. black\nThink, then answer."
    response = "<think>It was red, so lime.</think><answer>B.</answer>"
    return {**training_row(number), "prompt": prompt, "response": response, **changed}


def save(root: Path, name: str, rows: Sequence[Mapping[str, Any]]) -> Path:
    """A file of such rows with the videos and pictures that they name, which differ; returns the root."""
    path = root / f"annotations/{name}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    for row in rows:
        if picture := row.get("current_observation_basename"):
            _paint(root / "images" / SOURCE / picture, 1)
        if video := row.get("video_basename"):
            _paint(root / "videos" / SOURCE / video, 3)
    return root


def long_video_row(**changed: Any) -> dict[str, Any]:
    """A row of LongVideoBench."""
    return {
        "id": "v_0",
        "video_path": "v.gif",
        "subtitle_path": "v_en.json",
        "question": "Where is the square when the man says stop?",
        "candidates": ["left", "right", "above", "below", "nowhere"],
        "correct_choice": 1,
        "question_category": "T2E",
        "level": "L1-Perception",
        "duration": 9.0,
        "duration_group": 15,
        "starting_timestamp_for_subtitles": 100,
        **changed,
    }


SAID: list[dict[str, Any]] = [
    {"timestamp": [102.5, 103.5], "text": "stop"},
    {"timestamp": [104.2, 104.4], "text": "nobody sees this"},
    {"start": "00:01:46.000", "end": "00:01:48.000", "line": "and go"},
    {"timestamp": [109.0, None], "text": "the end"},
]


def long_videos(root: Path, *rows: dict[str, Any], said: Any = SAID) -> Path:
    """LongVideoBench with these rows, one video and what is said in it; returns the root."""
    for folder in ("videos", "subtitles"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    save_animation(root / "videos/v.gif", moving(10), 1000)
    (root / "subtitles/v_en.json").write_text(json.dumps(said))
    (root / "lvb_val.json").write_text(json.dumps(rows))
    return root


def _seen(number: int) -> dict[str, Any]:
    return {
        "sample_id": number,
        "video_source": SOURCE,
        "video_id": f"v{number}",
        "video_basename": f"v{number}.gif",
        "current_observation_basename": f"v{number}.png",
        "current_observation_frame": 3,
        "task_goal": "see all colours",
        "question": "What comes next?",
        "task_progress_metadata": [{"narration_text": "see red", "start_frame": 0, "stop_frame": 3}],
    }


def _paint(path: Path, frames: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    size = (24, 24 + sum(path.name.encode()) % 8)
    first, *others = [Image.new("RGB", size, colour) for colour in COLOURS[:frames]]
    first.save(path, **({"save_all": True, "append_images": others, "duration": 500} if others else {}))
