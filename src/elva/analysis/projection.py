"""Queries among right, nearly right and random candidates, as models see them: vectors in two dimensions (t-SNE).

After section 7 of the paper. Distances in such a picture are only roughly those of the vectors: it shows whether near
misses lie apart from the positive, and proves nothing; pair accuracy measures it.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from elva.data.mbeir import Candidate, Choice, MBeir, Query
from elva.encoding import Encoder, ModelIdentity, Vectors, Watch
from elva.errors import InputError, MissingExtra
from elva.evaluation.store import Kind, VectorStore

FORMATS = (".svg", ".png", ".pdf")
COLOURS = ("#d9622b", "#3b77bf", "#1f9a8a", "#8a4fb0", "#c23b6e", "#a88a1c")
EASY, INK, PAPER = "#c9c4ba", "#1f1c18", "#faf8f4"
PERPLEXITY = 30
"""About how many neighbours t-SNE keeps near; fewer where there are few points."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """A query and what is drawn around it: right candidates, those one grain off with the kind, random others."""

    query: Query
    positives: tuple[str, ...]
    near: tuple[tuple[str, str], ...]
    easy: tuple[str, ...]

    @property
    def dids(self) -> tuple[str, ...]:
        """All candidates, in the order in which they are named above."""
        return (*self.positives, *(did for did, _ in self.near), *self.easy)


@dataclass(frozen=True, slots=True)
class Asked:
    """Queries of a data root with their surroundings."""

    bench: MBeir
    around: tuple[Surroundings, ...]
    pool: Mapping[str, Candidate]

    @property
    def keys(self) -> list[tuple[Kind, str]]:
        """Every query and candidate, once."""
        queries: list[tuple[Kind, str]] = [("query", each.query.qid) for each in self.around]
        candidates: list[tuple[Kind, str]] = [("candidate", did) for did in self.pool]
        return queries + candidates


def ask(root: Path, dataset: str, qids: Sequence[str], split: str = "test", easy: int = 40, seed: int = 0) -> Asked:
    """Find queries and what lies around them.

    Args:
        root: data in the M-BEIR layout.
        dataset: the queries' data set.
        qids: their ids.
        split: train, val or test.
        easy: how many candidates to draw from the pool for each query.
        seed: of that draw, which depends on it and on the query's id alone.

    Raises:
        InputError: the data set or a query is not there.
        DataErrors: bad rows.
    """
    bench = MBeir.open(root)
    tasks = bench.tasks(split, [dataset])
    if not tasks:
        there = ", ".join(sorted({name.dataset for name in bench.tasks(split)})) or "none"
        raise InputError(f"{root} has no {split} data set {dataset!r}; it has {there}")
    around: dict[str, Surroundings] = {}
    pool: dict[str, Candidate] = {}
    for name in tasks:
        wanted = [query for query in bench.queries(name) if query.qid in qids]
        if not wanted:
            continue
        candidates = {each.did: each for each in bench.pool(name)}
        judgements = bench.qrels(name)
        for query in wanted:
            relevant = judgements.get(query.qid) or dict.fromkeys(query.positives, 1)
            positives = tuple(did for did, value in relevant.items() if value > 0 and did in candidates)
            near = tuple((each.did, each.kind) for each in query.near_misses if each.did in candidates)
            others = sorted(candidates.keys() - set(relevant) - {did for did, _ in near})
            drawn = random.Random(f"{seed}/{query.qid}").sample(others, min(easy, len(others)))
            around[query.qid] = Surroundings(query, positives, near, tuple(drawn))
            pool.update({did: candidates[did] for did in around[query.qid].dids})
    if missing := [qid for qid in qids if qid not in around]:
        raise InputError(f"{dataset} has no {split} query {', '.join(missing)}; query/{split}/ of {root} lists them")
    return Asked(bench, tuple(around[qid] for qid in qids), pool)


def embed_asked(asked: Asked, encoder: Encoder, choice: Choice = 0, watch: Watch | None = None) -> VectorStore:
    """Embed the queries and candidates of a picture."""
    store = VectorStore(ModelIdentity.of(encoder), choice, asked.bench.fingerprint())
    queries = {each.query.qid: asked.bench.query_item(each.query, choice=choice) for each in asked.around}
    store.embed(encoder, "query", queries, f"{encoder.name}: queries", watch)
    candidates = {did: asked.bench.candidate_item(each) for did, each in asked.pool.items()}
    store.embed(encoder, "candidate", candidates, f"{encoder.name}: candidates", watch)
    return store


def check_drawing(out: Path) -> None:
    """Refuse what can't be drawn, before models are loaded.

    Raises:
        InputError: `out` is of no known format.
        MissingExtra: scikit-learn isn't installed.
    """
    if out.suffix.lower() not in FORMATS:
        raise InputError(f"--out {out}: give a file that ends in {', '.join(FORMATS)}")
    _tsne()


def draw(asked: Asked, seen: Mapping[str, VectorStore], out: Path, seed: int = 0) -> None:
    """Draw a panel per model, side by side.

    Args:
        asked: the queries.
        seen: title -> vectors that hold all of them.
        out: the picture; its suffix is the format.
        seed: of the projection.

    Raises:
        InputError: vectors are missing, or were made from other data.
        MissingExtra: scikit-learn isn't installed.
    """
    from matplotlib.figure import Figure

    placed = {title: _place(asked, title, store, seed) for title, store in seen.items()}
    figure = Figure(figsize=(5.2 * len(placed), 5.6), facecolor=PAPER, layout="constrained")
    for number, (title, places) in enumerate(placed.items(), 1):
        axes = figure.add_subplot(1, len(placed), number, facecolor=PAPER)
        axes.set_title(title, color=INK, fontsize=12)
        axes.set_xticks([])
        axes.set_yticks([])
        for colour, each in enumerate(asked.around):
            _draw_query(axes, each, places, COLOURS[colour % len(COLOURS)])
    figure.legend(handles=_legend(asked), loc="outside lower center", ncols=4, frameon=False, fontsize=9)
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, dpi=150)


Places = Mapping[tuple[str, str], npt.NDArray[np.float64]]


def _place(asked: Asked, title: str, store: VectorStore, seed: int) -> Places:
    if store.data != asked.bench.fingerprint():
        raise InputError(f"the vectors of {title} were made from other data than {asked.bench.root}: embed again")
    if lacking := [key for key in asked.keys if key not in store]:
        kind, name = lacking[0]
        raise InputError(f"the vectors of {title} lack {kind} {name}: embed the data set with `elva embed`")
    vectors = np.concatenate([store.vectors(kind, [name]) for kind, name in asked.keys])
    return dict(zip(asked.keys, project(vectors, seed), strict=True))


def project(vectors: Vectors, seed: int = 0) -> npt.NDArray[np.float64]:
    """Places of unit vectors in two dimensions, float64 [n, 2], by t-SNE on cosine distances."""
    perplexity = min(PERPLEXITY, max(1, (len(vectors) - 1) // 3))
    fitted = _tsne()(2, perplexity=perplexity, metric="cosine", init="random", random_state=seed)
    return np.asarray(fitted.fit_transform(vectors), np.float64)


def _tsne() -> Any:
    try:
        from sklearn.manifold import TSNE
    except ImportError as error:
        raise MissingExtra("scikit-learn", "analysis") from error
    return TSNE


def _draw_query(axes: Any, each: Surroundings, places: Places, colour: str) -> None:
    def points(dids: Sequence[str]) -> tuple[list[float], list[float]]:
        at = [places["candidate", did] for did in dids]
        return [float(x) for x, _ in at], [float(y) for _, y in at]

    axes.scatter(*points(each.easy), s=14, c=EASY, linewidths=0, zorder=1)
    axes.scatter(*points([did for did, _ in each.near]), s=46, c=colour, marker="^", alpha=0.75, linewidths=0, zorder=2)
    for did, kind in each.near:
        axes.annotate(kind, places["candidate", did], (4, 3), textcoords="offset points", fontsize=7, color=INK)
    axes.scatter(*points(each.positives), s=90, c=colour, edgecolors=INK, linewidths=1.2, zorder=3)
    axes.scatter(
        *places["query", each.query.qid], s=190, c=colour, marker="*", edgecolors=INK, linewidths=0.9, zorder=4
    )


def _legend(asked: Asked) -> list[Any]:
    from matplotlib.lines import Line2D

    def handle(label: str, marker: str, colour: str, edge: str = "none") -> Line2D:
        return Line2D([], [], marker=marker, linestyle="none", color=colour, markeredgecolor=edge, label=label)

    shapes = [
        handle("query", "*", "none", INK),
        handle("right answer", "o", "none", INK),
        handle("one grain off", "^", INK),
        handle("random", "o", EASY),
    ]
    queries = [
        handle(f"{each.query.qid} {_short(each.query.text or 'a picture')}", "s", COLOURS[i % len(COLOURS)])
        for i, each in enumerate(asked.around)
    ]
    return shapes + queries


def _short(text: str) -> str:
    return text if len(text) <= 40 else text[:39] + "…"
