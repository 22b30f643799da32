"""Other people's retrievers, whose folders hold no elva.json: by what each is known, and how it is read.

LamRA-Ret (Liu et al., 2024) is a fine-tuned Qwen2-VL or Qwen2.5-VL. Its code puts "<emb>." behind the prompt and
reads the state before `<emb>`, which is where the prompt ends: ELVA's one-word extraction, without that token. It
adds the token when it runs, so that a published folder need not know it; but its merging leaves the name of its
class in config.json. Its Qwen2-VL code hands no positions to the language model, which then counts visual tokens
along the line; the one for Qwen2.5-VL asks for the grid.
"""

from __future__ import annotations

import json
from collections.abc import Container, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from elva.errors import CheckpointError
from elva.model.settings import SETTINGS_FILE, Positions, Settings
from elva.prompts import Prompts


@dataclass(frozen=True, slots=True)
class Layout:
    """One such retriever.

    Attributes:
        name: its name in print.
        token: what its code puts behind the prompt; where a vocabulary holds it, no text and no summary may.
        classes: the class names that its code leaves in config.json.
        settings: how its model types are read.
        max_pixels: pictures of a larger area are scaled down to it.
    """

    name: str
    token: str
    classes: tuple[str, ...]
    settings: Mapping[str, Settings]
    max_pixels: int


@dataclass(frozen=True, slots=True)
class Reading:
    """How a folder is read.

    Attributes:
        settings: those of elva.json, of a layout, or the paper's.
        max_pixels: a layout's own limit, or None.
        told: what a user should know of it; empty where elva.json says it all.
    """

    settings: Settings
    max_pixels: int | None = None
    told: str = ""


def _lamra(positions: Positions) -> Settings:
    prompts = Prompts(one_word="\nSummarize above {above} in one word: ", sentences=True)
    return Settings("one_word", prompts, trained=("LamRA",), positions=positions)


LAYOUTS = {
    "lamra": Layout(
        "LamRA",
        token="<emb>",
        classes=("Qwen2VLRetForConditionalGeneration", "Qwen2_5_VLRetForConditionalGeneration"),
        settings={"qwen2_vl": _lamra("line"), "qwen2_5_vl": _lamra("grid")},
        max_pixels=300 * 28 * 28,
    )
}
OWN_TOKENS = tuple(layout.token for layout in LAYOUTS.values())


def read_settings(folder: Path, vocabulary: Container[str]) -> Reading:
    """How this folder is read: by its elva.json, which may just name a layout; else by what it is known by.

    Raises:
        CheckpointError: elva.json is damaged, or names a layout that there is not, or of other model types.
    """
    path, config = folder / SETTINGS_FILE, _json(folder / "config.json")
    family = str(config.get("model_type"))
    row = _json(path)
    if set(row) == {"layout"}:
        named = LAYOUTS.get(str(row["layout"]))
        if named is None or family not in named.settings:
            known = "; ".join(f"{name} for {', '.join(each.settings)}" for name, each in LAYOUTS.items())
            raise CheckpointError(f"{path}: no layout {row['layout']!r} for model_type {family!r}; there is {known}")
        return _as(named, folder, family, f"{SETTINGS_FILE} says so")
    if path.is_file():
        return Reading(Settings.load(folder))
    classes = config.get("architectures")
    for layout in LAYOUTS.values():
        marks = [
            f"config.json names {each}" for each in layout.classes if isinstance(classes, list) and each in classes
        ]
        marks += [f"its vocabulary holds {layout.token}"] * (layout.token in vocabulary)
        if marks and family in layout.settings:
            return _as(layout, folder, family, marks[0])
    return Reading(Settings(), told=f"{folder} has no {SETTINGS_FILE}: read as a plain base model")


def _as(layout: Layout, folder: Path, family: str, why: str) -> Reading:
    settings = layout.settings[family]
    return Reading(
        settings,
        layout.max_pixels,
        f"{folder} is read as {layout.name} ({why}): one-word vectors by its prompt, visual tokens on a "
        f"{settings.positions}, pictures of at most {layout.max_pixels:,} pixels",
    )


def _json(path: Path) -> dict[str, Any]:
    """A JSON object, or nothing: what is wrong with a file is for its own reader to say."""
    try:
        row = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return row if isinstance(row, dict) else {}
