"""The hits of a search, in the order of a reranker."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from elva.errors import MediaError
from elva.index.protocol import Entry, Hit
from elva.items import Item
from elva.media import load_image
from elva.search.scoring import COSINE, Listed, Scorer, best_first, with_cosines


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
    scorer: Scorer,
    query: Item,
    summary: str,
    hits: Sequence[Hit],
    image_path: Callable[[Entry], Path | bytes | None],
    cosine: float = COSINE,
) -> list[Rescored]:
    """Order hits by score and cosine, ties by id ascending; those whose pictures are gone come behind, in their order.

    Args:
        scorer: who scores them.
        query: what was searched for.
        summary: as in `Listed`.
        hits: best first.
        image_path: where the picture of an entry lies, or the picture itself, or None.
        cosine: what a cosine of 1 is worth, in nats.

    Raises:
        MediaError: the query's picture is missing, damaged or too large.
    """
    items = {place: Item(text=hit.entry.text, image=image_path(hit.entry)) for place, hit in enumerate(hits)}
    try:
        scores = _scores(scorer, query, summary, items)
    except MediaError:  # looking at all beforehand would open every picture twice
        scores = _scores(scorer, query, summary, {place: item for place, item in items.items() if _opens(item)})
    scored = [*scores]
    worth = with_cosines([*scores.values()], [hits[place].score for place in scored], cosine)
    best = best_first([hits[place].entry.id for place in scored], worth)
    order = [*(scored[at] for at in best), *(place for place in range(len(hits)) if place not in scores)]
    return [Rescored(replace(hits[place], rank=rank), scores.get(place)) for rank, place in enumerate(order, 1)]


def _scores(scorer: Scorer, query: Item, summary: str, items: Mapping[int, Item]) -> dict[int, float]:
    """The scores of items by their places; none where there is nothing to score by."""
    found = next(iter(scorer.all_scores([Listed(query, summary, [*items.values()])])))
    return dict(zip(items, found, strict=True)) if found else {}


def _opens(item: Item) -> bool:
    try:
        if item.image is not None:
            load_image(item.image)
    except MediaError:
        return False
    return True
