"""What a store asks of entries, vectors and queries before it takes them: the same in every store."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from elva.encoding import Vectors
from elva.errors import InputError
from elva.index.facts import Fact
from elva.index.gallery import VectorError, require_finite, require_unique
from elva.index.protocol import Entry, UnknownItem
from elva.index.words import all_words

MOST_FIELDS = 300
"""Fields that conditions can ask about; data with more have keys that are values."""

Said = Mapping[str, Fact]
"""What the metadata of one entry say: `facts`."""


def accepted(entries: Sequence[Entry], vectors: Vectors, dimension: int) -> tuple[Vectors, list[str]]:
    """The vectors as float32 [n, dimension], and the metadata as JSON.

    Raises:
        VectorError: NaN, another width or number, or an id that occurs twice.
        InputError: metadata that JSON can't hold.
    """
    if vectors.shape != (len(entries), dimension):
        raise VectorError(
            f"vectors of shape {vectors.shape} for {len(entries)} entries: expected {(len(entries), dimension)}"
        )
    require_finite([each.id for each in entries], vectors)
    require_unique(each.id for each in entries)
    return np.asarray(vectors, np.float32), [_json(each) for each in entries]


def _json(entry: Entry) -> str:
    """An entry's metadata as JSON; InputError where that can't be."""
    try:
        return json.dumps(dict(entry.metadata), ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError(
            f"the metadata of {entry.id!r} are no JSON ({error}); give texts, finite numbers, true, false, null, "
            "and lists and objects of these"
        ) from error


def grown_fields(known: tuple[str, ...], said: Sequence[Said]) -> tuple[str, ...]:
    """The fields with those that entries add behind; InputError where there are too many."""
    grown = tuple(dict.fromkeys([*known, *(field for each in said for field in each)]))
    if len(grown) > MOST_FIELDS:
        raise InputError(
            f"the metadata have more than {MOST_FIELDS} fields, such as {grown[-1]!r}: "
            "where keys are values, write them as a list of values"
        )
    return grown


def words_of(entry: Entry) -> list[str]:
    """The words that `match` and `by_words` ask about, each as often as it occurs: of the text and of the summary."""
    return all_words(f"{entry.text or ''} {entry.summary}")


def require_queries(queries: Vectors, k: int, dimension: int) -> None:
    """Raise VectorError for queries of another shape than [n, dimension], with NaN, or k below 1."""
    if queries.ndim != 2 or queries.shape[1] != dimension:
        raise VectorError(f"queries of shape {queries.shape}: expected (n, {dimension})")
    if not np.isfinite(queries).all():
        require_finite([f"query {i}" for i in range(len(queries))], queries)  # names the first
    require_length(k)


def require_length(k: int) -> None:
    """Raise VectorError for lists of k below 1."""
    if k < 1:
        raise VectorError(f"lists of length {k} were asked for: ask for 1 or more")


def require_new(ids: Iterable[str]) -> None:
    """Raise VectorError naming the first of the ids, which are those that an index holds already."""
    for each in ids:
        raise VectorError(f"id {each!r} occurs twice: the index holds it already; upsert replaces it")


def unknown(item: str) -> UnknownItem:
    """The error for an id that isn't there."""
    return UnknownItem(f"the index holds no item {item!r}; take an id from a search")


def there(rows: Mapping[str, dict[str, Any]], item: str) -> dict[str, Any]:
    """The row of an id; UnknownItem where there is none."""
    if item not in rows:
        raise unknown(item)
    return rows[item]
