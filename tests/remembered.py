"""An index in memory, of shapes that are seen by their file names, for tests of what stands on an index."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from elva.encoding import ModelIdentity, Vectors
from elva.index.accepting import words_of
from elva.index.bm25 import Postings, Scored
from elva.index.condition import Condition
from elva.index.facts import facts
from elva.index.gallery import Gallery
from elva.index.protocol import Entry, Hit, Origin, Stats, UnknownItem
from elva.index.words import words
from elva.items import Item
from judging import THINGS, FakeEncoder, draw


class Remembered:
    """All that a searcher asks of an index."""

    most = 1_000_000

    def __init__(self, encoder: FakeEncoder, root: Path) -> None:
        self.model, self.origin = ModelIdentity.of(encoder), Origin(root)
        self._entries: dict[str, Entry] = {}
        self._vectors: dict[str, Vectors] = {}
        self.asked: list[int] = []

    def add(self, entries: Sequence[Entry], vectors: Vectors) -> None:
        self._entries |= {each.id: each for each in entries}
        self._vectors |= {each.id: vector for each, vector in zip(entries, vectors, strict=True)}

    def search(
        self,
        queries: Vectors,
        k: int = 10,
        where: Condition | None = None,
        match: str | None = None,
    ) -> list[list[Hit]]:
        self.asked.append(k)
        kept = [each for each in self._entries.values() if where is None or where.holds(each.metadata)]
        words = (match or "").lower().split()
        kept = [each for each in kept if all(word in f"{each.text} {each.summary}".lower() for word in words)]
        if not kept:
            return [[] for _ in queries]
        gallery = Gallery.of([each.id for each in kept], self.vectors([each.id for each in kept]))
        ranked = gallery.rank(queries, k)
        return [
            [
                Hit(rank, score, self._entries[gallery.ids[c]])
                for rank, (c, score) in enumerate(zip(*row, strict=True), 1)
            ]
            for row in zip(ranked.columns.tolist(), ranked.scores.tolist(), strict=True)
        ]

    def by_words(
        self, text: str, k: int = 10, where: Condition | None = None, match: str | None = None
    ) -> list[Scored]:
        postings = Postings.of({name: words_of(each) for name, each in self._entries.items()})
        return postings.best(words(text), k, lambda item: where is None or where.holds(self._entries[item].metadata))

    def get(self, ids: Sequence[str]) -> list[Entry]:
        for each in ids:
            if each not in self._entries:
                raise UnknownItem(f"no item {each!r} in the index")
        return [self._entries[each] for each in ids]

    def vectors(self, ids: Sequence[str]) -> Vectors:
        return np.stack([self._vectors[each] for each in ids])

    def contents(self) -> dict[str, str]:
        return {each.id: each.content for each in self._entries.values()}

    def thumbnail(self, item: str) -> bytes | None:
        (entry,) = self.get([item])
        if entry.image is None:
            return None
        buffer = io.BytesIO()
        draw(tuple(Path(entry.image).stem.split("-")), 32).save(buffer, "PNG")  # type: ignore[arg-type]
        return buffer.getvalue()

    def fields(self) -> tuple[str, ...]:
        return tuple(sorted({name for each in self._entries.values() for name in facts(each.metadata)}))

    def stats(self) -> Stats:
        return Stats(
            len(self._entries),
            sum(each.image is not None for each in self._entries.values()),
            0,
            self.model,
            "exact",
            1,
        )


def shapes(root: Path, encoder: FakeEncoder) -> Remembered:
    """32 pictures of one shape each, with their grains and a price as metadata, and a text without a picture."""
    index = Remembered(encoder, root)
    entries = []
    for number, thing in enumerate(THINGS):
        name = f"{'-'.join(thing)}.png"
        draw(thing).save(root / name)
        shape, colour, size = thing
        metadata = {"shape": shape, "colour": colour, "size": size, "price": number + 0.5}
        entries.append(Entry(name, None, name, " ".join(thing), metadata))
    entries.append(Entry("note", "a crimson letter", None, "crimson letter", {"kind": "text"}))
    items = [Item(each.text, root / each.image if each.image else None) for each in entries]
    index.add(entries, encoder.embed(items).vectors)
    encoder.seen.clear()
    return index
