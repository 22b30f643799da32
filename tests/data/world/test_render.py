"""Pictures: size, reproducibility, and that every grain can be seen."""

from __future__ import annotations

from random import Random

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from elva.data.world.edits import apply, edits
from elva.data.world.render import SIDE, render
from elva.data.world.scenes import draw_scene
from elva.data.world.words import KINDS

seeds = st.integers(0, 2**32)


def pixels(scene: object, seed: int) -> np.ndarray:
    return np.asarray(render(scene, Random(seed))).astype(int)  # type: ignore[arg-type]


def test_pictures_are_small_rgb_and_reproducible() -> None:
    scene = draw_scene(Random(3))
    picture = render(scene, Random(0))
    assert (picture.size, picture.mode) == ((SIDE, SIDE), "RGB")
    assert picture.tobytes() == render(scene, Random(0)).tobytes()
    assert picture.tobytes() != render(scene, Random(1)).tobytes()


@given(seeds, st.sampled_from(KINDS))
def test_every_edit_is_visible(seed: int, kind: str) -> None:
    scene = draw_scene(Random(seed))
    for edit in edits(scene, kind):
        # the same nuisance, so that only the edit differs
        difference = np.abs(pixels(scene, seed) - pixels(apply(scene, edit), seed)).max(axis=2)
        assert (difference > 25).sum() >= 8, edit


@given(seeds)
def test_things_hardly_touch_the_border(seed: int) -> None:
    picture = pixels(draw_scene(Random(seed)), seed)
    background = np.median(picture.reshape(-1, 3), axis=0)
    for side in (picture[0], picture[-1], picture[:, 0], picture[:, -1]):
        touched = np.abs(side - background).max(axis=1) > 25
        # two things side by side at their largest, with a pixel of their flat sides cut off
        assert touched.sum() <= SIDE // 2
