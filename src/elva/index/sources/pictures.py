"""A folder of pictures, with all that lies below it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from elva.errors import DataError, MediaError
from elva.index.protocol import Entry
from elva.index.sources.offered import Offered, bad_picture
from elva.items import HALF_CHARACTER, Item
from elva.media import image_facts

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif"})
UNREAD = frozenset({".heic", ".heif", ".jxl", ".jp2", ".svg", ".psd", ".dng", ".cr2", ".cr3", ".nef", ".arw", ".raf"})
"""Endings of pictures that are not read; they are listed, where other files are passed over."""


@dataclass(frozen=True, slots=True)
class Pictures:
    """Every file whose name ends as those of pictures do; hidden files and folders are passed over.

    Links to files are followed, and links to folders, which may lead anywhere, are listed as errors.

    An item's id is the path below the folder; its metadata are `file`, `folder`, `width`, `height` and `date` (when it
    was taken, else when the file was written).

    Attributes:
        path: the folder.
        without: a folder below it that holds no pictures of it, such as the index itself.
    """

    path: Path
    without: Path | None = None

    @property
    def kind(self) -> str:
        """See `Source`."""
        return "a folder of pictures"

    @property
    def root(self) -> Path:
        """See `Source`."""
        return self.path

    def items(self, errors: list[DataError]) -> Iterator[Offered]:
        """See `Source`."""
        for path in self._files(errors):
            try:
                yield self._offered(path)
            except DataError as error:
                errors.append(error)
            except MediaError as error:
                errors.append(bad_picture((path, None, None), error))

    def _files(self, errors: list[DataError]) -> Iterator[Path]:
        def refuse(error: OSError) -> None:
            raise DataError(
                error.filename, None, None, f"can't be read ({error.strerror})", "check its rights"
            ) from error

        for folder, below, files in os.walk(self.path, onerror=refuse):
            below[:] = sorted(each for each in below if not each.startswith(".") and Path(folder, each) != self.without)
            for path in (Path(folder, name) for name in below):
                if path.is_symlink():
                    fix = "move the folder here, or index it by itself"
                    errors.append(DataError(_shown(path), None, None, "is a link to a folder", fix))
            for path in (Path(folder, name) for name in sorted(files) if not name.startswith(".")):
                if path.suffix.lower() in SUFFIXES:
                    yield path
                elif path.suffix.lower() in UNREAD:
                    found = f"{path.suffix} can't be read"
                    errors.append(DataError(_shown(path), None, None, found, "convert it, such as to JPEG"))

    def _offered(self, path: Path) -> Offered:
        relative = path.relative_to(self.path)
        if HALF_CHARACTER.search(str(relative)):
            raise DataError(_shown(path), None, None, "its name is not UTF-8", "rename the file")
        seen = image_facts(path)
        folder = relative.parent.as_posix()
        metadata = {
            "file": path.name,
            **({"folder": folder} if folder != "." else {}),
            "width": seen.width,
            "height": seen.height,
            "date": seen.taken or _written(path),
        }
        entry = Entry(relative.as_posix(), image=relative.as_posix(), metadata=metadata)
        return Offered(entry, Item(image=path), (path, None, None))


def _shown(path: Path) -> str:
    """A path for people, whatever bytes it has."""
    return os.fsencode(path).decode("utf-8", "replace")


def _written(path: Path) -> str:
    return date.fromtimestamp(path.stat().st_mtime).isoformat()
