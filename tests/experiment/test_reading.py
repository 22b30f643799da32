"""A start checkpoint that is read otherwise."""

from __future__ import annotations

from pathlib import Path

import pytest

from elva.errors import RecipeError
from elva.experiment.reading import read_otherwise
from elva.items import Item
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


def test_a_copy_can_be_read_by_several_summaries(tmp_path: Path) -> None:
    start = tmp_path / "start"
    smallest_embedder().save(start)
    copy = Embedder.load(read_otherwise(start, tmp_path / "read", ["summaries=4", "summary_temperature=0.7"]))
    settings = copy.processor.settings
    assert (settings.summaries, settings.summary_temperature) == (4, 0.7)
    item = [Item(text="a small red triangle")]
    assert copy.fingerprint != Embedder.load(start).fingerprint
    assert abs(copy.encode(item) - Embedder.load(start).encode(item)).max() > 1e-3


@pytest.mark.parametrize(
    ("pairs", "words"),
    [
        (["summaries=0"], "summaries 0, not a whole number of at least 1"),
        (["summaries=4", "extraction=one_word"], "summaries 4 and extraction one_word"),
        (["summary_temperature=0.7"], "set summaries too"),
    ],
)
def test_what_can_not_be_read_leaves_no_copy(tmp_path: Path, pairs: list[str], words: str) -> None:
    start = tmp_path / "start"
    smallest_embedder().save(start)
    with pytest.raises(RecipeError, match=rf"start can't be read so: .*{words}"):
        read_otherwise(start, tmp_path / "read", pairs)
    assert not (tmp_path / "read").exists()
