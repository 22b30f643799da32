"""Which products satisfy which grains: the answers of every derived query."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from elva.data.products import Product

Grains = Mapping[str, str]
"""Kind -> value."""

Mask = NDArray[np.bool_]


class Catalogue:
    """Products as columns of values, so that a whole pool is matched at once."""

    def __init__(self, products: Sequence[Product], kinds: Sequence[str]) -> None:
        """Encode the values; a product that leaves a kind open matches no value of it."""
        self.products = products
        self._codes: dict[str, dict[str, int]] = {kind: {} for kind in kinds}
        self._columns = {
            kind: np.array([self._code(kind, one.values.get(kind)) for one in products], np.int32) for kind in kinds
        }

    def in_splits(self, splits: Iterable[str]) -> Mask:
        """Bool [n]: the products of these splits."""
        wanted = frozenset(splits)
        return np.array([one.split in wanted for one in self.products], np.bool_)

    def satisfying(self, grains: Grains) -> Mask:
        """Bool [n]: the products that have all these values."""
        match = np.ones(len(self.products), np.bool_)
        for kind in grains:
            match &= self._has(kind, grains[kind])
        return match

    def one_off(self, grains: Grains, kind: str) -> Mask:
        """Bool [n]: the products that have another value of this kind and all the other values.

        Products that leave the kind open are not among them: nobody knows whether they differ.
        """
        others = self.satisfying({name: value for name, value in grains.items() if name != kind})
        return others & ~self._has(kind, grains[kind]) & (self._columns[kind] >= 0)

    def same_photos(self, of: Sequence[int]) -> Mask:
        """Bool [n]: the products whose image has the same bytes as one of these."""
        return np.isin(self._photos, self._photos[list(of)])

    def alike(self, product: Product) -> set[int]:
        """Numbers of the products that are no negatives of this one, itself among them.

        They share its title, the bytes of its image, or every value (if it has any).
        """
        return {number for key in _likeness(product) for number in self._alike[key]}

    @cached_property
    def _photos(self) -> NDArray[np.int32]:
        codes: dict[str, int] = {}
        numbered = [codes.setdefault(one.digest, len(codes)) for one in self.products]
        return np.array(numbered, np.int32)

    @cached_property
    def _alike(self) -> dict[object, list[int]]:
        groups: dict[object, list[int]] = defaultdict(list)
        for one in self.products:
            for key in _likeness(one):
                groups[key].append(one.number)
        return groups

    def _code(self, kind: str, value: str | None) -> int:
        codes = self._codes[kind]
        return -1 if value is None else codes.setdefault(value, len(codes))

    def _has(self, kind: str, value: str) -> Mask:
        has: Mask = self._columns[kind] == self._codes[kind].get(value, -2)
        return has


def numbers(mask: Mask) -> list[int]:
    """The numbers of the products that a mask holds, ascending."""
    found: list[int] = np.flatnonzero(mask).tolist()
    return found


def _likeness(product: Product) -> list[tuple[str, object]]:
    keys: list[tuple[str, object]] = [("text", product.text.lower()), ("image", product.digest)]
    if product.values:
        keys.append(("values", tuple(sorted(product.values.items()))))
    return keys
