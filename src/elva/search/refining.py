"""The second of two speeds: the first of a list, ranked again by vectors that take longer to make.

The state at the end of the prompt (extraction "prefill") costs one forward; the vector behind a summary as many more as
the summary has words. So an index of the former is made sooner, and of each list only the first get the latter. They
are remembered: what was refined for one query is compared at once for the next.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from elva.encoding import ModelIdentity, Progress, Vectors
from elva.index.gallery import MICRO, cosines_micro
from elva.items import Item
from elva.model.embedder import Embedder
from elva.search.remembered import Name, Remembered, name_of
from elva.search.scoring import Listed, Mode, in_blocks

REMEMBERED = 1 << 18
"""Vectors that are kept: of 2,048 numbers they are 2 GB."""


class Refiner:
    """Scores candidates by the cosine of second vectors.

    Args:
        embedder: whose vectors they are: generative ones of a model that ranked by "prefill", else those that it gives.
        remembered: how many are kept.

    Attributes:
        model: who makes them.
        mode: "vectors".
    """

    mode: Mode = "vectors"

    def __init__(self, embedder: Embedder, remembered: int = REMEMBERED) -> None:
        self._embedder, self._known = embedder, Remembered[Name, Vectors](remembered)
        self._extraction = "generative" if embedder.extraction == "prefill" else embedder.extraction
        made = ModelIdentity.of(embedder)
        self.model = ModelIdentity(made.name, made.fingerprint, self._extraction, made.dimension)

    def all_scores(self, lists: Iterable[Listed], progress: Progress | None = None) -> Iterator[list[float]]:
        """The cosines of each list's candidates with its query, in millionths.

        Args:
            lists: what is to be scored, taken in blocks.
            progress: called with the number of pairs just done.

        Raises:
            MediaError: a picture is missing, damaged or too large.
        """
        for block in in_blocks(lists):
            items = {id(item): item for each in block for item in (each.query, *each.candidates)}
            names = {key: name_of(item) for key, item in items.items()}
            vectors = self._vectors({name: items[key] for key, name in names.items()})
            for each in block:
                if not each.candidates:
                    yield []
                    continue
                own = np.stack([vectors[names[id(item)]] for item in each.candidates])
                micro = cosines_micro(own, vectors[names[id(each.query)]])
                if progress:
                    progress(len(each.candidates))
                yield (micro / MICRO).tolist()

    def _vectors(self, items: dict[Name, Item]) -> dict[Name, Vectors]:
        known = {name: vector for name in items if (vector := self._known.get(name)) is not None}
        new = [name for name in items if name not in known]
        if not new:
            return known
        made = self._embedder.embed([items[name] for name in new], extraction=self._extraction).vectors
        fresh = dict(zip(new, made, strict=True))
        self._known.add(fresh)
        return known | fresh
