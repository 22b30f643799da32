"""A model on this machine, asked for grains."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from elva.items import Item
from elva.model.asking import asking
from elva.model.embedder import Embedder
from elva.mrbench.asking import ANSWER_TOKENS, QUESTION


class Local:
    """Asks a checkpoint; it is an `Asker`.

    Args:
        embedder: the model, best a plain instruction-tuned one.
        at_once: items per batch.
    """

    def __init__(self, embedder: Embedder, at_once: int = 16) -> None:
        self._at_once = at_once
        self._model = asking(embedder, QUESTION, ANSWER_TOKENS)

    @property
    def name(self) -> str:
        """The checkpoint's name."""
        return self._model.name

    @property
    def identity(self) -> str:
        """Digest of weights and settings."""
        return f"local {self._model.fingerprint}"

    def answers(self, items: Sequence[Item]) -> Iterator[tuple[int, str]]:
        """As `Asker.answers`; MediaError where a picture is missing, damaged or too large."""
        for start in range(0, len(items), self._at_once):
            batch = items[start : start + self._at_once]
            yield from enumerate(self._model.embed(batch, batch_size=self._at_once).summaries, start)
