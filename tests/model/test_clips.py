"""Clips on disk are read as their frames are, and are opened only when they are looked at."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from elva.clips import Clip
from elva.errors import MediaMissing
from elva.items import Item
from elva.model.embedder import Embedder
from elva.model.features import VisionFeatures
from elva.model.inputs import Inputs
from families import CLASSES, save_family
from filmed import moving, save_animation, save_folder


@pytest.mark.parametrize("family", CLASSES)
def test_a_clip_on_disk_has_the_vector_of_its_frames(family: str, tmp_path: Path) -> None:
    embedder, frames = Embedder.load(save_family(family, tmp_path / family)), moving(7)
    kept = [Clip(save_folder(tmp_path / "folder", frames)), Clip(save_animation(tmp_path / "a.webp", frames, 500))]
    exact = [Clip(each.path, frames=many) for each in kept for many in (7, 5, 4)]
    told = [[frames[place] for place in places] for places in ([*range(7)], [0, 2, 3, 5, 6], [0, 2, 4, 6])]
    vectors = embedder.embed([Item("red", video=clip) for clip in exact], extraction="one_word").vectors
    expected = embedder.embed([Item("red", video=given) for given in told], extraction="one_word").vectors
    assert abs(vectors[:3] - expected).max() < 1e-5, "a folder"
    assert abs(vectors[3:] - expected).max() < 1e-5, "an animation"


def test_a_clip_is_opened_when_it_is_looked_at(embedder: Embedder, tmp_path: Path) -> None:
    item = Item(video=Clip(tmp_path / "none"))
    assert item.label() == f"video {tmp_path / 'none'}"
    assert item.modality == "video"
    with pytest.raises(MediaMissing, match="none does not exist"):
        embedder.embed([item])


def test_a_clip_is_seen_once_and_remembered(embedder: Embedder, tmp_path: Path) -> None:
    features = VisionFeatures(embedder.backbone, embedder.processor)
    clip = Clip(save_folder(tmp_path / "folder", moving(4)))
    ticks = list[int]()
    (first, grid), (again, _) = features.look([clip, Clip(clip.path)], progress=ticks.append)
    assert ticks == [1] and grid[0] == 2
    assert torch.equal(first, again)
    assert torch.equal(features.grid(clip), grid)


def test_a_clip_may_be_looked_at_when_it_is_read(embedder: Embedder, tmp_path: Path) -> None:
    inputs = Inputs(embedder.backbone, embedder.processor, embedder.features)
    items = [Item(video=Clip(save_folder(tmp_path / "folder", moving(5)), frames=3)), Item("red")]
    early, late = (inputs.collate(inputs.prepare(items, "generative", look=look)) for look in (True, False))
    torch.testing.assert_close(late.inputs, early.inputs, atol=1e-6, rtol=0)
