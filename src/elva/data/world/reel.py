"""Pictures and clips as PNG files, the same bytes for the same frames."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

from PIL import Image

from elva.data.world.film import FRAME_MILLISECONDS
from elva.data.world.stories import Story
from elva.data.world.story_film import film_story, moments


def save_frames(
    path: Path, frames: Sequence[Image.Image], milliseconds: int = FRAME_MILLISECONDS, *, alike: bool = False
) -> None:
    """Write one frame as a picture, several as an animated one, each shown for so long.

    Args:
        path: the file.
        frames: RGB, of one size.
        milliseconds: how long each is shown.
        alike: frames that follow each other may be alike. Pillow keeps one of them, unless they are blended unlike:
            without transparency that changes nothing.
    """
    first, *others = frames
    moving: dict[str, Any] = {"save_all": True, "append_images": others, "duration": milliseconds}
    if alike:
        moving["blend"] = [n % 2 for n in range(len(frames))]
    first.save(path, compress_level=1, **moving if others else {})


def save_story(
    video: Path, story: Story, seed: str, *, shown: int, picture: Path | None = None, milliseconds: int
) -> None:
    """Film the first ``shown`` beats of a story, and picture its end if asked to; ``seed`` draws the looks."""
    frames = film_story(story, [*moments(shown), float(story.beats)], Random(seed))
    save_frames(video, frames[:-1], milliseconds, alike=True)
    if picture is not None:
        save_frames(picture, frames[-1:])
