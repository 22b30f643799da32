"""A start checkpoint that is read otherwise."""

from __future__ import annotations

from pathlib import Path

import pytest

from elva.errors import RecipeError
from elva.experiment.reading import read_otherwise
from elva.model.embedder import Embedder
from smallest import smallest_embedder


def test_a_copy_has_the_changed_settings_and_the_start_keeps_its_own(tmp_path: Path) -> None:
    start = tmp_path / "start"
    smallest_embedder().save(start)
    pairs = ["prompts.generative=Say what matters:", "max_summary=5"]
    copy = read_otherwise(start, tmp_path / "read", pairs)
    assert read_otherwise(start, tmp_path / "read", pairs) == copy
    settings = Embedder.load(copy).processor.settings
    assert (settings.prompts.generative, settings.max_summary) == ("Say what matters:", 5)
    assert settings.prompts.one_word == Embedder.load(start).processor.settings.prompts.one_word
    assert Embedder.load(start).processor.settings.max_summary == 8
    assert read_otherwise(start, tmp_path / "read", ["max_summary=6"]) != copy
    with pytest.raises(RecipeError, match="did you mean 'max_summary'"):
        read_otherwise(start, tmp_path / "read", ["max_sumary=5"])
