"""The only place that opens image files. Limits hold before a pixel is decoded."""

from __future__ import annotations

import errno
import hashlib
import re
import stat
import threading
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from io import BufferedReader, BytesIO
from pathlib import Path
from typing import TypeVar

from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from elva.errors import MediaMissing, MediaTooLarge, MediaTooNarrow, MediaUnreadable

ImageSource = str | Path | bytes | Image.Image
"""A path, the encoded bytes of an image file, or a picture already in memory."""
Visual = ImageSource | tuple[ImageSource, ...]
"""What a model looks at: a picture, or a clip as the tuple of its frames."""

SIDEWAYS = (5, 6, 7, 8)
"""EXIF orientations that exchange width and height."""
SIXTEEN_BIT = ("I;16", "I;16L", "I;16B", "I;16N", "I")


@dataclass(frozen=True, slots=True)
class MediaLimits:
    """What an image may cost, checked before decoding.

    Attributes:
        max_bytes: encoded bytes.
        max_pixels: width times height.
        max_ratio: longer side over shorter side; the image processors of Qwen2-VL refuse more.
    """

    max_bytes: int = 50_000_000
    max_pixels: int = 64_000_000
    max_ratio: int = 200


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
    return _opened(source, limits, _upright_rgb)


def image_size(source: ImageSource, limits: MediaLimits = DEFAULT_LIMITS) -> tuple[int, int]:
    """Width and height in pixels of the image that `load_image` would give, from its header where the format allows.

    Raises:
        MediaError: as `load_image`; damage behind the header is not seen.
    """
    return _opened(source, limits, _upright_size)


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
    return _opened(source, limits, lambda image: ImageFacts(*_upright_size(image), _taken(image)))


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


def _opened(source: ImageSource, limits: MediaLimits, look: Callable[[Image.Image], Looked]) -> Looked:
    """What `look` makes of the opened image; what goes wrong is told with the image's name."""
    name = describe(source)
    if isinstance(source, Image.Image):
        _check_size(source, limits, name)
        return look(source)
    data = _read_bytes(source, limits, name)
    try:
        # Pillow's own bomb check only warns and knows one global limit: ours decides instead. Its other warnings
        # (odd metadata and the like) name no file, and what they are about is decoded all the same.
        with _QUIET:
            image = Image.open(BytesIO(data))
            _check_size(image, limits, name)
            return look(image)
    except UnidentifiedImageError as error:
        raise MediaUnreadable(f"{name} is not an image; give a JPEG, PNG or the like") from error
    except Image.DecompressionBombError as error:
        raise MediaTooLarge(f"{name} has far more than {limits.max_pixels:,} pixels, the limit; shrink it") from error
    except (OSError, SyntaxError, ValueError, EOFError, RuntimeError) as error:  # RuntimeError: damaged AVIF
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


def clip_key(frames: Iterable[str]) -> str:
    """The name of a clip's content, of the keys of its frames in their order; never that of a picture."""
    return hashlib.sha256(" ".join(["video", *frames]).encode()).hexdigest()


def visual_key(visual: Visual) -> str:
    """The name of the content of a picture or a clip; MediaError as `image_key`."""
    return clip_key(map(image_key, visual)) if isinstance(visual, tuple) else image_key(visual)


def frames_of(visual: Visual) -> tuple[ImageSource, ...]:
    """The frames of a clip; a picture is its own single frame."""
    return visual if isinstance(visual, tuple) else (visual,)


def describe(source: Visual) -> str:
    """A short name of a picture or a clip, for tables and errors."""
    if isinstance(source, tuple):
        return f"video of {len(source)} {'frame' if len(source) == 1 else 'frames'} ({describe(source[0])} first)"
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


def _check_size(image: Image.Image, limits: MediaLimits, name: str) -> None:
    pixels = image.width * image.height
    if pixels > limits.max_pixels:
        raise MediaTooLarge(f"{name} has {pixels:,} pixels, the limit is {limits.max_pixels:,}; shrink it")
    if max(image.size) > limits.max_ratio * min(image.size):
        raise MediaTooNarrow(
            f"{name} is a strip of {image.width} x {image.height} pixels, its longer side may be at most "
            f"{limits.max_ratio} times the shorter; cut a part out"
        )


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
