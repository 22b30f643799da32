"""A folder of pictures as a source."""

from __future__ import annotations

import os
from pathlib import Path

from PIL import Image

from elva.errors import DataError
from elva.index.sources.pictures import Pictures


def picture(path: Path, size: tuple[int, int] = (8, 4), **options: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, "red").save(path, **options)  # type: ignore[arg-type]


def test_pictures_are_found_below_with_what_their_headers_say(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112], exif[0x0132] = 6, "2021:05:31 12:00:00"
    picture(tmp_path / "b/turned.JPG", exif=exif)
    picture(tmp_path / "a.png")
    os.utime(tmp_path / "a.png", (1_600_000_000, 1_600_000_000))
    for other in (".hidden.png", ".cache/x.png", "index/last-search.png"):
        picture(tmp_path / other)
    (tmp_path / "notes.txt").write_text("no picture")
    errors: list[DataError] = []
    found = [each.entry for each in Pictures(tmp_path, tmp_path / "index").items(errors)]
    assert [(each.id, each.image) for each in found] == [("a.png", "a.png"), ("b/turned.JPG", "b/turned.JPG")]
    assert found[0].metadata == {"file": "a.png", "width": 8, "height": 4, "date": "2020-09-13"}
    assert found[1].metadata == {"file": "turned.JPG", "folder": "b", "width": 4, "height": 8, "date": "2021-05-31"}
    assert not errors


def test_what_is_no_picture_is_an_error_of_its_own(tmp_path: Path) -> None:
    picture(tmp_path / "good.png")
    (tmp_path / "bad.png").write_bytes(b"no picture")
    (tmp_path / "gone.png").symlink_to(tmp_path / "nowhere")
    picture(tmp_path / os.fsdecode(b"caf\xe9.png"), format="PNG")
    errors: list[DataError] = []
    assert [each.entry.id for each in Pictures(tmp_path).items(errors)] == ["good.png"]
    assert [error.found for error in errors] == ["is not an image", "its name is not UTF-8", "does not exist"]
    for error in errors:
        str(error).encode()


def test_formats_that_are_not_read_and_linked_folders_are_listed(tmp_path: Path) -> None:
    picture(tmp_path / "a/good.png")
    (tmp_path / "a/loop").symlink_to(tmp_path)
    (tmp_path / "a/phone.HEIC").write_bytes(b"")
    (tmp_path / "a/notes.txt").write_text("no picture")
    errors: list[DataError] = []
    assert [each.entry.id for each in Pictures(tmp_path).items(errors)] == ["a/good.png"]
    assert [error.found for error in errors] == ["is a link to a folder", ".HEIC can't be read"]
