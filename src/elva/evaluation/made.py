"""Candidates' vectors that `elva embed` made, on one machine or many, for an index of the same data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from elva.data.mbeir import MBeir
from elva.encoding import Encoding, ModelIdentity
from elva.evaluation.store import VectorStore


@dataclass(frozen=True, slots=True)
class MadeCandidates:
    """See `elva.index.build.MadeBefore`.

    Attributes:
        store: of queries, too, which no index holds.
    """

    store: VectorStore

    @classmethod
    def of(cls, folder: Path, root: Path, model: ModelIdentity) -> MadeCandidates:
        """Vectors of a folder, mapped from its files.

        Args:
            folder: what `elva embed` left.
            root: the data that it embedded. Pictures are not compared: they must be those that were embedded.
            model: whose vectors they must be.

        Raises:
            FolderError: it is no finished folder of vectors.
            IndexMismatch: they are another model's, or of other data.
        """
        store = VectorStore.load(folder)
        store.require(model, store.instruction_choice, MBeir.open(root).fingerprint())  # candidates have no instruction
        return cls(store)

    def __contains__(self, item: str) -> bool:
        """Whether a candidate was embedded."""
        return ("candidate", item) in self.store

    def take(self, ids: Sequence[str]) -> Encoding:
        """See `MadeBefore`."""
        summaries = [self.store.summary("candidate", each) for each in ids]
        return Encoding(self.store.vectors("candidate", ids), summaries)
