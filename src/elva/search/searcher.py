"""The one place that answers a query, for the command line and the service alike."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from elva.encoding import Encoder, ModelIdentity, Vectors
from elva.errors import InputError
from elva.index.gallery import MICRO, cosines_micro
from elva.index.protocol import Entry, Hit, Index, image_path
from elva.items import Item
from elva.search.directions import mean_direction, without
from elva.search.folding import fold
from elva.search.fusing import fused
from elva.search.hits import rerank
from elva.search.query import Answer, Query, Result
from elva.search.scoring import COSINE, Scorer

SPARE = 2
"""So many times as many hits are fetched as results are wanted, so that folding seldom asks again."""

DEEP = 100
"""So many of each ranking are fused at least, so that what both hold somewhat further down is found."""

MOST = 64
"""A query whose results are nearly all duplicates is given up at so many hits per wanted result."""


@dataclass(slots=True)
class _Asked:
    """One query on its way: what is to be embedded for it, and what is known already."""

    query: Query
    items: list[Item] = field(default_factory=list)
    stored: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def timed(self, step: str) -> Iterator[None]:
        """Count what is done inside as this step."""
        start = time.perf_counter()
        yield
        self.seconds[step] = time.perf_counter() - start


class Searcher:
    """Answers queries over one index with the model that made it."""

    def __init__(self, encoder: Encoder, index: Index, scorer: Scorer | None = None, cosine: float = COSINE) -> None:
        """Take the parts.

        Args:
            encoder: the model that made the index.
            index: what is searched.
            scorer: serves queries that ask for reranking.
            cosine: what a cosine of 1 is worth beside its scores, in nats.
        """
        self.encoder, self.index, self.scorer, self.cosine = encoder, index, scorer, cosine

    def search(self, queries: Sequence[Query]) -> list[Answer]:
        """Answer queries; everything that is to be embedded for all of them goes through the model at once.

        Raises:
            UnknownItem: an id that the index doesn't hold.
            InputError: parts of a query that leave nothing, or reranking where no reranker is loaded.
            MediaError: an image that can't be used.
        """
        asked = [self._asked(each) for each in queries]
        items = [item for each in asked for item in (*each.items, *each.query.minus)]
        start = time.perf_counter()
        encoding = self.encoder.embed(items) if items else None
        took = time.perf_counter() - start
        answers, first = [], 0
        for each in asked:
            each.seconds["embed"] = took
            own, minus = len(each.items), len(each.query.minus)
            vectors = encoding.vectors[first : first + own + minus] if encoding else np.empty((0, 0), np.float32)
            summary = encoding.summaries[first] if encoding and own else ""
            answers.append(self._answer(each, summary, self._vector(each, vectors[:own], vectors[own:])))
            first += own + minus
        return answers

    # -- the query's vector --------------------------------------------------------------------------------------

    def _asked(self, query: Query) -> _Asked:
        if query.rerank and self.scorer is None:
            raise InputError("no reranker is loaded; leave rerank out")
        entries = self.index.get([*query.like, *query.unlike])
        asked = _Asked(query)
        if query.item and query.item.text and query.item.shown is None and len(query.like) == 1:
            self._compose(asked, query.item, entries[0])
        else:
            asked.items = [query.item] if query.item else []
            asked.stored = list(query.like)
        return asked

    def _compose(self, asked: _Asked, words: Item, entry: Entry) -> None:
        """Words beside an indexed picture are read by the model as one item, as it was trained to."""
        picture, note = self.picture(entry)
        if picture is not None:
            asked.items = [replace(words, image=picture)]
        else:
            asked.items, asked.stored = [words], [entry.id]
            note = note or f"{entry.id} is a text: its vector and that of the words were averaged"
        asked.notes += [note] if note else []

    def picture(self, entry: Entry) -> tuple[Path | bytes | None, str | None]:
        """An entry's picture for the model, or its thumbnail where the file is gone, with a sentence that says so."""
        path = image_path(self.index, entry)
        if path is None or path.is_file():
            return path, None
        thumbnail = self.index.thumbnail(entry.id)
        if thumbnail is not None:
            return thumbnail, f"the picture of {entry.id} is gone: its thumbnail was read instead"
        return None, f"the picture of {entry.id} is gone: its stored vector and that of the words were averaged"

    def candidate(self, entry: Entry) -> Item | None:
        """An entry as the model reads a candidate; None where nothing of it is left to read."""
        picture, _ = self.picture(entry)
        return Item(text=entry.text, image=picture) if picture is not None or entry.text else None

    def _vector(self, asked: _Asked, items: Vectors, minus: Vectors) -> Vectors:
        parts = [items, self.index.vectors(asked.stored)] if asked.stored else [items]
        vector = mean_direction(np.concatenate([each for each in parts if len(each)]))
        parts = [minus, self.index.vectors(asked.query.unlike)] if asked.query.unlike else [minus]
        parts = [each for each in parts if len(each)]
        return without(vector, np.concatenate(parts)) if parts else vector

    # -- the results ---------------------------------------------------------------------------------------------

    def _answer(self, asked: _Asked, summary: str, vector: Vectors) -> Answer:
        query = asked.query
        with asked.timed("search"):
            found = self._distinct(asked, vector, max(query.top, query.rerank or 0))
        results = [Result(hits[0], same=tuple(hits[1:])) for hits in found]
        if query.rerank:
            with asked.timed("rerank"):
                results = self._reranked(asked, summary, results)
        ranked = (
            replace(each, hit=replace(each.hit, rank=rank)) for rank, each in enumerate(results[: query.top], start=1)
        )
        return Answer(summary, tuple(ranked), vector, tuple(asked.notes), asked.seconds)

    def _distinct(self, asked: _Asked, vector: Vectors, top: int) -> list[list[Hit]]:
        """The nearest `top` hits, each followed by its near-duplicates."""
        query = asked.query
        known = {*query.like, *query.unlike}  # what is searched from is no result
        wanted = top * SPARE if query.fold else top
        while True:
            asked_for = min(wanted + len(known), self.index.most)
            fetched = self._ranked(query, vector, asked_for)
            hits = [hit for hit in fetched if hit.entry.id not in known]
            if not query.fold:
                if len(hits) < top and len(fetched) == self.index.most:
                    asked.notes.append(f"the store gives {self.index.most:,} items at most")
                return [[hit] for hit in hits[:top]]
            vectors = self.index.vectors([hit.entry.id for hit in hits]) if hits else np.empty((0, 1), np.float32)
            groups = fold(hits, vectors, [hit.entry.content for hit in hits], top)
            if len(groups) < top and len(fetched) == asked_for:
                if wanted < top * MOST and asked_for < self.index.most:
                    wanted *= 4
                    continue
                asked.notes.append(f"the {len(hits):,} nearest items are near-duplicates of these {len(groups)}")
            return [[hits[position] for position in group] for group in groups]

    def _ranked(self, query: Query, vector: Vectors, k: int) -> list[Hit]:
        """The first k hits, by the vector alone or by the words, too."""
        if not query.hybrid:
            return self.index.search(vector[None], k, query.where, query.match)[0]
        assert query.item is not None and query.item.text is not None
        deep = min(max(k, DEEP), self.index.most)
        near = {each.entry.id: each for each in self.index.search(vector[None], deep, query.where, query.match)[0]}
        worded = [each for each, _ in self.index.by_words(query.item.text, deep, query.where, query.match)]
        far = [each for each in worded if each not in near]
        if far:
            scores = cosines_micro(self.index.vectors(far), vector) / MICRO
            near |= {
                each.id: Hit(0, float(score), each) for each, score in zip(self.index.get(far), scores, strict=True)
            }
        first = fused([[each for each in near if near[each].rank], worded])[:k]
        return [replace(near[each], rank=rank) for rank, each in enumerate(first, start=1)]

    def _reranked(self, asked: _Asked, summary: str, results: list[Result]) -> list[Result]:
        """The first `rerank` results in the order of scores and cosines; those behind follow as they were."""
        query, scorer = asked.query, self.scorer
        assert scorer is not None and query.item is not None and query.rerank is not None
        head, tail = results[: query.rerank], results[query.rerank :]
        own = scorer.model.produces(ModelIdentity.of(self.encoder))
        hits, small = [each.hit for each in head], list[str]()

        def readable(entry: Entry) -> Path | bytes | None:
            picture, _ = self.picture(entry)
            small.extend([entry.id] if isinstance(picture, bytes) else [])
            return picture or image_path(self.index, entry)  # a file that is gone is found out by who reads it

        found = rerank(scorer, query.item, summary if own else "", hits, readable, self.cosine)
        if small:
            asked.notes.append(
                f"{len(small):,} pictures that are gone were reranked by their thumbnails, {small[0]} for one"
            )
        lost = [each.hit.entry.id for each in found if each.score is None]
        if lost and len(lost) == len(found):
            asked.notes.append("not reranked: there are no words to score by")
        elif lost:
            asked.notes.append(f"not reranked: {len(lost):,} results whose picture can't be read, {lost[0]} for one")
        same = {each.hit.entry.id: each.same for each in head}
        return [Result(each.hit, each.score, same[each.hit.entry.id]) for each in found] + tail
