from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from elva.items import Item
from elva.model import tiny
from elva.model.embedder import Embedder
from elva.prompts import RET
from smallest import smallest_embedder


@pytest.fixture
def embedder() -> Embedder:
    """A random model of the real classes, small enough for a test."""
    return smallest_embedder()


@pytest.fixture
def items() -> list[Item]:
    """Text, image and both, and clips; sizes and lengths differ."""
    rng = np.random.default_rng(0)
    pictures = [
        Image.fromarray(rng.integers(0, 255, (h, w, 3), dtype=np.uint8)) for h, w in ((64, 64), (40, 90), (64, 64))
    ]
    frames = [Image.fromarray(rng.integers(0, 255, (40, 60, 3), dtype=np.uint8)) for _ in range(5)]
    return [
        Item(text="a small red triangle left of a large blue circle"),
        Item(image=pictures[0]),
        Item(text="red", instruction="find the picture"),
        Item(image=pictures[1], text="blue circle", instruction="find the picture"),
        Item(image=pictures[2]),
        Item(video=frames, text="red", instruction="find the picture"),
        Item(video=[pictures[0], frames[1]]),
    ]


@pytest.fixture
def plain_base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder as transformers alone would save it: no elva.json, and no [RET] in its vocabulary."""
    monkeypatch.setattr(tiny, "SPECIAL", tuple(token for token in tiny.SPECIAL if token != RET))
    base, folder = smallest_embedder(), tmp_path / "plain-base"
    base.backbone.plain.save_pretrained(folder)
    base.processor.tokenizer.save_pretrained(folder)
    base.processor.image_processor.save_pretrained(folder)
    return folder
