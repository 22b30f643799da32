"""Doubts about an evaluation: what makes its figures not worth reading, said before anybody reads them."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, Protocol

import numpy as np

from elva.encoding import Vectors
from elva.evaluation.alignment import better_order
from elva.evaluation.store import Kind, VectorStore
from elva.evaluation.trec import Run

MOST_ALIKE = 0.95
"""Mean cosine of two drawn vectors from which on they say nearly the same of everything."""
FEWEST_DIRECTIONS = 2.0
"""Effective rank below which vectors differ along one line only."""
MISSING_RET = 0.01
"""Share of summaries that may lack [RET]."""
SAMPLED, ENOUGH = 512, 20
"""Vectors that are looked at per side of a task, and how many there must be for a judgement."""


@dataclass(frozen=True, slots=True)
class Doubt:
    """One reason not to believe a figure.

    Attributes:
        kind: at_chance, collapsed, misaligned, missing_ret, not_judged, cut_prompts or judged_by_rules.
        task: which task it is about; None where it is about all.
        message: what was found, and where to look.
    """

    kind: Literal["at_chance", "collapsed", "misaligned", "missing_ret", "not_judged", "cut_prompts", "judged_by_rules"]
    task: str | None
    message: str

    def __str__(self) -> str:
        """As people read it."""
        return self.message if self.task is None else f"{self.task}: {self.message}"

    def to_row(self) -> dict[str, str | None]:
        """A JSON object of results.json's `warnings`."""
        return asdict(self)


class Ranked(Protocol):
    """A task that was ranked and measured: one in the M-BEIR layout, or of a published set."""

    @property
    def name(self) -> str:
        """As results call it."""

    @property
    def row(self) -> Mapping[str, Any]:
        """Its part of results.json; without a headline figure where the answers are withheld."""

    @property
    def run(self) -> Run:
        """Its ranked lists."""

    @property
    def qids(self) -> Sequence[str]:
        """Its queries, in the order of their file."""

    @property
    def dids(self) -> Sequence[str]:
        """All candidates that its queries rank, in the order of theirs."""

    @property
    def positives(self) -> Mapping[str, Sequence[str]]:
        """The dids of the relevant candidates of each qid."""


def doubts(judged: Sequence[Ranked], store: VectorStore | None = None) -> list[Doubt]:
    """All that speaks against an evaluation, task by task.

    Args:
        judged: its tasks.
        store: the vectors that were ranked; None where scores were, which can't collapse.
    """
    found = [doubt for each in judged for doubt in (*_at_chance(each), *_misaligned(each))]
    if store is not None:
        found += [doubt for each in judged for doubt in _collapsed(each, store)]
        found += _missing_ret(store)
    return found


def _at_chance(judged: Ranked) -> Iterator[Doubt]:
    """Where the interval of the headline figure reaches down to chance, or lies below."""
    row = judged.row
    if "headline" not in row:
        return
    headline, (low, high) = row["headline"], row["headline_interval"]
    chance = row["chance"][headline]
    if row["queries"] and low <= chance < 1:
        yield Doubt(
            "at_chance",
            judged.name,
            f"{headline} is {row[headline]:.1%} (interval {low:.1%} to {high:.1%}), and a random ranking reaches "
            f"{chance:.1%}: nothing shows that the model knows this task; look at model, prompts and data",
        )


def _misaligned(judged: Ranked) -> Iterator[Doubt]:
    """Where the lists would be far better with other ids; not where each query ranks a gallery of its own."""
    if "gallery" in judged.row:
        return
    better = better_order(judged.run, judged.qids, judged.dids, judged.positives)
    if better is not None:
        change, own, then = better
        yield Doubt(
            "misaligned",
            judged.name,
            f"hit@1 is {own:.1%}, and would be {then:.1%} with {change}: "
            "ids and vectors do not belong together; look at how the vectors were written",
        )


def _collapsed(judged: Ranked, store: VectorStore) -> Iterator[Doubt]:
    """Where all queries, or all candidates, have nearly the same vector."""
    sides: tuple[tuple[Kind, str, Sequence[str]], ...] = (
        ("query", "queries", judged.qids),
        ("candidate", "candidates", judged.dids),
    )
    for kind, name, ids in sides:
        if len(ids) < ENOUGH:
            continue
        drawn = random.Random(f"{judged.name}/{kind}").sample(ids, min(SAMPLED, len(ids)))
        cosine, rank = spread(store.vectors(kind, drawn))
        if cosine > MOST_ALIKE or rank < FEWEST_DIRECTIONS:
            yield Doubt(
                "collapsed",
                judged.name,
                f"the vectors of {name} have collapsed: two of them have a cosine of {cosine:.3f} on average, and they "
                f"differ along {rank:.1f} directions; look at the training loss, or choose an earlier checkpoint",
            )


def _missing_ret(store: VectorStore) -> Iterator[Doubt]:
    """Where too many summaries had to be ended by force."""
    if store.counts.missing_ret > MISSING_RET:
        yield Doubt(
            "missing_ret",
            None,
            f"{store.counts.missing_ret:.1%} of the summaries did not end in [RET] by themselves, and were embedded "
            "where they were cut: the model writes too long or not at all; look at what it wrote in summaries.jsonl",
        )


def spread(vectors: Vectors) -> tuple[float, float]:
    """How far unit vectors lie apart.

    Args:
        vectors: float32 [n, d], n of 2 or more.

    Returns:
        The mean cosine of two different ones, and the effective rank (Roy and Vetterli 2007) of what is left of them
        without their mean: along how many directions they differ; 0 where they are all equal.
    """
    exact = vectors.astype(np.float64)
    count = len(exact)
    cosine = (float((exact.sum(axis=0) ** 2).sum()) - count) / (count * (count - 1))
    centred = exact - exact.mean(axis=0)
    gram = centred @ centred.T
    values = np.sqrt(np.clip(np.linalg.eigvalsh(gram), 0, None))
    if values.sum() < 1e-6 * count:
        return cosine, 0.0
    share = values / values.sum()
    share = share[share > 0]
    return cosine, float(np.exp(-(share * np.log(share)).sum()))
