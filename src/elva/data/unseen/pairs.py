"""A picture and two captions, one of them wrong: SugarCrepe and CC-Neg.

A pair is a gallery of two. Cosines are compared as everywhere, rounded to a millionth, and the wrong caption has the
lower id: it wins a tie, so that only the caption that is strictly nearer counts.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from elva.data.unseen.files import Node, folder, found, inside, read_json
from elva.data.unseen.sets import Content, Picture, PublishedSet, Question, Task

SUGARCREPE = ("add_att", "add_obj", "replace_att", "replace_obj", "replace_rel", "swap_att", "swap_obj")
CCNEG = "ccneg"
CCNEG_FILES = ("ccneg_preprocessed.pt", "preprocessed_data.pt")
CCNEG_EVALUATED = 40_000
"""The last so many of the file are for evaluation; those before are for training."""

Pair = tuple[Path, str, str]
"""A picture, its caption, and the wrong one."""


def sugarcrepe(root: Path, split: str) -> PublishedSet:
    """SugarCrepe: seven files of {key: {filename, caption, negative_caption}} on COCO's val2017.

    Raises:
        DataError: a file is missing or malformed.
    """
    images = folder(root, ("val2017", "images/val2017", "coco/val2017"))
    paths = {name: found(root, (f"{name}.json", f"data/{name}.json"), f"SugarCrepe's {name}") for name in SUGARCREPE}
    tasks = [
        of_pairs(
            sugarcrepe_task(name),
            (
                (inside(row["filename"], images), row["caption"].text(), row["negative_caption"].text())
                for _, row in read_json(path).entries()
            ),
        )
        for name, path in paths.items()
    ]
    return PublishedSet(tuple(tasks), tuple(paths.values()))


def sugarcrepe_task(name: str) -> str:
    """What the task of one of its files is called."""
    return f"sugarcrepe_{name}"


def ccneg(root: Path, content: Node) -> PublishedSet:
    """CC-Neg: the last 40,000 pictures of the file, a caption each, and the caption with something denied.

    Args:
        root: the download; pictures are looked for in it and in `ccneg_images/`, by the last two parts of their paths,
            which are those of the authors' machine.
        content: what the .pt file holds: {image_paths, annotations: [{json: {caption}, sop_data: {negative-prompt}}]}.

    Raises:
        DataError: it holds something else.
    """
    images = folder(root, ("ccneg_images", "."))
    paths, rows = list(content["image_paths"].items()), list(content["annotations"].items())
    if len(paths) != len(rows):
        raise content.wrong(f"{len(paths):,} pictures and {len(rows):,} annotations", "download the file again")
    pairs = (
        # The authors drop commas from the denial, which the captions before it were written without.
        (
            _by_its_end(path, images),
            row["json"]["caption"].text(),
            row["sop_data"]["negative-prompt"].text().replace(",", ""),
        )
        for path, row in zip(paths[-CCNEG_EVALUATED:], rows[-CCNEG_EVALUATED:], strict=True)
    )
    return PublishedSet((of_pairs(CCNEG, pairs),), (content.path,))


def of_pairs(name: str, pairs: Iterable[Pair]) -> Task:
    """A task of pairs; `{n}:false` stands before `{n}:true` where both are equally near."""
    questions: list[Question] = []
    candidates: dict[str, Content] = {}
    for i, (picture, caption, wrong) in enumerate(pairs):
        right, other = f"{name}:{i}:true", f"{name}:{i}:false"
        candidates |= {right: Content(caption), other: Content(wrong)}
        questions.append(Question(f"{name}:{i}", Content(picture=Picture(picture)), (right,), (other, right)))
    return Task(name, questions, candidates)


def _by_its_end(node: Node, images: Path) -> Path:
    parts = PurePosixPath(node.text().replace("\\", "/")).parts[-2:]
    if not parts or ".." in parts:
        raise node.wrong(f"{node.value!r} leaves the folder of images", "download the file again")
    return images.joinpath(*(part.strip("/") for part in parts))
