"""The grains of queries: by rule, or as a multimodal model names them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

from elva.data.mbeir import Candidate, MBeir, Query
from elva.errors import MediaMissing
from elva.grains import Grain, Lexicon
from elva.grains.splitting import split_text
from elva.mrbench.asking import QUESTION, Asker, answer_key, read_answer
from elva.served.answers import Answers


class Finder(Protocol):
    """Finds the grains of queries."""

    def find(self, data: MBeir, queries: Sequence[Query], pool: Mapping[str, Candidate]) -> Sequence[tuple[Grain, ...]]:
        """The grains of each query; equal queries have equal grains.

        Args:
            data: the tree that they are of.
            queries: some of one task.
            pool: did -> candidate of that task.
        """

    def to_row(self) -> dict[str, Any]:
        """How the grains were found, and what was met: JSON for the data card."""

    def remedy(self) -> str:
        """What helps where too few grains were found."""


class Rules:
    """Grains without a model.

    A query that lists its grains keeps them. Else those of its text are found by rule. A picture alone is taken at the
    words about it: its caption where there is one, else the first positive that has a text; its grains have no place
    in the query.

    Args:
        captions: "query QID" -> what a model wrote about the picture (`elva caption`).
    """

    def __init__(self, captions: Mapping[str, str] | None = None) -> None:
        self._captions = captions if captions is not None else {}
        self._sources: Counter[str] = Counter()

    def find(self, data: MBeir, queries: Sequence[Query], pool: Mapping[str, Candidate]) -> Sequence[tuple[Grain, ...]]:
        """As `Finder.find`."""
        lexicon = data.lexicon()
        return [self._grains(query, pool, lexicon) for query in queries]

    def to_row(self) -> dict[str, Any]:
        """By what rule how many of the queries that were looked at got their grains."""
        return {"by": "rules", "sources": dict(sorted(self._sources.items()))}

    def remedy(self) -> str:
        """Words, where there are none."""
        return "pictures alone have no words: give --captions, --model or --endpoint, or choose other tasks"

    def _grains(self, query: Query, pool: Mapping[str, Candidate], lexicon: Lexicon) -> tuple[Grain, ...]:
        source, grains = self._found(query, pool, lexicon)
        self._sources[source] += 1
        return grains

    def _found(self, query: Query, pool: Mapping[str, Candidate], lexicon: Lexicon) -> tuple[str, tuple[Grain, ...]]:
        if query.grains:
            return "listed in the data", query.grains
        if query.text is not None:
            return "its text", split_text(query.text, lexicon).grains
        if (caption := self._captions.get(f"query {query.qid}")) is not None:
            return "a caption of its picture", _seen(caption, lexicon)
        texts = (pool[did].text for did in query.positives if did in pool)
        if (text := next(filter(None, texts), None)) is not None:
            return "its positive's text", _seen(text, lexicon)
        return "no words", ()


class Asked:
    """Grains as a multimodal model names them; each answer is kept as soon as it is there.

    Args:
        asker: the model.
        answers: those that are there already, and where new ones go.
    """

    def __init__(self, asker: Asker, answers: Answers) -> None:
        self._asker, self._answers = asker, answers
        self._met: Counter[str] = Counter()

    def find(self, data: MBeir, queries: Sequence[Query], pool: Mapping[str, Candidate]) -> Sequence[tuple[Grain, ...]]:
        """As `Finder.find`.

        Raises:
            MediaError: pictures are missing, or one is damaged or too large.
        """
        _require_pictures(data, queries)
        items = [replace(data.query_item(query), instruction=None) for query in queries]
        keys = [answer_key(self._asker.identity, QUESTION, item) for item in items]
        unknown = {key: place for place, key in enumerate(keys) if key not in self._answers}
        places = sorted(unknown.values())
        for place, answer in self._asker.answers([items[each] for each in places]):
            self._answers.put(keys[places[place]], queries[places[place]].qid, answer)
        return [self._read(self._answers[key], query) for key, query in zip(keys, queries, strict=True)]

    def to_row(self) -> dict[str, Any]:
        """Who was asked what, and what of the answers could be used."""
        met = {name: self._met[name] for name in ("answers", "unreadable", "grains", "dropped")}
        return {"by": "model", "model": self._asker.name, "identity": self._asker.identity, "question": QUESTION, **met}

    def remedy(self) -> str:
        """Another model, where this one doesn't answer as it should."""
        return (
            f"{self._met['unreadable']:,} of {self._met['answers']:,} answers of {self._asker.name} are no list of "
            "grains: ask a larger model that follows instructions, or leave the model out"
        )

    def _read(self, answer: str, query: Query) -> tuple[Grain, ...]:
        read = read_answer(answer, query)
        self._met.update(answers=1, unreadable=int(not read.readable), grains=len(read.grains), dropped=read.dropped)
        return read.grains


def _require_pictures(data: MBeir, queries: Sequence[Query]) -> None:
    shown = [query.image for query in queries if query.image is not None]
    missing = [path for path in shown if not (data.root / path).is_file()]
    if missing:
        raise MediaMissing(
            f"{len(missing):,} of the {len(shown):,} pictures that come next are missing, such as "
            f"{data.root / missing[0]}; bring the images of this data set, or find grains without a model"
        )


def _seen(text: str, lexicon: Lexicon) -> tuple[Grain, ...]:
    """The grains of words about a picture: they stand nowhere in the query."""
    return tuple(Grain(grain.kind, grain.text) for grain in split_text(text, lexicon).grains)
