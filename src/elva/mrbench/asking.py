"""What a multimodal model is asked about a query, and how its answer is read."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from elva.clips import visual_key
from elva.data.records import Query
from elva.errors import InputError
from elva.grains import Grain, Lexicon
from elva.grains.splitting import MOST, choose_grains
from elva.items import Item

KINDS = ("entity", "attribute", "action", "relation")
"""The four kinds of grain that the paper names (section 1)."""

ANSWER_TOKENS = 512
"""Length limit of an answer: room for some thirty grains."""

QUESTION = """\
The above is a query to a search engine. List its grains: the smallest parts that each say something about what is \
wanted.
A grain has one of four kinds:
entity: a thing or a living being
attribute: how one of them is, such as its colour, size, number or material
action: what one of them does
relation: how one of them stands to another, such as a place
Where the query has words, copy each grain from them as it stands there, in as few words as possible. Where it has a \
picture, name also what it shows and the words leave unsaid. Answer with a JSON list and nothing else, such as
[{"kind": "entity", "text": "dog"}, {"kind": "attribute", "text": "brown"}, {"kind": "action", "text": "running"}]"""
"""Follows the query's own text and picture; no instruction is shown."""

_OBJECT = re.compile(r"\{[^{}]*\}")


class Asker(Protocol):
    """A multimodal model that answers `QUESTION`."""

    @property
    def name(self) -> str:
        """What a reader of a data card should call it."""

    @property
    def identity(self) -> str:
        """Changes whenever its answers would."""

    def answers(self, items: Sequence[Item]) -> Iterator[tuple[int, str]]:
        """The place of an item and the answer about it, as they come, in any order."""


def answer_key(identity: str, question: str, item: Item) -> str:
    """What an answer depends on, as sha256 in hex: who is asked, what, and what the item says and shows.

    Raises:
        MediaMissing: its picture isn't there.
    """
    shown = None if item.shown is None else visual_key(item.shown)
    return hashlib.sha256(json.dumps([identity, question, item.text, shown]).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Read:
    """An answer, read.

    Attributes:
        grains: those of the text first, in its order, then those of the picture.
        dropped: how many it gives that can't be used: of no known kind, given twice, or, of a query of words alone, not
            in its text.
        readable: whether it gives any grain in the form that was asked for.
    """

    grains: tuple[Grain, ...]
    dropped: int
    readable: bool


def read_answer(answer: str, query: Query) -> Read:
    """Read what a model answered about a query; whatever it says, nothing is raised.

    Objects are read one by one, so prose around them, or an end that is cut off, does no harm.
    """
    rows = [row for match in _OBJECT.finditer(answer) if (row := _row(match.group())) is not None]
    in_text: list[Grain] = []
    in_picture: dict[str, Grain] = {}
    for kind, words in rows[:MOST]:
        if kind not in KINDS or not words:
            continue
        if (found := _in_text(query.text, words, in_text)) is not None:
            in_text.append(replace(found, kind=kind))
        elif query.image is not None and words.lower() not in (query.text or "").lower():
            in_picture.setdefault(words.lower(), Grain(kind, words))
    grains = (*sorted(in_text, key=lambda grain: grain.span or (0, 0)), *in_picture.values())
    return Read(grains, len(rows) - len(grains), bool(rows))


def _row(text: str) -> tuple[str, str] | None:
    """Kind and words of a grain; None for anything else."""
    try:
        row: Any = json.loads(text)
    except ValueError:
        return None
    kind, words = row.get("kind"), row.get("text")
    if not isinstance(kind, str) or not isinstance(words, str):
        return None
    return kind.strip().lower(), " ".join(words.split())


def _in_text(text: str | None, words: str, taken: Sequence[Grain]) -> Grain | None:
    """These words as a grain of the text, at the first place that no other grain takes; None where there is none."""
    if text is None:
        return None
    spans = {grain.span for grain in taken}
    try:
        chosen = choose_grains(text, [*(grain.text for grain in taken), words], Lexicon())
    except InputError:
        return None
    return next((grain for grain in chosen if grain.span not in spans), None)
