"""What an encoder gives, and the little that the rest of the package asks of one.

Evaluation, index and analysis depend on this file instead of on the model, so they import no torch
and their tests run on a fake.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

from elva.items import Item

Extraction = Literal["generative", "one_word", "prefill"]
"""Where a vector is read: at [RET] behind a summary, at the end of the one-word prompt, or ("prefill") at the end of
the prompt that asks for a summary, before it is written."""
Vectors = npt.NDArray[np.float32]
Progress = Callable[[int], None]
"""Called with the number of items done since the last call."""
Watch = Callable[[str, int | None], Progress]
"""Called when work starts, with its name and number of items, if known; gives what to call as they go."""


@dataclass(frozen=True, slots=True)
class Encoding:
    """What embedding n items gave, in the order of the items.

    Attributes:
        vectors: float32 [n, dimension], each of unit length, so a dot product is a cosine.
        summaries: n texts the model wrote before [RET], greedily; "" under one-word extraction.
        forced_ret: for how many of the items a summary did not end in [RET] by itself.
        truncated: how many of the n texts were cut to fit.
        forced_items: which of the items those of `forced_ret` are, for an encoder that tells.
        truncated_items: likewise.
        fast: float32 [n, dimension], the unit vectors of extraction "prefill", where they were asked for beside
            generative ones: the same forward gives both.
    """

    vectors: Vectors
    summaries: list[str]
    forced_ret: int = 0
    truncated: int = 0
    forced_items: tuple[int, ...] = ()
    truncated_items: tuple[int, ...] = ()
    fast: Vectors | None = None


@dataclass(frozen=True, slots=True)
class Written:
    """What answering n items gave.

    Attributes:
        texts: one answer per item, in their order.
        cut: how many did not end by themselves.
        truncated: of how many prompts the text was cut.
    """

    texts: list[str]
    cut: int
    truncated: int


class Encoder(Protocol):
    """Anything that turns items into unit vectors; `elva.Embedder` is the real one."""

    @property
    def name(self) -> str:
        """What a reader of a result should call this model."""

    @property
    def fingerprint(self) -> str:
        """Changes whenever the vectors would: a digest of weights and settings."""

    @property
    def extraction(self) -> Extraction:
        """How `embed` reads the vector unless told otherwise."""

    @property
    def dimension(self) -> int:
        """Length of a vector."""

    def embed(
        self,
        items: Sequence[Item],
        *,
        extraction: Extraction | None = None,
        batch_size: int = 64,
        progress: Progress | None = None,
    ) -> Encoding:
        """Embed items; the same items give the same vectors."""


@dataclass(frozen=True, slots=True)
class ModelIdentity:
    """Which model made a set of vectors; vectors of two identities must never be compared."""

    name: str
    fingerprint: str
    extraction: Extraction
    dimension: int

    @classmethod
    def of(cls, encoder: Encoder) -> ModelIdentity:
        """The identity of the vectors that `encoder` gives by default."""
        return cls(encoder.name, encoder.fingerprint, encoder.extraction, encoder.dimension)

    @classmethod
    def from_row(cls, row: dict[str, Any]) -> ModelIdentity:
        """Read back what `to_row` wrote."""
        return cls(row["name"], row["fingerprint"], row["extraction"], row["dimension"])

    def to_row(self) -> dict[str, Any]:
        """A JSON object."""
        return asdict(self)

    def __str__(self) -> str:
        """What tells two apart, for messages."""
        return f"{self.name} ({self.extraction}, {self.fingerprint[:12]}, {self.dimension} numbers)"

    def produces(self, other: ModelIdentity) -> bool:
        """Whether both give the same vectors; the name is only a label."""
        return (self.fingerprint, self.extraction) == (other.fingerprint, other.extraction)
