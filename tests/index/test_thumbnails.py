"""Small pictures: they fit, and tiny ones lose nothing."""

from __future__ import annotations

from io import BytesIO

from PIL import Image

from elva.index.thumbnails import thumbnail
from elva.media import load_image


def test_large_pictures_become_small_jpegs() -> None:
    picture = Image.effect_noise((1000, 500), 50).convert("RGB")
    small = Image.open(BytesIO(thumbnail(picture)))
    assert (small.format, small.size) == ("JPEG", (256, 128))
    assert picture.size == (1000, 500)
    assert Image.open(BytesIO(thumbnail(picture.crop((0, 0, 100, 2))))).size == (100, 2)


def test_tiny_pictures_stay_as_they_are() -> None:
    picture = Image.effect_noise((96, 40), 50).convert("RGB")
    assert load_image(thumbnail(picture)).tobytes() == picture.tobytes()
