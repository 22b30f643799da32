"""Clips on disk for tests: a square that moves from left to right, a frame at a time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw


def moving(count: int, size: tuple[int, int] = (64, 48)) -> list[Image.Image]:
    """The frames; frame n tells its number by where the square is."""
    frames = []
    for number in range(count):
        frame = Image.new("RGB", size, "white")
        ImageDraw.Draw(frame).rectangle((number * 4, 8, number * 4 + 7, 15), "red")
        frames.append(frame)
    return frames


def number_of(frame: Image.Image) -> int:
    """Which of the frames this is, out of a lossy file too."""
    red = [x for x in range(frame.width) if (pixel := frame.getpixel((x, 11))) and pixel[1] < 128 < pixel[0]]
    return round(red[0] / 4)


def save_folder(folder: Path, frames: Sequence[Image.Image]) -> Path:
    """Frames as files: 1.png, 2.png, ... 10.png."""
    folder.mkdir(parents=True)
    for number, frame in enumerate(frames, 1):
        frame.save(folder / f"{number}.png")
    return folder


def save_animation(path: Path, frames: Sequence[Image.Image], duration: int | list[int] = 100) -> Path:
    """Frames as an animated picture, of so many milliseconds each."""
    frames[0].save(path, save_all=True, append_images=list(frames[1:]), duration=duration, loop=0, lossless=True)
    return path


def save_video(path: Path, frames: Sequence[Image.Image], rate: int = 10, codec: str = "mpeg4") -> Path:
    """Frames as a video file."""
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate)
        stream.width, stream.height, stream.pix_fmt = *frames[0].size, "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_image(frame)))
        container.mux(stream.encode())
    return path
