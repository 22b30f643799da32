"""What an import tells the user: counts, what is unknown, and what chance alone would hit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import comb
from pathlib import Path
from statistics import fmean
from typing import NamedTuple

from elva.errors import DataError

CHANCE_AT = (1, 5, 10)


class Chance(NamedTuple):
    """Expected hit@1, hit@5 and hit@10 of a random ranking."""

    hit1: float
    hit5: float
    hit10: float


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import wrote.

    Attributes:
        out: the data folder.
        rows: split -> number of products.
        skipped: the bad rows that were left out.
        queries: task -> number of queries.
        pools: task -> number of candidates.
        chance: held-out task -> what a random ranking would hit.
        values: kind -> number of different values.
        unknown: kind -> number of products that leave it open.
        triples: number of stage-1 triples.
    """

    out: Path
    rows: Mapping[str, int]
    skipped: tuple[DataError, ...]
    queries: Mapping[str, int]
    pools: Mapping[str, int]
    chance: Mapping[str, Chance]
    values: Mapping[str, int]
    unknown: Mapping[str, int]
    triples: int

    def __str__(self) -> str:
        """The counts and chance levels, a line each."""
        rows = ", ".join(f"{count:,} {split}" for split, count in self.rows.items())
        lines = [f"{self.out}: {rows}; {len(self.skipped)} bad rows left out"]
        for kind, count in self.values.items():
            lines.append(f"  {kind}: {count} values, unknown for {self.unknown[kind]:,} products")
        for task, count in self.queries.items():
            line = f"  {task}: {count:,} queries, {self.pools[task]:,} candidates"
            if task in self.chance:
                hits = "/".join(f"{100 * hit:.1f}" for hit in self.chance[task])
                line += f"; a random ranking hits {hits} % at 1/5/10"
            lines.append(line)
        lines.append(f"  {self.triples:,} triples")
        for split in (split for split, count in self.rows.items() if not count):
            lines.append(f"  warning: no row came into {split}; give more rows, or a column that says the split")
        return "\n".join(lines)


def chance_hits(answers_per_query: Sequence[int], pool: int) -> Chance:
    """The expected hit@1/5/10 of a random ranking.

    Args:
        answers_per_query: per query, how many of the candidates answer it.
        pool: number of candidates.
    """

    def missed(answers: int, k: int) -> float:
        return comb(pool - answers, k) / comb(pool, k) if k <= pool else 0.0

    return Chance(*(1 - fmean(missed(answers, k) for answers in answers_per_query) for k in CHANCE_AT))
