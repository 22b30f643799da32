"""How far queries lie from right and from wrong candidates: distributions, from the run files of evaluations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from statistics import median

import numpy as np
import numpy.typing as npt

from elva.analysis.figures import WIDTH, round_scale, svg
from elva.analysis.tables.evaluations import Measured
from elva.encoding import Extraction
from elva.evaluation.trec import read_qrels, read_run
from elva.index.gallery import MICRO

QUERIES = 2000
"""So many queries of a task are looked at, the first by id: a curve of more would look the same."""
KINDS = ("right", "nearest wrong", "other wrong")
_COSINES: tuple[Extraction, ...] = ("generative", "one_word")
"""Extractions whose scores are cosines; those of rerankers and files are none."""

_BINS = 48
_LEFT, _RIGHT, _STRIP, _GAP = 8, 8, 62, 20


@dataclass
class Spread:
    """Cosine distances of one model's queries to what its lists hold.

    Attributes:
        name: the model.
        distances: kind -> distances.
        unlisted: queries whose right candidates all lie below the lists.
        queries: how many were looked at.
    """

    name: str
    distances: Mapping[str, list[float]] = field(default_factory=lambda: {kind: [] for kind in KINDS})
    unlisted: int = 0
    queries: int = 0


def spread_of(measured: Measured, benchmark: str) -> Spread | None:
    """The distances of a model's lists on a benchmark; None where its scores are no cosines, or it has no lists."""
    found = Spread(measured.name)
    for (of, task), evaluated in measured.tasks.items():
        run = evaluated.folder / "runs" / f"{task}.trec"
        if of == benchmark and evaluated.results["model"]["extraction"] in _COSINES and run.is_file():
            qrels = read_qrels(evaluated.folder / "qrels" / f"{task}.txt")
            lists = read_run(run, QUERIES)
            for qid, dids, micro in zip(lists.qids, lists.dids, lists.micro, strict=True):
                _add(found, [did for did, value in qrels.get(qid, {}).items() if value > 0], dids, micro)
    return found if found.queries else None


def _add(found: Spread, relevant: Sequence[str], dids: Sequence[str], micro: Sequence[int]) -> None:
    """One query: its nearest right candidate, its nearest wrong one, and all other wrong ones."""
    held = set(relevant)
    right = [1 - score / MICRO for did, score in zip(dids, micro, strict=True) if did in held]
    wrong = [1 - score / MICRO for did, score in zip(dids, micro, strict=True) if did not in held]
    for kind, each in zip(KINDS, (right[:1], wrong[:1], wrong[1:]), strict=True):
        found.distances[kind].extend(each)
    found.queries += 1
    found.unlisted += not right


def note(spreads: Sequence[Spread]) -> str:
    """How to read the figure."""
    unlisted = ", ".join(f"{each.name} {each.unlisted / each.queries:.1%}" for each in spreads)
    return (
        f"Cosine distances in the ranked lists of at most {QUERIES:,} queries a task, each curve over its own number. "
        "Right candidates below the end of the lists are missing, and so are most of the wrong ones, the farthest: "
        f"queries without a right one in the list: {unlisted}."
    )


def distance_chart(spreads: Sequence[Spread], label: str) -> str:
    """Draw a strip per model on one scale of distance, with a filled curve per kind of candidate; "" without any."""
    every = [value for each in spreads for values in each.distances.values() for value in values]
    if not every:
        return ""
    low, high, step = round_scale(min(every), float(np.percentile(every, 99.5)))
    foot = len(spreads) * (_STRIP + _GAP) + 4

    def x(value: float) -> float:
        return _LEFT + (min(value, high) - low) / (high - low) * (WIDTH - _LEFT - _RIGHT)

    parts = []
    for i in range(round((high - low) / step) + 1):
        at = x(low + i * step)
        parts.append(f'<line class="grid" x1="{at:.1f}" x2="{at:.1f}" y1="4" y2="{foot}"/>')
        parts.append(f'<text class="tick mid" x="{at:.1f}" y="{foot + 12}">{low + i * step:g}</text>')
    edges = np.linspace(low, high, _BINS + 1)
    for row, each in enumerate(spreads):
        base = 4 + (row + 1) * (_GAP + _STRIP)
        parts.append(f'<text class="panel" x="{_LEFT}" y="{base - _STRIP - 6}">{escape(each.name)}</text>')
        parts += _areas(each, edges, [x(float(edge)) for edge in edges], base)
    return svg("".join([*parts, *_legend(foot + 20)]), foot + 34, label)


def _areas(spread: Spread, edges: npt.NDArray[np.float64], places: Sequence[float], base: float) -> Iterator[str]:
    """A filled step curve per kind, on one scale of shares."""
    held = {kind: values for kind, values in spread.distances.items() if values}
    ends = (edges[0], edges[-1])
    shares = {kind: np.histogram(np.clip(each, *ends), edges)[0] / len(each) for kind, each in held.items()}
    top = max(float(share.max()) for share in shares.values())
    for kind, share in shares.items():
        heights = [base - _STRIP * float(each) / top for each in share]
        steps = [(place, y) for i, y in enumerate(heights) for place in places[i : i + 2]]
        path = " ".join(f"{a:.1f},{b:.1f}" for a, b in [(places[0], base), *steps, (places[-1], base)])
        told = escape(f"{spread.name}, {kind}: median {median(held[kind]):.3f}")
        yield f'<polygon class="area a{KINDS.index(kind)}" points="{path}"><title>{told}</title></polygon>'


def _legend(top: float) -> Iterator[str]:
    at = _LEFT
    for i, kind in enumerate(KINDS):
        yield f'<rect class="area a{i}" x="{at}" y="{top}" width="10" height="8"/>'
        yield f'<text class="key" x="{at + 14}" y="{top + 8}">{kind}</text>'
        at += 30 + 6 * len(kind)
