"""The hits of a search, in the order of a reranker."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from elva.errors import MediaError
from elva.index.protocol import Entry, Hit
from elva.items import Item
from elva.media import load_image
from elva.search.scoring import Listed, Scorer, best_first


@dataclass(frozen=True, slots=True)
class Rescored:
    """A hit at its new rank, its cosine as it was.

    Attributes:
        hit: see above.
        score: the reranker's, in nats; None where it could not score the entry.
    """

    hit: Hit
    score: float | None


def rerank(
    scorer: Scorer, query: Item, summary: str, hits: Sequence[Hit], image_path: Callable[[Entry], Path | None]
) -> list[Rescored]:
    """Order hits by score, ties by id ascending; those whose pictures are gone come behind, in their order.

    Args:
        scorer: who scores them.
        query: what was searched for.
        summary: as in `Listed`.
        hits: best first.
        image_path: where the picture of an entry lies, or None.

    Raises:
        MediaError: the query's picture is missing, damaged or too large.
    """
    items = [Item(text=hit.entry.text, image=image_path(hit.entry)) for hit in hits]
    places = [*range(len(hits))]
    try:
        scores = _scores(scorer, query, summary, items)
    except MediaError:  # looking at all beforehand would open every picture twice
        places = [place for place in places if _opens(items[place])]
        scores = _scores(scorer, query, summary, [items[place] for place in places])
    score = dict(zip(places, scores, strict=bool(scores)))  # none, where there is nothing to score by
    best = [[*score][at] for at in best_first([hits[place].entry.id for place in score], [*score.values()])]
    order = [*best, *(place for place in range(len(hits)) if place not in score)]
    return [Rescored(replace(hits[place], rank=rank), score.get(place)) for rank, place in enumerate(order, 1)]


def _scores(scorer: Scorer, query: Item, summary: str, items: Sequence[Item]) -> list[float]:
    return next(iter(scorer.all_scores([Listed(query, summary, items)])))


def _opens(item: Item) -> bool:
    try:
        if item.image is not None:
            load_image(item.image)
    except MediaError:
        return False
    return True
