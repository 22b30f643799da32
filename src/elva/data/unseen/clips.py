"""Videos asked for in words: MSR-VTT and MSVD. A video is a file, an animated picture, or a folder of frames."""

from __future__ import annotations

from pathlib import Path

from elva.data.table import table_rows
from elva.data.unseen.files import Node, folder, found, inside
from elva.data.unseen.plain_pickle import plain_pickle
from elva.data.unseen.sets import Content, PublishedSet, Question, Task
from elva.errors import DataError, DataErrors

MSRVTT, MSVD = "msrvtt", "msvd"
MOVING = (".mp4", ".avi", ".webm", ".mkv", ".mov", ".gif", ".webp")
"""How video files end; a folder of frames has the video's bare name."""


def msrvtt(root: Path, split: str) -> PublishedSet:
    """MSR-VTT's 1,000 test pairs as retrieval uses them (JSFUSION's): one sentence a video.

    Raises:
        DataError: the file is missing, or lacks a column; DataErrors: bad rows.
    """
    path = found(root, ("MSRVTT_JSFUSION_test.csv",), "the list of MSR-VTT's 1,000 test pairs")
    videos = folder(root, ("MSRVTT_Videos", "videos/all", "videos", "all", "frames"))
    errors: list[DataError] = []
    questions: list[Question] = []
    candidates: dict[str, Content] = {}
    for line, row in table_rows(path, errors):
        node = Node(path, f"line {line}", row)
        clip = _clip(node["video_id"], videos)
        did = f"video:{len(candidates)}"
        candidates[did] = Content(clip=clip)
        questions.append(Question(f"text:{len(questions)}", Content(node["sentence"].text()), (did,)))
    if errors:
        raise DataErrors(errors)
    return PublishedSet((Task(MSRVTT, questions, candidates),), (path,))


def msvd(root: Path, split: str) -> PublishedSet:
    """MSVD: the videos of test_list.txt; each of their captions is a query.

    Raises:
        DataError: a file is missing or malformed, or a video has no caption.
    """
    names = found(root, ("test_list.txt",), "the list of MSVD's test videos")
    path = found(root, ("raw-captions.pkl",), "the captions of MSVD, {video: [[word, ...], ...]}")
    videos = folder(root, ("YouTubeClips", "MSVD_Videos", "videos", "frames"))
    captions = Node(path, "", plain_pickle(path))
    questions: list[Question] = []
    candidates: dict[str, Content] = {}
    for number, name in enumerate(names.read_text("utf-8", "replace").split(), start=1):
        did = f"video:{len(candidates)}"
        candidates[did] = Content(clip=_clip(Node(names, f"line {number}", name), videos))
        for caption in captions[name].items():
            questions.append(Question(f"text:{len(questions)}", Content(_sentence(caption)), (did,)))
    return PublishedSet((Task(MSVD, questions, candidates),), (path, names))


def _sentence(node: Node) -> str:
    """Words as one text."""
    return Node(node.path, node.place, " ".join(str(word.value) for word in node.items())).text()


def _clip(node: Node, videos: Path) -> Path:
    name = node.text()
    ways = [inside(node, videos, ending) for ending in (*MOVING, "")]
    return next((path for path in ways if path.exists()), videos / f"{name}{MOVING[0]}")
