"""Video files, decoded by PyAV (FFmpeg): an extra, imported when the first one is opened."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image

from elva.errors import MediaTooLarge, MediaUnreadable, MissingExtra
from elva.media import ImageSource, MediaLimits, check_frames, check_size

CONTAINERS = "mov,mp4,matroska,webm,avi,flv,asf,mpeg,mpegts,ogg"
"""Files that hold their frames. Others, such as playlists, name files and addresses that would be opened, too."""
USUAL_RATE = 25.0
"""Frames per second of a file that does not say."""


class VideoFile:
    """See `elva.clips.Reader`; frames are counted without decoding, and decoded up to the last one asked for.

    Args:
        path: the file.
        limits: what it may cost.

    Raises:
        MissingExtra: PyAV is not installed.
        MediaTooLarge: over a limit; nothing was decoded.
        MediaUnreadable: damaged, or no video.
    """

    def __init__(self, path: Path, limits: MediaLimits) -> None:
        self._path, self._limits = path, limits
        if path.stat().st_size > limits.max_clip_bytes:
            raise MediaTooLarge(f"{path} has more than {limits.max_clip_bytes:,} bytes; shrink it")
        with self._opened() as (container, stream):
            shape = stream.codec_context
            self.size = self._checked(shape.width, shape.height)
            moments, unknown = list[int](), 0
            for packet in container.demux(stream):
                if packet.size:
                    check_frames(len(moments) + unknown + 1, limits, str(path))
                    if packet.pts is None:
                        unknown += 1
                    else:
                        moments.append(packet.pts)
            if not moments and not unknown:
                raise MediaUnreadable(f"{path} holds a video without frames; replace the file")
            if unknown:  # times of a part of the frames are none
                rate = float(stream.average_rate or USUAL_RATE)
                self.times = [number / rate for number in range(len(moments) + unknown)]
            else:
                self.times = [float(moment * stream.time_base) for moment in sorted(moments)]

    def read(self, places: Sequence[int]) -> list[ImageSource]:
        """The frames at these places, RGB and upright.

        Where the decoder gives fewer than the file announced, the last one stands for those that lack, as in a player.
        """
        frames, wanted = list[ImageSource](), set(places)
        with self._opened() as (container, stream):
            last = None
            for number, frame in enumerate(container.decode(stream)):
                last = frame
                if number in wanted:
                    frames.append(self._picture(frame))
                if len(frames) == len(wanted):
                    return frames
            if last is None:
                raise MediaUnreadable(f"{self._path} holds a video of which no frame can be decoded; replace the file")
            return [*frames, *[self._picture(last)] * (len(wanted) - len(frames))]

    def _picture(self, frame: Any) -> ImageSource:
        self._checked(frame.width, frame.height)
        picture: Image.Image = frame.to_image()
        return picture.rotate(frame.rotation, expand=True) if frame.rotation else picture

    def _checked(self, width: int, height: int) -> tuple[int, int]:
        check_size((width, height), self._limits, str(self._path))
        return width, height

    @contextmanager
    def _opened(self) -> Iterator[tuple[Any, Any]]:
        """The container and its video; what goes wrong is told with the file's name."""
        try:
            import av
        except ImportError as error:
            raise MissingExtra("av", "video") from error
        try:
            with (
                self._path.open("rb") as file,
                av.open(file, container_options={"format_whitelist": CONTAINERS}, io_open=_refuse) as container,
            ):
                stream = container.streams.best("video")
                if stream is None:
                    raise MediaUnreadable(f"{self._path} holds no video; give a video file")
                yield container, stream
        except MemoryError as error:
            raise MediaTooLarge(f"{self._path} takes too much memory; shrink it") from error
        except (av.FFmpegError, OSError, ValueError, RuntimeError) as error:
            raise MediaUnreadable(
                f"{self._path} is no picture and no video that can be read ({error}); replace the file, or convert it "
                "to MP4 or WebM"
            ) from error


def _refuse(url: str, flags: int, options: dict[str, str]) -> None:
    raise PermissionError(f"it names another file, {url}")
