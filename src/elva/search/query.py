"""What is asked and what is answered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from elva.encoding import Vectors
from elva.errors import InputError
from elva.index.condition import Condition
from elva.index.protocol import Hit
from elva.items import Item


@dataclass(frozen=True, slots=True)
class Query:
    """One question to an index.

    Attributes:
        item: words, an image, or both; None where `like` says all.
        minus: what results should not be like: "without stripes".
        like: ids of indexed items that are part of the query.
        unlike: ids of indexed items that results should not be like.
        where: what the metadata of results must satisfy, or None.
        match: words that must occur in a result's text or summary, or None.
        top: how many results are wanted, duplicates folded.
        rerank: how many of the nearest are reranked (`elva.search.rerank`), or None.
        fold: list near-duplicates beneath the best of them.
        hybrid: rank by the item's words, too (`Index.by_words`), and fuse both rankings (`elva.search.fusing`).

    Raises:
        InputError: nothing is asked for, or a number is below 1, or a reranking that can't be.
    """

    item: Item | None = None
    minus: tuple[Item, ...] = ()
    like: tuple[str, ...] = ()
    unlike: tuple[str, ...] = ()
    where: Condition | None = None
    match: str | None = None
    top: int = 10
    rerank: int | None = None
    fold: bool = True
    hybrid: bool = False

    def __post_init__(self) -> None:
        """Refuse what can't be answered."""
        if self.item is None and not self.like:
            raise InputError("the query asks for nothing; give words, an image or an item to search from")
        if self.top < 1:
            raise InputError(f"top is {self.top}; ask for 1 result or more")
        if self.rerank is not None and self.rerank < 1:
            raise InputError(f"rerank is {self.rerank}; give how many of the nearest are reranked, 1 or more")
        if self.hybrid and not (self.item and self.item.text):
            raise InputError("hybrid ranks by the query's words, too, and this one has none; leave it out")
        if self.rerank and self.item is None:
            raise InputError("reranking scores a query's words or image, and this one has neither; leave it out")
        if self.rerank and (self.minus or self.unlike):
            raise InputError("reranking can't tell what a query is to be without; leave out the one or the other")


@dataclass(frozen=True, slots=True)
class Result:
    """One result.

    Attributes:
        hit: rank from 1, cosine with the query, and the entry.
        likelihood: what the reranker gave it, in nats, or None.
        same: near-duplicates of it, nearest first; their ranks are among all that were looked at.
    """

    hit: Hit
    likelihood: float | None = None
    same: tuple[Hit, ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """What an index says to a query.

    Attributes:
        summary: what the model wrote about the query's item; "" where it wrote nothing.
        results: best first.
        vector: the unit vector that was searched with, float32 [d].
        notes: what was done otherwise than asked, in sentences.
        seconds: step -> what it took; steps that several queries share are counted in full for each.
    """

    summary: str
    results: tuple[Result, ...]
    vector: Vectors
    notes: tuple[str, ...] = ()
    seconds: Mapping[str, float] = field(default_factory=dict)

    @property
    def folded(self) -> int:
        """How many near-duplicates are listed beneath results."""
        return sum(len(each.same) for each in self.results)
