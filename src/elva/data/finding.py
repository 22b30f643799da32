"""Candidates looked up by did, wherever in a tree they lie."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from elva.data.layout import GLOBAL_POOLS, LOCAL_POOLS
from elva.data.reading import read_pool
from elva.data.stored import Lookup

if TYPE_CHECKING:
    from elva.data.mbeir import MBeir


class Finding:
    """Looks in the pools `first`, then for what is in none of them in all others.

    Held are hashes of the dids that are wanted: eight bytes each time that one is.

    Attributes:
        missing: how many of them no pool holds; known when it is finished.
    """

    def __init__(self, data: MBeir, first: Sequence[Path] = ()) -> None:
        folders = (LOCAL_POOLS, GLOBAL_POOLS)
        others = [path for folder in folders for path in sorted((data.root / folder).glob("*.jsonl"))]
        self._first = [path for path in first if path.is_file()]
        self._data = data
        self._others = [path for path in others if path not in self._first]
        self._wanted = array("q")
        self.missing = 0

    def look_for(self, dids: Iterable[str]) -> None:
        """Note dids that are wanted."""
        self._wanted.extend(map(hash, dids))

    def finish(self) -> Lookup:
        """The wanted ones that some pool holds."""
        wanted, pools, shown = np.unique(np.asarray(self._wanted)), [], []
        for path in [*self._first, *self._others]:
            if path in self._others and not len(wanted):
                break
            pool = read_pool(path, self._data.rows)
            rows = pool.places.rows(wanted)
            pools.append(pool)
            shown.append(np.zeros(len(pool), bool))
            shown[-1][rows[rows >= 0]] = True
            wanted = wanted[rows < 0]
        self.missing = len(wanted)
        return Lookup(pools, shown)
