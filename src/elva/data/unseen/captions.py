"""Pictures with captions, asked both ways: Flickr30k, ShareGPT4V's validation, Urban-1k."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from elva.data.unseen.files import Node, folder, found, inside, read_json
from elva.data.unseen.sets import Content, Picture, PublishedSet, Question, Task
from elva.errors import DataError

FLICKR30K, SHAREGPT4V, URBAN1K = "flickr30k", "sharegpt4v", "urban1k"
CAPTIONS_PER_IMAGE = 5

Captioned = Sequence[tuple[Path, Sequence[str]]]
"""Pictures, each with its captions."""


def flickr30k(root: Path, split: str) -> PublishedSet:
    """Flickr30k's test: 1,000 pictures with five captions; a picture's query is answered by any of its five.

    Two layouts are read: `dataset_flickr30k.json` (Karpathy's split) with `flickr30k-images/`, and a flat list of
    captions, five by five, in `flickr_text.json` with `images/0.png`, `images/1.png` and so on.

    Raises:
        DataError: a file is missing or malformed, or the captions don't come in fives.
    """
    path = found(root, ("dataset_flickr30k.json", "flickr_text.json"), "the list of captions of Flickr30k")
    content = read_json(path)
    if path.name == "flickr_text.json":
        return both_ways(FLICKR30K, _in_fives(content, folder(root, ("images",))), path)
    images = folder(root, ("flickr30k-images", "images"))
    rows = [each for each in content["images"].items() if each["split"].text() == split]
    captioned = [
        (inside(row["filename"], images), [each["raw"].text() for each in row["sentences"].items()]) for row in rows
    ]
    return both_ways(FLICKR30K, captioned, path)


def sharegpt4v(root: Path, split: str) -> PublishedSet:
    """ShareGPT4V's validation as retrieval uses it: rows of {image_name, caption}, one long caption a picture."""
    path = found(root, ("datas_for_validation.json",), "the list of pictures and captions of ShareGPT4V's validation")
    images = folder(root, ("val_data", "images", "."))
    rows = read_json(path).items()
    return both_ways(SHAREGPT4V, [(inside(row["image_name"], images), [row["caption"].text()]) for row in rows], path)


def urban1k(root: Path, split: str) -> PublishedSet:
    """Urban-1k: image/{n}.jpg and the first line of caption/{n}.txt.

    Raises:
        DataError: there are no captions, or one of them is empty.
    """
    paths = sorted((root / "caption").glob("*.txt"), key=lambda path: (len(path.stem), path.stem))
    if not paths:
        raise DataError(
            root, None, None, "caption/*.txt is missing", "give the folder of Urban-1k: image/ and caption/"
        )
    return both_ways(URBAN1K, [(root / "image" / f"{path.stem}.jpg", [_first_line(path)]) for path in paths], *paths)


def to_image(name: str) -> str:
    """What a set's task from captions to pictures is called: as M-BEIR calls such a task."""
    return f"{name}_task0_test"


def to_text(name: str) -> str:
    """What a set's task from pictures to captions is called."""
    return f"{name}_task3_test"


def both_ways(name: str, captioned: Captioned, *files: Path) -> PublishedSet:
    """Ask every caption for its picture, and every picture for its captions."""
    pictures = {f"image:{i}": Content(picture=Picture(path)) for i, (path, _) in enumerate(captioned)}
    belong = [(f"image:{i}", text) for i, (_, texts) in enumerate(captioned) for text in texts]
    captions = {f"text:{i}": Content(text) for i, (_, text) in enumerate(belong)}
    answers: dict[str, list[str]] = {did: [] for did in pictures}
    for i, (did, _) in enumerate(belong):
        answers[did].append(f"text:{i}")
    return PublishedSet(
        (
            Task(
                to_image(name),
                [Question(f"text:{i}", Content(text), (did,)) for i, (did, text) in enumerate(belong)],
                pictures,
            ),
            Task(
                to_text(name),
                [Question(did, each, tuple(answers[did])) for did, each in pictures.items()],
                captions,
            ),
        ),
        files,
    )


def _in_fives(content: Node, images: Path) -> Captioned:
    captions = [each.text() for each in content.items()]
    count, left = divmod(len(captions), CAPTIONS_PER_IMAGE)
    if left:
        raise content.wrong(f"{len(captions):,} captions", "there must be five for each picture; download it again")
    return [(images / f"{i}.png", captions[5 * i : 5 * i + 5]) for i in range(count)]


def _first_line(path: Path) -> str:
    lines = path.read_text("utf-8", "replace").splitlines()
    if not lines or not lines[0].strip():
        raise DataError(path, 1, None, "no caption", "download the file again")
    return lines[0].strip()
