"""Clips on disk: a folder of frames, an animated picture or a video file; opened when they are looked at."""

from __future__ import annotations

import hashlib
import re
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Protocol

from PIL import Image, UnidentifiedImageError

from elva.errors import InputError, MediaMissing, MediaTooLarge, MediaUnreadable
from elva.media import (
    DEFAULT_LIMITS,
    ImageSource,
    MediaLimits,
    check_frames,
    describe,
    image_key,
    image_size,
    load_image,
    look_at,
)

FRAMES = 12
"""Frames that a clip shows where nothing else is said."""
FOLDER_RATE = 2.0
"""Frames per second of a folder, which does not say: as of frames that are given one by one (`elva.items`)."""
SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".avif"})
"""Files of a folder that are frames; others are passed over."""
ANIMATED = ("AVIF", "GIF", "JPEG", "PNG", "WEBP")
"""Formats of pictures that are clips: some move, and one that does not is a clip of one frame."""
STILL_SECONDS = 0.1
"""How long a frame of an animation is shown that says nothing, or nothing sensible: as browsers do."""


@dataclass(frozen=True, slots=True)
class Clip:
    """A video on disk, and which of its frames are to be looked at.

    Attributes:
        path: a folder of frames, whose names give their order; an animated GIF, WebP, PNG or AVIF; or a video file,
            for which the extra `video` is needed.
        frames: the most that are looked at, spread evenly from first to last; a shorter clip shows all it has.
        fps: take frames at this rate, per second; where that gives more than `frames`, they are spread evenly.
        part: of these, only those from the first number up to before the second, for a clip that is told in pieces
            with words between. The numbers count `frames`: a clip that has fewer is cut at the same shares of it.

    Raises:
        InputError: frames or fps are no positive numbers, or the part is none.
    """

    path: str | Path
    frames: int = FRAMES
    fps: float | None = None
    part: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        """Refuse a clip of nothing."""
        if self.frames < 1:
            raise InputError(f"{self.frames} frames can't be looked at; give at least one")
        if self.fps is not None and not self.fps > 0:
            raise InputError(f"a clip has no {self.fps:g} frames per second; give a number above 0")
        if self.part is not None and not 0 <= self.part[0] < self.part[1] <= self.frames:
            raise InputError(f"{self.frames} frames have no part {self.part}; give two numbers, the lower one first")


Visual = ImageSource | tuple[ImageSource, ...] | Clip
"""What a model looks at: a picture, or a clip as the tuple of its frames or as it lies on disk."""


class Reader(Protocol):
    """An opened clip.

    Attributes:
        size: width and height of its first frame in pixels.
        times: when each of its frames begins, in seconds, ascending.
    """

    size: tuple[int, int]
    times: list[float]

    def read(self, places: Sequence[int]) -> list[ImageSource]:
        """The frames at these ascending places of `times`."""


def frames_of(visual: Visual, limits: MediaLimits = DEFAULT_LIMITS) -> tuple[ImageSource, ...]:
    """The frames of a clip that are looked at; a picture is its own single frame.

    Raises:
        MediaError: a clip on disk is missing, damaged, too large, or has no frames.
        MissingExtra: a video file, and PyAV is not installed.
    """
    if not isinstance(visual, Clip):
        return visual if isinstance(visual, tuple) else (visual,)
    if visual.part is None:
        return _read(visual, limits)
    frames = _read_once(replace(visual, part=None), _changed(Path(visual.path)), limits)
    return frames[_slice(visual, len(frames))]


def size_and_frames(visual: Visual, limits: MediaLimits = DEFAULT_LIMITS) -> tuple[tuple[int, int], int]:
    """Width and height of the first frame in pixels, and how many frames `frames_of` gives; errors as there.

    Of what is on disk headers are read, and no more where the format allows that.
    """
    if isinstance(visual, Clip):
        reader = _opened(visual, limits)
        count = len(chosen(reader.times, visual.frames, visual.fps))
        return reader.size, len(range(count)[_slice(visual, count)])
    frames = frames_of(visual)
    return image_size(frames[0], limits), len(frames)


def shown_times(clip: Clip, limits: MediaLimits = DEFAULT_LIMITS) -> list[float]:
    """When each frame that `frames_of` gives begins, in seconds; errors as there. Headers are read, as above."""
    times = _opened(clip, limits).times
    places = chosen(times, clip.frames, clip.fps)
    return [times[place] for place in places[_slice(clip, len(places))]]


def most_frames(visual: Visual) -> int:
    """The most frames that `frames_of` can give; nothing is opened."""
    if not isinstance(visual, Clip):
        return len(frames_of(visual))
    return visual.frames if visual.part is None else visual.part[1] - visual.part[0]


def clip_key(frames: Iterable[str]) -> str:
    """The name of a clip's content, of the keys of its frames in their order; never that of a picture."""
    return hashlib.sha256(" ".join(["video", *frames]).encode()).hexdigest()


def visual_key(visual: Visual) -> str:
    """The name of the content of a picture or a clip, of one on disk with the frames that are taken.

    Raises:
        MediaError: as `image_key`.
    """
    if isinstance(visual, Clip) and not Path(visual.path).is_dir():
        taken = f"{visual.frames} {visual.fps}" + (f" {visual.part}" if visual.part else "")
        return clip_key([image_key(visual.path), taken])
    return image_key(visual) if isinstance(visual, ImageSource) else clip_key(map(image_key, frames_of(visual)))


def describe_visual(visual: Visual) -> str:
    """A short name of a picture or a clip, for tables and errors."""
    if isinstance(visual, Clip):
        return f"video {visual.path}"
    if isinstance(visual, tuple):
        return f"video of {len(visual)} {'frame' if len(visual) == 1 else 'frames'} ({describe(visual[0])} first)"
    return describe(visual)


def chosen(times: Sequence[float], frames: int, fps: float | None = None) -> list[int]:
    """Which frames are looked at: places in `times`, ascending, each once.

    Args:
        times: when each frame begins, in seconds, ascending; at least one.
        frames: the most.
        fps: the frames that are seen at this rate, from the first on; all of them by default.
    """
    places = [*range(len(times))]
    if fps is not None:
        first, last = times[0], times[-1]
        seen = (first + step / fps for step in range(int((last - first) * fps + 1e-6) + 1))
        places = [*dict.fromkeys(bisect_right(times, moment + 1e-6) - 1 for moment in seen)]
    if len(places) <= frames:
        return places
    if frames == 1:
        return [places[len(places) // 2]]
    steps, last_place = frames - 1, len(places) - 1
    return [places[(2 * step * last_place + steps) // (2 * steps)] for step in range(frames)]  # rounded


def _read(clip: Clip, limits: MediaLimits) -> tuple[ImageSource, ...]:
    """All frames that are looked at, whatever the part."""
    reader = _opened(clip, limits)
    places = chosen(reader.times, clip.frames, clip.fps)
    pixels = len(places) * reader.size[0] * reader.size[1]
    if pixels > limits.max_clip_pixels:
        raise MediaTooLarge(
            f"{clip.path}: {len(places)} of its frames have {pixels:,} pixels, the limit is "
            f"{limits.max_clip_pixels:,}; take fewer frames, or shrink it"
        )
    return tuple(reader.read(places))


@lru_cache(maxsize=1)
def _read_once(clip: Clip, changed: int, limits: MediaLimits) -> tuple[ImageSource, ...]:
    """As `_read`: the parts of a clip follow each other, and a video file is decoded from its beginning each time."""
    return _read(clip, limits)


def _changed(path: Path) -> int:
    return path.stat().st_mtime_ns if path.exists() else 0


def _slice(clip: Clip, count: int) -> slice:
    """Where the part of a clip lies among its frames, at least one of them."""
    if clip.part is None:
        return slice(count)
    first, stop = (number * count // clip.frames for number in clip.part)
    return slice(first, max(stop, first + 1))


def _opened(clip: Clip, limits: MediaLimits) -> Reader:
    path = Path(clip.path)
    if not path.exists():
        raise MediaMissing(f"{path} does not exist; check the path")
    if path.is_dir():
        return _Folder(path, limits)
    if not path.is_file():  # a pipe may never end
        raise MediaUnreadable(f"{path} is no ordinary file; check the path")
    if _is_picture(path):
        return _Animation(path, limits)
    from elva.video_files import VideoFile

    return VideoFile(path, limits)


def _is_picture(path: Path) -> bool:
    try:
        with path.open("rb") as file, Image.open(file, formats=ANIMATED):
            return True
    except UnidentifiedImageError:
        return False
    except Exception:  # a damaged one: what is wrong is told when it is read
        return True


class _Folder:
    """A folder of frames, named in their order: 2.jpg comes before 10.jpg."""

    def __init__(self, path: Path, limits: MediaLimits) -> None:
        files = (each for each in path.iterdir() if each.suffix.lower() in SUFFIXES and not each.name.startswith("."))
        self._files: list[ImageSource] = [*sorted(files, key=lambda each: _natural(each.name))]
        if not self._files:
            raise MediaUnreadable(f"{path} holds no frames; give a folder of JPEG, PNG or the like")
        check_frames(len(self._files), limits, str(path))
        self.size = image_size(self._files[0], limits)
        self.times = [number / FOLDER_RATE for number in range(len(self._files))]

    def read(self, places: Sequence[int]) -> list[ImageSource]:
        return [self._files[place] for place in places]


class _Animation:
    """A picture that may move."""

    def __init__(self, path: Path, limits: MediaLimits) -> None:
        self._path, self._limits = path, limits
        self.size = image_size(path, limits)
        self.times = look_at(path, limits, self._times)

    def _times(self, image: Image.Image) -> list[float]:
        count = getattr(image, "n_frames", 1)
        check_frames(count, self._limits, str(self._path))
        times, moment = list[float](), 0.0
        for number in range(count):
            image.seek(number)
            times.append(moment)
            moment += (image.info.get("duration") or 0) / 1000 or STILL_SECONDS
        return times

    def read(self, places: Sequence[int]) -> list[ImageSource]:
        def look(image: Image.Image) -> list[ImageSource]:
            frames: list[ImageSource] = []
            for place in places:
                image.seek(place)
                frames.append(load_image(image, self._limits))
            return frames

        return look_at(self._path, self._limits, look)


def _natural(name: str) -> list[str | int]:
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", name)]
