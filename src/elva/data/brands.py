"""Brands, read off the titles: leading words that recur."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable

LONGEST_BRAND = 4
COVERED = 0.8


class Brands:
    """Finds the brand at the beginning of a title.

    A brand is a beginning that at least `minimum` titles share. It grows by a word while the
    frequent continuations cover 80 % of the titles that begin so: "united" becomes "united colors
    of benetton", while "nike" is followed by too many things to grow.
    """

    def __init__(self, titles: Iterable[str], stop: Collection[str], minimum: int) -> None:
        """Count the beginnings of the titles; words of `stop` (values of other kinds) end one."""
        self._stop = frozenset(stop)
        self._minimum = minimum
        counts = Counter(start for title in titles for start in self._beginnings(title))
        self._counts = {start: count for start, count in counts.items() if count >= minimum}
        covered: Counter[str] = Counter()
        for start, count in self._counts.items():
            covered[start.rpartition(" ")[0]] += count
        self._grows = {start for start, count in self._counts.items() if covered[start] >= COVERED * count}

    def find(self, title: str) -> str | None:
        """The brand in lower case, or None."""
        brand = None
        for start in self._beginnings(title):
            if start not in self._counts:
                break
            brand = start
            if start not in self._grows:
                break
        return None if brand in self._stop else brand

    def _beginnings(self, title: str) -> list[str]:
        beginnings: list[str] = []
        for word in title.lower().split()[:LONGEST_BRAND]:
            # A first word may be a colour ("red tape"); a later one ends the brand.
            if beginnings and word.removesuffix("'s") in self._stop:
                break
            beginnings.append(f"{beginnings[-1]} {word}" if beginnings else word)
        return beginnings
