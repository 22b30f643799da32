"""What judged responses come to: recall and precision of steps, their F1, the CoT score, accuracy.

Recall and precision are of an item first, then means over items; F1 is that of the two means. The CoT score is the F1
of perception and reasoning together. An item without steps of a kind is left out of that kind's mean. One that could
not be judged, or that has no response, counts 0 in all of them: it stays in the denominator.

The published scripts count otherwise, so their figures stand beside (`as_published`): an item of which any call failed
is left out of everything, and so is one whose response has no steps at all (they divide by their number); an answer is
right only if the judge says "1" and not "1.". They also take the union of two spans as all from the first beginning to
the last end; that changes no figure, since two spans that touch have no other union, and others share nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import numpy as np

from elva.evaluation.significance import f1_interval, hit_interval
from elva.reasoning.vcr_bench.judging import Judgement, share
from elva.reasoning.vcr_bench.verdicts import Kind, Step, Verdict

OVERALL = "overall"
PARTS: Mapping[str, frozenset[Kind]] = {
    OVERALL: frozenset({Kind.PERCEPTION, Kind.REASONING}),
    "perception": frozenset({Kind.PERCEPTION}),
    "reasoning": frozenset({Kind.REASONING}),
}
"""What figures are made of -> the kinds of step that count there. Background counts nowhere."""

Shares = dict[str, float | None]
"""Part -> an item's recall or precision there; None where it has no such steps."""


@dataclass(frozen=True, slots=True)
class ItemScore:
    """What one item adds.

    Attributes:
        right: whether its answer is right.
        recall: of the reference's steps.
        precision: of the response's steps.
        efficiency: the share of the response's steps that are not redundant; None where it has none.
        failed: whether it has no response, or a call to the judge gave nothing.
        published: whether the published scripts would count its answer as right; None where they would leave it out.
    """

    right: bool
    recall: Shares
    precision: Shares
    efficiency: float | None
    failed: bool
    published: bool | None


def f1(precision: float, recall: float) -> float:
    """Their harmonic mean; 0 where both are 0."""
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def score(judgement: Judgement | None) -> ItemScore:
    """The score of an item; None is one without a response."""
    if judgement is None:
        return ItemScore(False, _nothing(), _nothing(), None, True, None)
    recalled, steps = judgement.recall.value, judgement.precision.value
    useful = [step for step in steps or () if step.verdict is not Verdict.REDUNDANT]
    said_one = judgement.score is not None and judgement.score.reply.strip() == judgement.score.reply == "1"
    counts = not judgement.failed and bool(steps)
    return ItemScore(
        right=judgement.right,
        recall=_nothing() if recalled is None else _shares(recalled, Verdict.UNMATCHED),
        precision=_nothing() if steps is None else _shares(steps, Verdict.WRONG),
        efficiency=len(useful) / len(steps) if steps else None,
        failed=judgement.failed,
        published=(said_one or judgement.placed is True) if counts else None,
    )


def summary(scores: Sequence[ItemScore]) -> dict[str, Any]:
    """The figures of some items, between 0 and 1; at least one item."""
    counted = [each for each in scores if each.published is not None]
    right = sum(each.right for each in scores)
    parts = {part: _part(scores, part) for part in PARTS}
    return {
        "queries": len(scores),
        "accuracy": right / len(scores),
        "accuracy_interval": list(hit_interval({"accuracy": (right, len(scores))})),
        "cot_score": parts[OVERALL]["f1"],
        "cot_score_interval": list(_f1_interval(scores)),
        **parts,
        "efficiency": _mean(each.efficiency for each in scores),
        "failed": sum(each.failed for each in scores),
        "as_published": _as_published(counted),
    }


def _as_published(counted: Sequence[ItemScore]) -> dict[str, Any]:
    """What the published scripts would print."""
    return {
        "queries": len(counted),
        "accuracy": _mean(float(bool(each.published)) for each in counted),
        "cot_score": _part(counted, OVERALL)["f1"],
    }


def _part(scores: Sequence[ItemScore], part: str) -> dict[str, Any]:
    """Means over the items that have such steps, and how many these are; no F1 where none has any."""
    recall = [value for each in scores if (value := each.recall[part]) is not None]
    precision = [value for each in scores if (value := each.precision[part]) is not None]
    return {
        "recall": _mean(recall),
        "precision": _mean(precision),
        "f1": f1(_mean(precision) or 0.0, _mean(recall) or 0.0) if recall or precision else None,
        "recall_items": len(recall),
        "precision_items": len(precision),
    }


def _shares(steps: Sequence[Step], against: Verdict) -> Shares:
    return {part: share([step for step in steps if step.kind in kinds], against) for part, kinds in PARTS.items()}


def _nothing() -> Shares:
    """Of an item that failed: it has nothing of what it should."""
    return dict.fromkeys(PARTS, 0.0)


def _mean(values: Iterable[float | None]) -> float | None:
    held = [value for value in values if value is not None]
    return fmean(held) if held else None


def _f1_interval(scores: Sequence[ItemScore]) -> tuple[float, float]:
    pairs = [(each.precision[OVERALL], each.recall[OVERALL]) for each in scores]
    values = np.array(pairs, dtype=np.float64)  # None becomes nan
    return f1_interval(values[:, 0], values[:, 1])
