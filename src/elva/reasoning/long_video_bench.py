"""LongVideoBench (Wu et al., 2024): questions with up to five options about long videos and what is said in them.

    ROOT/lvb_val.json        a list of rows
    ROOT/videos/             what video_path names; a folder of frames may stand for a file of its name
    ROOT/subtitles/          what subtitle_path names

Frames are spread over the video, and what is said while one of them is seen stands behind it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from elva.clips import Clip
from elva.data.unseen.files import Node, found, inside, read_json
from elva.errors import DataError, DataErrors
from elva.items import Item
from elva.prompts import multiple_choice
from elva.reasoning.questions import LETTERS, Question
from elva.reasoning.sets import Benchmark, Part

NAME = "longvideobench"
FILE = "lvb_val.json"
"""Of the test split the answers are withheld, so it can't be judged."""
FRAMES = 16
SHORTEST = 1.0
"""Seconds for which words count as said, at least."""


@dataclass(frozen=True, slots=True)
class Said:
    """Words, and when they begin and end: seconds into the video that is shown."""

    text: str
    start: float
    end: float

    @property
    def middle(self) -> float:
        """When half of it is said."""
        return (self.start + self.end) / 2

    def is_heard_at(self, moment: float) -> bool:
        """Whether it is said then."""
        return abs(moment - self.middle) <= max(self.end - self.start, SHORTEST) / 2


def benchmark(root: Path | str, *, frames: int = FRAMES, subtitles: bool = True) -> Benchmark:
    """The questions of val.

    Args:
        root: the folder of the download.
        frames: of each video, as many at most.
        subtitles: whether what is said is told.

    Raises:
        DataError: a file is missing, or is no list.
        DataErrors: every bad row, with its place and field.
    """
    root = Path(root)
    path = found(root, (FILE,), "the validation questions of LongVideoBench")
    questions, rows, errors = dict[str, Question](), {}, list[DataError]()
    for row in read_json(path).items():
        try:
            question = _question(row, root, frames, subtitles)
            if question.key in questions:
                raise row["id"].wrong(f"{question.key} comes twice", "give every row its own")
            questions[question.key], rows[question.key] = question, row.value
        except DataErrors as several:
            errors += several.errors
        except DataError as error:
            errors.append(error)
    if errors:
        raise DataErrors(errors)
    if not questions:
        raise DataError(path, None, None, "no row", "download the file again")
    part = Part("longvideobench", path, [*questions.values()], rows)
    sampling = {"frames": frames, "fps": None, "subtitles": subtitles}
    return Benchmark(NAME, "LongVideoBench", "the videos of LongVideoBench", root, [part], sampling)


def _question(row: Node, root: Path, frames: int, subtitles: bool) -> Question:
    choices = tuple(each.text() for each in row["candidates"].items())
    golden = row["correct_choice"].whole()
    if not 2 <= len(choices) <= len(LETTERS):
        raise row["candidates"].wrong(f"{len(choices)} options", "give two or more")
    if not 0 <= golden < len(choices):
        raise row["correct_choice"].wrong(f"{golden} is no option", f"write a number from 0 to {len(choices) - 1}")
    duration = row["duration"].number()
    if not duration > 0:
        raise row["duration"].wrong(f"{duration:g} seconds", "write how long the video is")
    said = _subtitles(row, root, duration) if subtitles else []
    video = _video(inside(row["video_path"], root / "videos"))
    turns = [*_told(video, frames, duration, said), Item(multiple_choice(row["question"].text(), choices))]
    groups = {"category": row["question_category"].text(), "duration": f"{row['duration_group'].whole()} s"}
    return Question(row["id"].text(), Item(turns=turns), choices, LETTERS[golden], groups)


def _video(path: Path) -> Path:
    """The file, or a folder of frames in its place."""
    return path.with_suffix("") if not path.exists() and path.with_suffix("").is_dir() else path


def _subtitles(row: Node, root: Path, duration: float) -> list[Said]:
    """What is said, in order; times of the file count from the beginning of a longer video."""
    path = inside(row["subtitle_path"], root / "subtitles")
    if not path.is_file():
        problem = f"{path.relative_to(root)} is missing"
        raise row["subtitle_path"].wrong(problem, "download the subtitles, or give --no-subtitles")
    began = row["starting_timestamp_for_subtitles"].number()
    return sorted((_said(each, began, duration) for each in read_json(path).items()), key=lambda said: said.middle)


def _said(node: Node, began: float, duration: float) -> Said:
    """Of both forms that the files have: {timestamp: [1.5, 2.5], text} and {start: "00:00:01.500", end, line}."""
    if isinstance(node.value, dict) and "timestamp" in node.value:
        times = [*node["timestamp"].items()]
        if len(times) != 2:
            raise node["timestamp"].wrong(f"{len(times)} times", "write when the words begin and when they end")
        start = times[0].number()
        end = began + duration if times[1].value is None else times[1].number()
        words = node["text"]
    else:
        start, end, words = _seconds(node["start"]), _seconds(node["end"]), node["line"]
    return Said("" if words.value == "" else words.text(), start - began, end - began)


def _seconds(node: Node) -> float:
    try:
        hours, minutes, seconds = map(float, node.text().split(":"))
    except ValueError as error:
        raise node.wrong(f"{node.value!r} is no time", "write hours:minutes:seconds") from error
    return 3600 * hours + 60 * minutes + seconds


def _told(video: Path, frames: int, duration: float, said: Sequence[Said]) -> Iterator[Item]:
    """The frames of a video in pieces, what is said between them. What no frame falls into is left out."""
    moments = [duration * number / max(1, frames - 1) for number in range(frames)]
    shown = 0
    for each in said:
        if not each.text or not any(map(each.is_heard_at, moments)):
            continue
        seen = sum(moment <= each.middle for moment in moments)
        if seen > shown:
            yield Item(video=Clip(video, frames, part=(shown, seen)))
            shown = seen
        yield Item(f"{each.text}\n")
    if shown < frames:
        yield Item(video=Clip(video, frames, part=(shown, frames)) if shown else Clip(video, frames))
