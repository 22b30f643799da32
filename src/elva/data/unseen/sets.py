"""What a published benchmark asks, whatever its files look like: questions, candidates, answers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from elva.clips import FRAMES, Clip
from elva.items import Item
from elva.media import load_image

DILATION = 0.7
"""By how much of its size GeneCIS lets a box grow, so that a thing is seen where it stands."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture, or the part of one around a box.

    Attributes:
        path: the file.
        box: left, top, width and height of a thing in pixels; None for the whole picture.
    """

    path: Path
    box: tuple[float, float, float, float] | None = None

    def source(self) -> Path | Image.Image:
        """What an item takes: the path, or the part, cut out now; MediaError where it can't be opened."""
        return self.path if self.box is None else _around(load_image(self.path), self.box)


@dataclass(frozen=True, slots=True)
class Sampling:
    """Which frames of clips are looked at, as `elva.clips.Clip` takes it."""

    frames: int = FRAMES
    fps: float | None = None


EVENLY = Sampling()


@dataclass(frozen=True, slots=True)
class Content:
    """What a query or a candidate says and shows; nothing is opened before `item`.

    Attributes:
        text: the words, or None.
        picture: or None.
        clip: a video, or None: a file, or a folder of frames.
        turns: contents one after the other, of which it consists; then it has nothing else.
    """

    text: str | None = None
    picture: Picture | None = None
    clip: Path | None = None
    turns: tuple[Content, ...] = ()

    def files(self) -> Iterator[Path]:
        """The pictures and clips that it needs."""
        if self.picture is not None:
            yield self.picture.path
        if self.clip is not None:
            yield self.clip
        for turn in self.turns:
            yield from turn.files()

    def item(self, instruction: str | None = None, sampling: Sampling = EVENLY) -> Item:
        """What is embedded; MediaError where a part of a picture is asked for and can't be opened."""
        if self.turns:
            return Item(instruction=instruction, turns=[turn.item(sampling=sampling) for turn in self.turns])
        clip = None if self.clip is None else Clip(self.clip, sampling.frames, sampling.fps)
        return Item(self.text, None if self.picture is None else self.picture.source(), instruction, clip)


@dataclass(frozen=True, slots=True)
class Question:
    """One query.

    Attributes:
        qid: unique in the set, without white space.
        content: what is asked with.
        answers: dids of the right candidates; empty where they are withheld.
        among: dids of the candidates that it ranks, the answers among them; None: all of the task's.
        without: dids that it doesn't rank.
    """

    qid: str
    content: Content
    answers: tuple[str, ...]
    among: tuple[str, ...] | None = None
    without: tuple[str, ...] = ()

    def names(self) -> Iterator[str]:
        """The candidates without which it can't be judged."""
        yield from self.answers
        yield from self.among or ()


@dataclass(frozen=True, slots=True)
class Task:
    """Questions of one kind and what they rank.

    Attributes:
        name: as files and tables call it.
        questions: in the order of the files.
        candidates: did -> content. A did that several tasks of a set have is the same candidate.
    """

    name: str
    questions: Sequence[Question]
    candidates: Mapping[str, Content]

    def contents(self) -> Iterable[Content]:
        """All that is asked and found."""
        yield from (each.content for each in self.questions)
        yield from self.candidates.values()


@dataclass(frozen=True, slots=True)
class PublishedSet:
    """A benchmark, read.

    Attributes:
        tasks: what it asks.
        files: those that it was read from, without pictures: what its fingerprint is of.
        absent: parts of the benchmark whose files are not there.
    """

    tasks: tuple[Task, ...]
    files: tuple[Path, ...]
    absent: tuple[str, ...] = ()


def _around(image: Image.Image, box: tuple[float, float, float, float]) -> Image.Image:
    """The part of a picture around a box, on a black square, as GeneCIS cuts it.

    Left and top move out by 0.7 of the size; from there the sides are 1.7 times as long, so the box is not in the
    middle.
    """
    x, y, width, height = box
    left, top = max(0.0, x - DILATION * width), max(0.0, y - DILATION * height)
    right = min(float(image.width), left + (1 + DILATION) * width)
    bottom = min(float(image.height), top + (1 + DILATION) * height)
    part = image.crop((round(left), round(top), max(round(left) + 1, round(right)), max(round(top) + 1, round(bottom))))
    side = max(part.size)
    square = Image.new("RGB", (side, side))
    square.paste(part, ((side - part.width) // 2, (side - part.height) // 2))
    return square
