"""Queries of several rounds: Visual Dialog, in words, and multi-turn FashionIQ, with a picture each."""

from __future__ import annotations

from pathlib import Path

from elva.data.unseen.composed import garment, known, remarks
from elva.data.unseen.files import Node, folder, found, read_json
from elva.data.unseen.sets import Content, Picture, PublishedSet, Question, Task

VISDIAL, FASHIONIQ_TURNS = "visdial", "fashioniq-multiturn"


def visdial(root: Path, split: str) -> PublishedSet:
    """Visual Dialog 1.0: the ten questions and answers about a picture are the query; the caption is not shown.

    Raises:
        DataError: a file is missing or malformed, or a round names a question or answer that the file lacks.
    """
    path = found(root, (f"visdial_1.0_{split}.json",), f"Visual Dialog's {split} dialogs")
    images = folder(root, (f"VisualDialog_{split}2018", "images"))
    data = read_json(path)["data"]
    asked, answered = list(data["questions"].items()), list(data["answers"].items())
    questions, pictures = [], {}
    for i, dialog in enumerate(data["dialogs"].items()):
        number = dialog["image_id"].whole()
        pictures[f"image:{number}"] = Content(picture=Picture(images / f"VisualDialog_{split}2018_{number:012d}.jpg"))
        said = " ".join(_round(each, asked, answered) for each in dialog["dialog"].items())
        questions.append(Question(f"dialog:{i}", Content(said), (f"image:{number}",)))
    return PublishedSet((Task(VISDIAL, questions, pictures),), (path,))


def fashioniq_turns(root: Path, split: str) -> PublishedSet:
    """FashionIQ in several rounds: rows of {target, reference: [[_, remarks, picture], ...]}.

    A query is its rounds in order, a picture and what is said of it each; all pictures of the split are ranked.

    Raises:
        DataError: a file is missing or malformed, or a target is not among the pictures of the split.
    """
    path = found(root, (f"all.{split}.json", f"data/all.{split}.json"), "the rounds of multi-turn FashionIQ")
    splits = [f"{above}split.all.{split}.json" for above in ("image_splits/", "", "data/image_splits/")]
    names = found(root, splits, "the list of pictures of multi-turn FashionIQ")
    images = folder(root, ("images", "fashioniq_images"))
    pictures = {each.text(): Content(picture=garment(each, images)) for each in read_json(names).items()}
    questions = [
        Question(
            f"rounds:{i}",
            Content(turns=tuple(_shown(each, images) for each in row["reference"].items())),
            (known(_last(row["target"]), pictures),),
        )
        for i, row in enumerate(read_json(path).items())
    ]
    return PublishedSet((Task(FASHIONIQ_TURNS, questions, pictures),), (path, names))


def _shown(node: Node, images: Path) -> Content:
    """A round: [_, remarks, picture]."""
    parts = list(node.items())
    if len(parts) < 3:
        raise node.wrong(f"{len(parts)} parts", "a round is a list of three, remarks and picture last")
    return Content(remarks(parts[1]), garment(parts[2], images))


def _last(node: Node) -> Node:
    """The id in [_, id], or the id itself."""
    return node if isinstance(node.value, str) or not node.value else list(node.items())[-1]


def _round(node: Node, asked: list[Node], answered: list[Node]) -> str:
    question, answer = (_at(node[name], texts) for name, texts in (("question", asked), ("answer", answered)))
    return f"Q: {question.rstrip('?')}? A: {answer.rstrip('.')}."


def _at(node: Node, texts: list[Node]) -> str:
    number = node.whole()
    if not 0 <= number < len(texts):
        raise node.wrong(f"{number}, of {len(texts):,} texts", "download the file again")
    return texts[number].text()
