"""A checkpoint is asked by its own code."""

from __future__ import annotations

from pathlib import Path

import pytest

from data.building import picture
from elva.items import Item
from elva.model.asking import asking
from elva.mrbench import local
from elva.mrbench.local import Local
from smallest import smallest_embedder


def test_the_question_stands_in_place_of_the_prompt_and_the_model_stays_as_it_was() -> None:
    embedder = smallest_embedder()
    before = embedder.processor.settings
    asked = asking(embedder, "Which grains?", 20)
    prompts = asked.processor.settings.prompts
    assert prompts.user_texts(Item("red"), ["red"], "generative") == ["red\nWhich grains?"]
    assert embedder.processor.settings == before
    assert asked.fingerprint != embedder.fingerprint, "another question gets other answers"
    assert asked.backbone is embedder.backbone


def test_every_item_gets_its_answer_whatever_the_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "ANSWER_TOKENS", 6)
    items = [Item("a small red triangle"), Item(None, picture(tmp_path / "a.png")), Item("red", tmp_path / "a.png")]
    one, two = (dict(Local(smallest_embedder(), size).answers(items)) for size in (1, 3))
    assert one == two
    assert sorted(one) == [0, 1, 2]
    assert Local(smallest_embedder()).identity.startswith("local ")
    assert Local(smallest_embedder()).name == "random"
