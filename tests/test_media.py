from __future__ import annotations

import os
import warnings
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from elva.errors import MediaMissing, MediaTooLarge, MediaTooNarrow, MediaUnreadable
from elva.media import MediaLimits, image_key, image_size, load_image

RED, WHITE = (255, 0, 0), (255, 255, 255)


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    file = BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def first_pixel(data: bytes) -> object:
    image = load_image(data)
    assert image.mode == "RGB"
    return image.getpixel((0, 0))


def test_transparency_lies_over_white() -> None:
    assert first_pixel(encoded(Image.new("RGBA", (2, 2), (255, 0, 0, 0)))) == WHITE
    assert first_pixel(encoded(Image.new("LA", (2, 2), (0, 0)))) == WHITE
    assert first_pixel(encoded(Image.new("RGBA", (2, 2), (255, 0, 0, 255)))) == RED


def test_palettes_become_rgb_and_their_transparency_white() -> None:
    palette = Image.new("RGB", (2, 2), RED).quantize(4)
    assert first_pixel(encoded(palette)) == RED
    index = palette.getpixel((0, 0))
    assert first_pixel(encoded(palette, transparency=index)) == WHITE


@pytest.mark.parametrize(("value", "expected"), [(0, (0, 0, 0)), (65535, WHITE), (32896, (128, 128, 128))])
def test_sixteen_bit_greys_keep_their_brightness(value: int, expected: tuple[int, int, int]) -> None:
    grey = Image.fromarray(np.full((2, 2), value, np.uint16))
    assert first_pixel(encoded(grey)) == expected


def test_cmyk_and_grey_and_one_bit_become_rgb() -> None:
    assert first_pixel(encoded(Image.new("CMYK", (8, 8), (0, 0, 0, 0)), "JPEG")) == WHITE
    assert first_pixel(encoded(Image.new("L", (2, 2), 255))) == WHITE
    assert first_pixel(encoded(Image.new("1", (2, 2), 1))) == WHITE


def test_an_animation_gives_its_first_frame() -> None:
    frames = [Image.new("RGB", (4, 4), colour) for colour in (RED, WHITE)]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert first_pixel(data) == RED


def test_exif_turns_the_picture_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encoded(Image.new("RGB", (8, 4)), "JPEG", exif=exif)
    assert load_image(data).size == (4, 8)


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    for look in (load_image, image_key):
        with pytest.raises(MediaUnreadable, match="no ordinary file"):
            look(tmp_path / "pipe.jpg")


def test_a_missing_file_and_a_folder_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(MediaMissing, match=r"none\.jpg does not exist"):
        load_image(tmp_path / "none.jpg")
    with pytest.raises(MediaUnreadable, match="can't be read"):
        load_image(tmp_path)
    with pytest.raises(MediaMissing):
        image_key(tmp_path / "none.jpg")


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP", "AVIF"])
def test_a_truncated_file_is_unreadable(kind: str, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    data = encoded(Image.fromarray(noise), kind)
    path = tmp_path / "half"
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(MediaUnreadable, match="half"):
        load_image(path)


@pytest.mark.parametrize("data", [b"", b"no image", b"<svg></svg>"])
def test_what_is_no_image_is_unreadable(data: bytes) -> None:
    with pytest.raises(MediaUnreadable):
        load_image(data)


def test_a_bomb_is_refused_before_it_is_decoded() -> None:
    bomb = encoded(Image.new("1", (13_000, 13_000)))
    assert len(bomb) < 100_000
    with pytest.raises(MediaTooLarge, match="169,000,000 pixels"):
        load_image(bomb)


def test_the_limits_hold_for_every_kind_of_source(tmp_path: Path) -> None:
    image = Image.new("RGB", (10, 10))
    path = tmp_path / "a.png"
    path.write_bytes(encoded(image))
    for source in (path, str(path), path.read_bytes(), image):
        with pytest.raises(MediaTooLarge, match="100 pixels"):
            load_image(source, MediaLimits(max_pixels=99))
        assert load_image(source, MediaLimits(max_pixels=100)).size == (10, 10)
    with pytest.raises(MediaTooLarge, match="bytes"):
        load_image(path, MediaLimits(max_bytes=20))


@pytest.mark.parametrize("size", [(3, 3000), (601, 3)])
def test_a_strip_is_refused(size: tuple[int, int]) -> None:
    for source in (Image.new("RGB", size), encoded(Image.new("RGB", size))):
        with pytest.raises(MediaTooNarrow, match=f"{size[0]} x {size[1]} pixels"):
            load_image(source)
    assert load_image(Image.new("RGB", (600, 3))).size == (600, 3)


def test_odd_metadata_is_passed_over_in_silence(recwarn: pytest.WarningsRecorder) -> None:
    data = encoded(Image.new("RGB", (8, 8)), "JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\xff\xff")
    assert load_image(data).size == (8, 8)
    assert not recwarn.list


@given(st.binary(max_size=300))
def test_any_bytes_give_an_image_or_a_media_error(data: bytes) -> None:
    header = encoded(Image.new("RGB", (2, 2)))[:24]
    with pytest.raises((MediaUnreadable, MediaTooLarge)):
        load_image(header + data)


def test_the_key_names_the_content_and_not_the_place(tmp_path: Path) -> None:
    data = encoded(Image.new("RGB", (2, 2), RED))
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(data)
    keys = {image_key(tmp_path / "a.png"), image_key(str(tmp_path / "b.png")), image_key(data)}
    assert len(keys) == 1
    assert image_key(encoded(Image.new("RGB", (2, 2)))) not in keys


def test_pictures_in_memory_differ_by_shape_as_well_as_pixels() -> None:
    wide, tall = Image.new("L", (4, 1)), Image.new("L", (1, 4))
    assert image_key(wide) == image_key(wide.copy())
    assert image_key(wide) != image_key(tall)


def test_loading_leaves_the_source_as_it_was() -> None:
    image = Image.new("RGBA", (2, 2), (0, 0, 0, 0))
    load_image(image)
    assert image.mode == "RGBA"
    assert image.getpixel((0, 0)) == (0, 0, 0, 0)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_size_is_that_of_the_upright_picture(kind: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(Image.new("RGB", (8, 4)), kind, exif=exif)
    assert image_size(data) == load_image(data).size


def test_the_size_is_refused_where_the_picture_is(tmp_path: Path) -> None:
    with pytest.raises(MediaMissing):
        image_size(tmp_path / "gone.png")
    with pytest.raises(MediaTooLarge, match="50 pixels, the limit is 49"):
        image_size(Image.new("RGB", (10, 5)), MediaLimits(max_pixels=49))


def test_many_threads_leave_the_warnings_as_they_were() -> None:
    odd = encoded(Image.new("RGB", (8, 8)), "JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\xff\xff")
    before = list(warnings.filters)
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(load_image, [odd] * 200))
    assert list(warnings.filters) == before
