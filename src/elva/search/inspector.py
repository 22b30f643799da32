"""Which parts of a query the model listens to: the query without each grain, beside the query in other words.

Distances are one minus the cosine, as in `elva evaluate` (evaluation/grains.py), here for a single query.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Any

from elva.encoding import Encoder, Vectors
from elva.errors import InputError
from elva.grains import Grain, Lexicon
from elva.grains.rewording import rewordings
from elva.grains.splitting import Split, choose_grains, split_text
from elva.index.gallery import MICRO, cosines_micro, require_finite
from elva.index.protocol import Hit, Index
from elva.items import Item

PICTURE = Grain("image", "the picture")
"""The grain that stands for the picture beside a text."""

Splitting = Callable[[str], Split]
"""Finds the grains of a text, by rule or by a model."""

GrainLikelihood = Callable[[str, Sequence[Hit], Sequence[Grain]], Sequence[Sequence[float | None]]]
"""By how many nats the words of m grains of a text are more probable behind each of n results than behind the others: n
rows of m numbers, None where there is nothing to say. See `lacking.grain_likelihoods`."""


@dataclass(frozen=True, slots=True)
class Change:
    """How the first results change when a grain is left out.

    Attributes:
        kept: (id, rank before, rank now) of those that stay, in their order before.
        left: (id, rank before) of those that go.
        entered: (id, rank now) of those that come.
    """

    kept: tuple[tuple[str, int, int], ...]
    left: tuple[tuple[str, int], ...]
    entered: tuple[tuple[str, int], ...]

    @classmethod
    def between(cls, before: Sequence[Hit], now: Sequence[Hit]) -> Change:
        """From the hits of the whole query to those without the grain."""
        was = {hit.entry.id: hit.rank for hit in before}
        is_now = {hit.entry.id: hit.rank for hit in now}
        return cls(
            tuple((each, rank, is_now[each]) for each, rank in was.items() if each in is_now),
            tuple((each, rank) for each, rank in was.items() if each not in is_now),
            tuple((each, rank) for each, rank in is_now.items() if each not in was),
        )

    @property
    def overlap(self) -> float | None:
        """Share of the first results that stay; None where there were none."""
        count = len(self.kept) + len(self.left)
        return len(self.kept) / count if count else None


@dataclass(frozen=True, slots=True)
class Heard:
    """What leaving out one grain does.

    Attributes:
        grain: its words, and the text without them.
        distance: how far the query's vector moves, 0 to 2.
        ratio: that over the mean distance of a rewording; None without rewordings, or where they move nothing.
        ignored: whether it moves the query no farther than other words do on average; None without rewordings.
        heard: whether it moves the query farther than any of the other words do; None without rewordings. A grain that
            is neither ignored nor heard is in doubt.
        summary: what the model writes about the query without it.
        change: of the first results.
    """

    grain: Grain
    distance: float
    ratio: float | None
    ignored: bool | None
    heard: bool | None
    summary: str
    change: Change


@dataclass(frozen=True, slots=True)
class Explanation:
    """What the model makes of a query, grain by grain.

    Attributes:
        text: the words whose grains these are: the query's, or the summary of its picture.
        summary: what the model writes about the query.
        picture_cosine: of a query that is a picture alone, how near its summary, as a text, is to the picture itself:
            the explanation is of the summary. None where the query has words of its own.
        grains: in the order of the text, the picture last.
        more: grains beyond the first ones, not tried.
        rewordings: (text, distance) of the same query in other words.
        hits: the first results of the query.
        nats: per hit and grain, by how much more probable the grain's words are behind this result than behind the
            others; far below 0, the result lacks it. None where nobody asked.
        forced_ret: summaries that did not end by themselves, of all that were written.
        truncated: texts that were cut to fit, of all variants.
    """

    text: str
    summary: str
    picture_cosine: float | None
    grains: tuple[Heard, ...]
    more: int
    rewordings: tuple[tuple[str, float], ...]
    hits: tuple[Hit, ...]
    nats: tuple[tuple[float | None, ...], ...] | None
    forced_ret: int
    truncated: int

    @property
    def paraphrase_distance(self) -> float | None:
        """Mean distance of the rewordings; None where none could be made."""
        return fmean(distance for _, distance in self.rewordings) if self.rewordings else None

    def to_row(self) -> dict[str, Any]:
        """A JSON object."""
        return {
            "text": self.text,
            "summary": self.summary,
            "picture_cosine": self.picture_cosine,
            "paraphrase_distance": self.paraphrase_distance,
            "rewordings": [{"text": text, "distance": distance} for text, distance in self.rewordings],
            "grains": [_heard_row(each) for each in self.grains],
            "grains_not_tried": self.more,
            "results": [
                {"rank": hit.rank, "id": hit.entry.id, "cosine": hit.score, "summary": hit.entry.summary}
                for hit in self.hits
            ],
            "nats": None if self.nats is None else [list(row) for row in self.nats],
            "forced_ret": self.forced_ret,
            "truncated": self.truncated,
        }


class Inspector:
    """Explains queries to one index, with the model that the index was made with."""

    def __init__(
        self,
        encoder: Encoder,
        index: Index,
        *,
        lexicon: Lexicon | None = None,
        split: Splitting | None = None,
        likelihood: GrainLikelihood | None = None,
    ) -> None:
        """Keep the parts.

        Args:
            encoder: the model.
            index: what is searched.
            lexicon: the data's words for its grains.
            split: finds the grains; by rule unless given.
            likelihood: judges what each result says of each grain; left out unless given.
        """
        self.encoder, self.index, self.lexicon, self.likelihood = encoder, index, lexicon, likelihood
        self.split = split or (lambda text: split_text(text, lexicon))

    def explain(self, query: Item, k: int = 10, grains: Sequence[str] | None = None) -> Explanation:
        """Leave out each grain of a query, say the query in other words, and compare.

        All variants are embedded in one call. A picture alone takes one more, before: its summary is explained, as a
        text query. Beside a text the picture is a grain, too.

        A grain is ignored when the query moves no farther without it than it does, on average, in other words, and
        heard when it moves farther than in any of them. The mean alone would be generous: most rewordings change less
        than a person would. Moving is necessary for a grain's being heard, and no proof: a model may move in a
        direction that no result lies in, so read it with how the results change.

        Args:
            query: text, a picture, or both.
            k: how many results are compared.
            grains: exactly these words of the text as grains, in place of those that are found.

        Raises:
            InputError: nothing to explain, or grains that are not in the text.
        """
        item, picture = self._words(query)
        assert item.text is not None
        found = self._grains(item, grains)
        others = rewordings(item.text, self.lexicon)
        masked = [self._without(item, grain) for grain in found.grains]
        items = [item, *masked, *(replace(item, text=text) for text in others)]
        encoding = self.encoder.embed(items)
        require_finite([each.label() for each in items], encoding.vectors)
        distances = [1 - micro / MICRO for micro in cosines_micro(encoding.vectors[1:], encoding.vectors[0]).tolist()]
        moved, reworded = distances[: len(masked)], distances[len(masked) :]
        before, *without = self.index.search(encoding.vectors[: len(masked) + 1], k)
        heard = [
            _heard(grain, distance, reworded, summary, Change.between(before, now))
            for grain, distance, summary, now in zip(
                found.grains, moved, encoding.summaries[1 : len(masked) + 1], without, strict=True
            )
        ]
        nats = self.likelihood(item.text, before, found.grains) if self.likelihood else None
        return Explanation(
            item.text,
            encoding.summaries[0],
            None if picture is None else _cosine(picture, encoding.vectors[0]),
            tuple(heard),
            found.more,
            tuple(zip(others, reworded, strict=True)),
            tuple(before),
            None if nats is None else tuple(tuple(row) for row in nats),
            encoding.forced_ret,
            encoding.truncated,
        )

    def _words(self, query: Item) -> tuple[Item, Vectors | None]:
        """The query as something with words; for a picture alone its summary, and the picture's vector [d]."""
        if query.text is not None and query.text.strip():
            return query, None
        encoding = self.encoder.embed([query])
        summary = encoding.summaries[0].strip()
        if not summary:
            raise InputError(
                f"the query has no words, and {self.encoder.name} writes none about the picture "
                f"({self.encoder.extraction} extraction): give a text beside the picture"
            )
        return Item(summary, instruction=query.instruction), encoding.vectors[0]

    def _grains(self, item: Item, chosen: Sequence[str] | None) -> Split:
        assert item.text is not None
        if chosen is not None:
            return Split(choose_grains(item.text, chosen, self.lexicon))
        found = self.split(item.text)
        if item.shown is not None:
            return replace(found, grains=(*found.grains, replace(PICTURE, masked_txt=item.text)))
        if not found.grains:
            raise InputError(f"no grain was found in {item.label()!r}: give some of its words as grains")
        return found

    def _without(self, item: Item, grain: Grain) -> Item:
        if grain.kind == PICTURE.kind and grain.span is None:
            return Item(item.text, instruction=item.instruction)
        return replace(item, text=grain.masked_txt)


def _heard(grain: Grain, distance: float, reworded: Sequence[float], summary: str, change: Change) -> Heard:
    if not reworded:
        return Heard(grain, distance, None, None, None, summary, change)
    usual = fmean(reworded)
    ratio = distance / usual if usual > 0 else None
    return Heard(grain, distance, ratio, distance <= usual, distance > max(usual, *reworded), summary, change)


def _cosine(one: Vectors, other: Vectors) -> float:
    return int(cosines_micro(one[None], other)[0]) / MICRO


def _heard_row(heard: Heard) -> dict[str, Any]:
    change = heard.change
    return {
        **heard.grain.to_row(),
        "distance": heard.distance,
        "ratio": heard.ratio,
        "ignored": heard.ignored,
        "heard": heard.heard,
        "summary": heard.summary,
        "overlap": change.overlap,
        "kept": [{"id": each, "before": before, "now": now} for each, before, now in change.kept],
        "left": [{"id": each, "before": before} for each, before in change.left],
        "entered": [{"id": each, "now": now} for each, now in change.entered],
    }
