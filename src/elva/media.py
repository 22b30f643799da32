"""The only place that opens image files; clips.py and video_files.py open clips. Limits hold before decoding."""

from __future__ import annotations

import errno
import hashlib
import re
import stat
import struct
import threading
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from io import BufferedReader, BytesIO
from pathlib import Path
from typing import TypeVar

from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from elva.errors import MediaMissing, MediaTooLarge, MediaTooNarrow, MediaUnreadable

ImageSource = str | Path | bytes | Image.Image
"""A path, the encoded bytes of an image file, or a picture already in memory."""

SIDEWAYS = (5, 6, 7, 8)
"""EXIF orientations that exchange width and height."""
DAMAGED = (OSError, SyntaxError, ValueError, EOFError, RuntimeError, IndexError, struct.error)
"""What Pillow raises of a damaged file: of an AVIF RuntimeError, of a GIF that is cut off IndexError."""
SIXTEEN_BIT = ("I;16", "I;16L", "I;16B", "I;16N", "I")


@dataclass(frozen=True, slots=True)
class MediaLimits:
    """What an image or a clip may cost, checked before decoding.

    Attributes:
        max_bytes: encoded bytes of a picture, one that moves included.
        max_pixels: width times height.
        max_ratio: longer side over shorter side; the image processors of Qwen2-VL refuse more.
        max_clip_bytes: encoded bytes of a video file.
        max_clip_pixels: of all frames of a clip that are looked at.
        max_frames: that a clip has, looked at or not.
    """

    max_bytes: int = 50_000_000
    max_pixels: int = 64_000_000
    max_ratio: int = 200
    max_clip_bytes: int = 1_000_000_000
    max_clip_pixels: int = 256_000_000
    max_frames: int = 20_000


DEFAULT_LIMITS = MediaLimits()


def load_image(source: ImageSource, limits: MediaLimits = DEFAULT_LIMITS) -> Image.Image:
    """Open an image as upright RGB.

    Rotates by EXIF, lays transparency over white, maps palettes, greys, CMYK and 16-bit greys to
    8-bit RGB, and takes the first frame of an animation.

    Args:
        source: a path, encoded bytes, or a PIL image.
        limits: the most bytes and pixels accepted.

    Returns:
        A new image of mode RGB, fully decoded.

    Raises:
        MediaMissing: no file at that path.
        MediaTooLarge: over a limit; nothing was decoded.
        MediaTooNarrow: one side is too long for the other; nothing was decoded.
        MediaUnreadable: truncated, damaged, or no image.
    """
    return look_at(source, limits, _upright_rgb)


def image_size(source: ImageSource, limits: MediaLimits = DEFAULT_LIMITS) -> tuple[int, int]:
    """Width and height in pixels of the image that `load_image` would give, from its header where the format allows.

    Raises:
        MediaError: as `load_image`; damage behind the header is not seen.
    """
    return look_at(source, limits, _upright_size)


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """What the header of an image says.

    Attributes:
        width: pixels of the image that `load_image` would give.
        height: the same.
        taken: the day on which it was taken, as 2024-05-31, where a camera wrote it down.
    """

    width: int
    height: int
    taken: str | None


def image_facts(source: ImageSource, limits: MediaLimits = DEFAULT_LIMITS) -> ImageFacts:
    """Size and day of an image, from its header where the format allows; MediaError as `image_size`."""
    return look_at(source, limits, lambda image: ImageFacts(*_upright_size(image), _taken(image)))


class _Quiet:
    """No warnings while any thread is inside; where threads overlap, `warnings.catch_warnings` alone leaves a mess."""

    def __init__(self) -> None:
        self._lock, self._inside = threading.Lock(), 0
        self._before = warnings.catch_warnings()

    def __enter__(self) -> None:
        with self._lock:
            if not self._inside:
                self._before = warnings.catch_warnings()
                self._before.__enter__()
                warnings.simplefilter("ignore")
            self._inside += 1

    def __exit__(self, *error: object) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                self._before.__exit__(None, None, None)


_QUIET = _Quiet()
Looked = TypeVar("Looked")


def look_at(source: ImageSource, limits: MediaLimits, look: Callable[[Image.Image], Looked]) -> Looked:
    """What `look` makes of the opened image, within the limits; MediaError as `load_image`, whatever it does."""
    name = describe(source)
    if isinstance(source, Image.Image):
        check_size(source.size, limits, name)
        return look(source)
    data = _read_bytes(source, limits, name)
    try:
        # Pillow's own bomb check only warns and knows one global limit: ours decides instead. Its other warnings
        # (odd metadata and the like) name no file, and what they are about is decoded all the same.
        with _QUIET:
            image = Image.open(BytesIO(data))
            check_size(image.size, limits, name)
            return look(image)
    except UnidentifiedImageError as error:
        raise MediaUnreadable(f"{name} is not an image; give a JPEG, PNG or the like") from error
    except Image.DecompressionBombError as error:
        raise MediaTooLarge(f"{name} has far more than {limits.max_pixels:,} pixels, the limit; shrink it") from error
    except DAMAGED as error:
        raise MediaUnreadable(f"{name} is truncated or damaged ({error}); replace the file") from error


def image_key(source: ImageSource) -> str:
    """The name of a picture's content, to cache by.

    Returns:
        sha256 in hex: of the encoded bytes, or of mode, size and pixels for a PIL image. The same
        picture read from a path and from bytes has the same key.

    Raises:
        MediaMissing: no file at that path.
    """
    if isinstance(source, Image.Image):
        header = f"{source.mode} {source.width} {source.height} ".encode()
        return hashlib.sha256(header + source.tobytes()).hexdigest()
    if isinstance(source, bytes):
        return hashlib.sha256(source).hexdigest()
    try:
        with _file(source) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise _not_readable(source, error) from error


def describe(source: ImageSource) -> str:
    """A short name of a picture, for tables and errors."""
    if isinstance(source, Image.Image):
        return f"image of {source.width} x {source.height} pixels"
    if isinstance(source, bytes):
        return f"image of {len(source)} bytes"
    return str(source)


def _read_bytes(source: str | Path | bytes, limits: MediaLimits, name: str) -> bytes:
    if isinstance(source, bytes):
        _check_bytes(len(source), limits, name)
        return source
    try:
        with _file(source) as file:
            data = file.read(limits.max_bytes + 1)
    except OSError as error:
        raise _not_readable(source, error) from error
    _check_bytes(len(data), limits, name)
    return data


def _file(path: str | Path) -> BufferedReader:
    """The file, open for reading; OSError where it is a pipe or a device, which may never end."""
    mode = Path(path).stat().st_mode
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):  # opening a folder says best itself what is wrong
        raise OSError(errno.EINVAL, "no ordinary file")
    return Path(path).open("rb")


def _not_readable(source: str | Path, error: OSError) -> MediaMissing | MediaUnreadable:
    if isinstance(error, FileNotFoundError):
        return MediaMissing(f"{source} does not exist; check the path")
    return MediaUnreadable(f"{source} can't be read ({error.strerror}); check the path")


def _check_bytes(count: int, limits: MediaLimits, name: str) -> None:
    if count > limits.max_bytes:
        raise MediaTooLarge(f"{name} has more than {limits.max_bytes:,} bytes; shrink it")


def check_size(size: tuple[int, int], limits: MediaLimits, name: str) -> None:
    """MediaError where a picture of this width and height is over a limit."""
    pixels = size[0] * size[1]
    if pixels > limits.max_pixels:
        raise MediaTooLarge(f"{name} has {pixels:,} pixels, the limit is {limits.max_pixels:,}; shrink it")
    if max(size) > limits.max_ratio * min(size):
        raise MediaTooNarrow(
            f"{name} is a strip of {size[0]} x {size[1]} pixels, its longer side may be at most "
            f"{limits.max_ratio} times the shorter; cut a part out"
        )


def check_frames(count: int, limits: MediaLimits, name: str) -> None:
    """MediaTooLarge where a clip has more frames than are gone through."""
    if count > limits.max_frames:
        raise MediaTooLarge(f"{name} has more than {limits.max_frames:,} frames; cut a part out")


def _upright_size(image: Image.Image) -> tuple[int, int]:
    turned = image.getexif().get(ExifTags.Base.Orientation) in SIDEWAYS
    return (image.height, image.width) if turned else image.size


def _taken(image: Image.Image) -> str | None:
    exif = image.getexif()
    written = exif.get_ifd(ExifTags.IFD.Exif).get(ExifTags.Base.DateTimeOriginal) or exif.get(ExifTags.Base.DateTime)
    found = re.match(r"(\d{4}):(\d\d):(\d\d) ", written) if isinstance(written, str) else None
    return "-".join(found.groups()) if found else None


def _upright_rgb(image: Image.Image) -> Image.Image:
    upright = ImageOps.exif_transpose(image)
    if upright.mode in SIXTEEN_BIT:
        # Pillow would clip 16-bit values to 255 and leave a white picture.
        upright = upright.convert("I").point(lambda value: value * (1 / 257)).convert("L")
    if upright.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in upright.info:
        layer = upright.convert("RGBA")
        paper = Image.new("RGBA", layer.size, "white")
        upright = Image.alpha_composite(paper, layer)
    return upright.convert("RGB")
