"""A start checkpoint that is read otherwise: a copy with other settings in its elva.json."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Sequence
from pathlib import Path

from elva.model.settings import SETTINGS_FILE, Settings
from elva.strict import merge, typed_layer
from elva.whole import whole_folder


def read_otherwise(start: Path, beside: Path, pairs: Sequence[str]) -> Path:
    """A copy of a checkpoint with some of its settings changed.

    Args:
        start: the checkpoint.
        beside: folder that gets the copy, under a name that stands for the pairs.
        pairs: "key=value" of `elva.model.settings.Settings`, such as "prompts.generative=Describe:".

    Returns:
        The copy's folder.

    Raises:
        RecipeError: an unknown key, or a value of the wrong type.
    """
    changes = typed_layer(Settings, pairs, "read")
    copy = beside / f"read-{hashlib.sha256(json.dumps(changes).encode()).hexdigest()[:8]}"
    with whole_folder(copy, replace=True) as folder:
        shutil.copytree(start, folder, dirs_exist_ok=True)
        row = merge(Settings.load(start).to_row(), changes)
        (folder / SETTINGS_FILE).write_text(json.dumps(row, indent=2) + "\n", "utf-8")
    Settings.load(copy)
    return copy
