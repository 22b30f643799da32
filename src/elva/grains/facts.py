"""One grain of a query, and all that a text states."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Grain:
    """One grain of a query.

    Attributes:
        kind: what it is about ("colour").
        text: the words that name it.
        span: [start, end) of those words in the query text; None when no text names it.
        masked_txt: the query text without this grain, still readable; None when no text names it.
    """

    kind: str
    text: str
    span: tuple[int, int] | None = None
    masked_txt: str | None = None

    def to_row(self) -> dict[str, Any]:
        """The grain as it stands in a query row of the M-BEIR layout."""
        span = None if self.span is None else list(self.span)
        return {"kind": self.kind, "text": self.text, "span": span, "masked_txt": self.masked_txt}

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Grain:
        """The inverse of `to_row`; KeyError, TypeError or ValueError on a malformed row."""
        span = row.get("span")
        if span is not None:
            start, end = span
            span = (int(start), int(end))
        return cls(str(row["kind"]), str(row["text"]), span, row.get("masked_txt"))


@dataclass(frozen=True, slots=True)
class Facts:
    """What a text says, in canonical values; what it does not name is absent.

    Attributes:
        entities: per entity, kind to value.
        relations: (i, value, j): entity i stands ``value`` ("left of") entity j.
        scene: kinds that belong to the whole ("background").
    """

    entities: tuple[Mapping[str, str], ...] = ()
    relations: tuple[tuple[int, str, int], ...] = ()
    scene: Mapping[str, str] = field(default_factory=dict)
