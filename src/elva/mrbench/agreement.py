"""How far people agree about samples: acceptance, and kappa, which counts only what chance does not explain."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from elva.mrbench.decisions import Review, votes

Z95 = 1.959963984540054
"""Of the normal distribution: 95 % lie within so many standard deviations."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """What reviews say of a benchmark.

    Attributes:
        reviewers: (name, how many decided, how many of them accepted).
        samples: how many somebody decided.
        kept: how many of them more people accept than reject.
        interval: 95 % interval of the share kept in the whole benchmark, by Wilson.
        shared: how many two or more decided.
        observed: of these, the mean share of pairs of reviewers that agree; None without any.
        kappa: Cohen's for two reviewers, Fleiss' for more; None where nothing is shared, or where chance alone explains
            all agreement, since everybody always says the same.
    """

    reviewers: tuple[tuple[str, int, int], ...]
    samples: int
    kept: int
    interval: tuple[float, float]
    shared: int
    observed: float | None
    kappa: float | None

    @classmethod
    def of(cls, reviews: Sequence[Review]) -> Agreement:
        """Measure the agreement of these reviews, one per person."""
        counted = votes(reviews)
        kept = sum(accepted > rejected for accepted, rejected in counted.values())
        shared = [each for each in counted.values() if sum(each) > 1]
        observed = fmean(map(_agreeing, shared)) if shared else None
        chance = _cohen_chance(*reviews) if len(reviews) == 2 else _fleiss_chance(shared)
        return cls(
            tuple((each.reviewer, len(each.decisions), sum(each.decisions.values())) for each in reviews),
            len(counted),
            kept,
            wilson(kept, len(counted)),
            len(shared),
            observed,
            None if observed is None or chance >= 1 else (observed - chance) / (1 - chance),
        )

    @property
    def acceptance(self) -> float | None:
        """Share of the samples that is kept; None without any."""
        return self.kept / self.samples if self.samples else None

    def to_row(self) -> dict[str, Any]:
        """JSON for the data card."""
        return {
            "reviewers": [
                {"name": name, "decided": decided, "accepted": accepted} for name, decided, accepted in self.reviewers
            ],
            "samples": self.samples,
            "kept": self.kept,
            "acceptance": self.acceptance,
            "interval": list(self.interval),
            "shared": self.shared,
            "observed_agreement": self.observed,
            "kappa": self.kappa,
        }

    def lines(self) -> list[str]:
        """The same for people."""
        lines = [f"{name}: accepted {accepted:,} of {decided:,}" for name, decided, accepted in self.reviewers]
        if self.acceptance is None:
            return [*lines, "nothing was decided"]
        low, high = (f"{100 * each:.1f}" for each in self.interval)
        lines.append(
            f"acceptance: {100 * self.acceptance:.1f} % ({self.kept:,} of {self.samples:,} samples; "
            f"95 % interval {low} to {high} %)"
        )
        if self.observed is None:
            return [*lines, "agreement: no sample was decided by two people"]
        name = "Cohen's" if len(self.reviewers) == 2 else "Fleiss'"
        kappa = "none, since everybody always says the same" if self.kappa is None else f"{self.kappa:.2f}"
        lines.append(
            f"agreement: {100 * self.observed:.1f} % on {self.shared:,} samples that two or more decided; "
            f"{name} kappa {kappa}"
        )
        return lines


def wilson(successes: int, trials: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a rate; (0, 1) without trials."""
    if not trials:
        return 0.0, 1.0
    rate, square = successes / trials, Z95**2 / trials
    centre = (rate + square / 2) / (1 + square)
    half = Z95 / (1 + square) * math.sqrt(rate * (1 - rate) / trials + square / (4 * trials))
    return max(0.0, centre - half), min(1.0, centre + half)


def _agreeing(votes: tuple[int, int]) -> float:
    """Share of the pairs of people that say the same about a sample."""
    count = sum(votes)
    return sum(each * (each - 1) for each in votes) / (count * (count - 1))


def _cohen_chance(one: Review, other: Review) -> float:
    """Agreement by chance of two people, each with their own rate of acceptance on what both decided; 1 for nothing."""
    both = one.decisions.keys() & other.decisions.keys()
    if not both:
        return 1.0
    mine, theirs = (fmean(review.decisions[each] for each in both) for review in (one, other))
    return mine * theirs + (1 - mine) * (1 - theirs)


def _fleiss_chance(shared: Sequence[tuple[int, int]]) -> float:
    """Agreement by chance where all share one rate of acceptance; samples may differ in how many people decided.

    1 for nothing.
    """
    total = sum(map(sum, shared))
    if not total:
        return 1.0
    rate = sum(accepted for accepted, _ in shared) / total
    return rate**2 + (1 - rate) ** 2
