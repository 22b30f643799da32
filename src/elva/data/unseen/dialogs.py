"""Queries of several turns: Visual Dialog, and FashionIQ in several rounds."""

from __future__ import annotations

from pathlib import Path

from elva.data.unseen.files import Node, folder, found, read_json
from elva.data.unseen.sets import Content, Picture, PublishedSet, Question, Task

VISDIAL = "visdial"


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


def _round(node: Node, asked: list[Node], answered: list[Node]) -> str:
    question, answer = (_at(node[name], texts) for name, texts in (("question", asked), ("answer", answered)))
    return f"Q: {question.rstrip('?')}? A: {answer.rstrip('.')}."


def _at(node: Node, texts: list[Node]) -> str:
    number = node.whole()
    if not 0 <= number < len(texts):
        raise node.wrong(f"{number}, of {len(texts):,} texts", "download the file again")
    return texts[number].text()
