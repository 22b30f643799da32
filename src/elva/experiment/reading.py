"""A start checkpoint that is read otherwise: a copy with other settings in its elva.json."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Sequence
from pathlib import Path

from elva.errors import RecipeError
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
        RecipeError: an unknown key, a value of the wrong type, or one that can't be.
    """
    changes = typed_layer(Settings, pairs, "read")
    row = merge(Settings.load(start).to_row(), changes)
    try:
        Settings.from_row(row)
    except ValueError as error:
        raise RecipeError(f"read: {start} can't be read so: {error}") from error
    copy = beside / f"read-{hashlib.sha256(json.dumps(changes).encode()).hexdigest()[:8]}"
    with whole_folder(copy, replace=True) as folder:
        shutil.copytree(start, folder, dirs_exist_ok=True)
        (folder / SETTINGS_FILE).write_text(json.dumps(row, indent=2) + "\n", "utf-8")
    return copy
