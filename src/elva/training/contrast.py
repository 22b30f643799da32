"""Stages 1 and 2: InfoNCE (paper, section 2), one loop over two kinds of batches.

1. Stage 1 reads text triples; the contradiction is a negative of every anchor where the recipe says so.
2. Stage 2 reads instructed queries. A batch holds one sub-task, so that in-batch negatives have the right modality.
3. A query's other positives, and candidates identical to one, are no negatives; nor is what follows from a triple's
   anchor by the other triples.
4. `extraction: generative` reads the embedding at [RET] after the item's caption (written by the model the stage
   starts from, or by `data.captions`); `contrast.lm_weight` adds that caption's language-model loss, so that the
   model can still write afterwards. `one_word` reads it at the end of the prompt.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from elva.data.mbeir import Candidate, MBeir, Query
from elva.data.nli import read_triples
from elva.errors import RecipeError
from elva.items import Item
from elva.model.rollout import read_one_word, replay
from elva.objectives.contrastive import info_nce
from elva.training.negatives import RightAnswers, read_negatives
from elva.training.parts import PartwiseForward
from elva.training.prepared import candidate_key, query_key, read_captions, some
from elva.training.recipe import Recipe
from elva.training.session import Session, Step


@dataclass(frozen=True, slots=True)
class Batch:
    """Keys of Q queries and C candidates, each query's positive (Q,), and pairs that are no negatives (Q, C)."""

    queries: list[str]
    candidates: list[str]
    positive: Tensor
    ignore: Tensor


class Source(Protocol):
    """Where batches come from."""

    @property
    def items(self) -> Mapping[str, Item]:
        """Every item that may occur, by key."""

    @property
    def batches_per_epoch(self) -> int:
        """Batches in which every query occurs once, but for the rest that fills none."""

    def batch(self, step: Step) -> Batch:
        """The batch of a step: a function of the seed and the step's number alone."""


class TripleSource:
    """Premise, entailment and contradiction as anchor, positive and negative."""

    def __init__(self, recipe: Recipe) -> None:
        self._recipe = recipe
        self._triples = some(read_triples(recipe.data.file("triples")), recipe.data.max_queries, recipe.seed)
        self.batches_per_epoch = len(self._triples) // recipe.contrast.batch_size
        if not self.batches_per_epoch:
            raise RecipeError(
                f"data.triples has {len(self._triples)} rows, fewer than one batch; lower contrast.batch_size"
            )
        self._follows: dict[str, set[str]] = defaultdict(set)
        for row in self._triples:
            self._follows[row.anchor].add(row.positive)
        texts = {t for row in self._triples for t in (row.anchor, row.positive, row.negative) if t is not None}
        self.items = {text: Item(text=text) for text in sorted(texts)}

    def batch(self, step: Step) -> Batch:
        """Distinct triples; a text that follows from an anchor is no negative of it, whichever row says so."""
        epoch, place = divmod(step.number, self.batches_per_epoch)
        order = np.random.default_rng([self._recipe.seed, epoch]).permutation(len(self._triples))
        size = self._recipe.contrast.batch_size
        rows = [self._triples[i] for i in order[place * size : (place + 1) * size]]
        candidates = [row.positive for row in rows]
        if self._recipe.contrast.triple_negatives:
            candidates += [row.negative for row in rows if row.negative is not None]
        right = [self._right(row.anchor) for row in rows]
        ignore = torch.tensor([[text in own for text in candidates] for own in right])
        return Batch([row.anchor for row in rows], candidates, torch.arange(len(rows)), ignore)

    def _right(self, anchor: str) -> set[str]:
        """The anchor, what follows from it, and what follows from that: an anchor may be another row's positive."""
        known = {anchor, *self._follows[anchor]}
        return known.union(*(self._follows.get(text, ()) for text in known))


class QuerySource:
    """Instructed queries with their positives, and mined hard negatives where the recipe wants them."""

    def __init__(self, recipe: Recipe, data: MBeir) -> None:
        self._recipe, self._data = recipe, data
        self._hard = read_negatives(recipe.data.file("negatives")) if recipe.contrast.hard_negatives else {}
        mined = {did for dids in self._hard.values() for did in dids}
        train = data.train_examples(recipe.data.split, recipe.data.datasets, recipe.data.kept_tasks(), also=mined)
        self.candidates: Mapping[str, Candidate] = train.candidates
        self.queries: Sequence[Query] = some(train.queries, recipe.data.max_queries, recipe.seed)
        self._by_task: dict[tuple[str, int], list[Query]] = defaultdict(list)
        for query in self.queries:
            self._by_task[query.qid.split(":")[0], query.task].append(query)
        self._size = recipe.contrast.batch_size
        self.batches_per_epoch = sum(len(group) // self._size for group in self._by_task.values())
        if not self.batches_per_epoch:
            raise RecipeError(f"no sub-task has {self._size} queries; lower contrast.batch_size")
        self._right = RightAnswers(self.candidates.values())
        self._epoch = (-1, list[list[Query]]())
        self.items = {query_key(q.qid): self._data.query_item(q) for q in self.queries}
        self.items |= {candidate_key(c.did): self._data.candidate_item(c) for c in self.candidates.values()}

    def batch(self, step: Step) -> Batch:
        """One sub-task's queries, a positive each, drawn among their positives."""
        epoch, place = divmod(step.number, self.batches_per_epoch)
        if self._epoch[0] != epoch:
            self._epoch = (epoch, self._shuffled(epoch))
        queries = self._epoch[1][place]
        chosen = [query.positives[step.rng.integers(len(query.positives))] for query in queries]
        dids = [*dict.fromkeys([*chosen, *self._hard_negatives(queries, step)])]
        places = {did: i for i, did in enumerate(dids)}
        right = [self._right.of(query) for query in queries]
        return Batch(
            [query_key(query.qid) for query in queries],
            [candidate_key(did) for did in dids],
            torch.tensor([places[did] for did in chosen]),
            torch.tensor([[did in own for did in dids] for own in right]),
        )

    def _shuffled(self, epoch: int) -> list[list[Query]]:
        rng = np.random.default_rng([self._recipe.seed, epoch])
        batches = []
        for group in self._by_task.values():
            order = [group[i] for i in rng.permutation(len(group))]
            batches += [order[i : i + self._size] for i in range(0, len(order) - self._size + 1, self._size)]
        return [batches[i] for i in rng.permutation(len(batches))]

    def _hard_negatives(self, queries: Sequence[Query], step: Step) -> list[str]:
        count = self._recipe.contrast.hard_negatives
        drawn: list[str] = []
        for query in queries if count else ():
            mined = self._hard.get(query.qid, ())
            drawn += [mined[i] for i in step.rng.permutation(len(mined))[:count]]
        return drawn


def train_contrast(session: Session) -> None:
    """Run the loop until the budget is spent."""
    recipe, embedder = session.recipe, session.embedder
    contrast = recipe.contrast
    source: Source = TripleSource(recipe) if recipe.data.triples else QuerySource(recipe, session.data()[0])
    captions = _captions(session, source.items) if recipe.extraction == "generative" else None
    library = session.prepare(source.items, captions)

    def forward(keys: list[str]) -> tuple[PartwiseForward, Tensor]:
        """The reading of these items, and the mean language-model loss of their captions."""
        if captions is None:
            reader = PartwiseForward(
                lambda part: [read_one_word(embedder.backbone, library.prefix(keys[part]))],
                len(keys),
                contrast.items_per_forward,
                team=session.team,
            )
            return reader, torch.zeros(())
        written = library.captions(keys)

        def read(part: slice) -> tuple[Tensor, Tensor]:
            fresh = replay(embedder.backbone, embedder.processor, library.prefix(keys[part]), written.rows(part))
            return fresh.embeddings[:, 0], fresh.logprobs

        reader = PartwiseForward(read, len(keys), contrast.items_per_forward, team=session.team)
        return reader, -reader.outputs[1].sum() / written.credit.sum()

    for step in session.steps(source.batches_per_epoch):
        batch = source.batch(step)
        asked, query_lm = forward(batch.queries)
        answers, candidate_lm = forward(batch.candidates)
        queries, candidates = asked.outputs[0], answers.outputs[0]
        ranking = info_nce(
            queries, candidates, batch.positive, contrast.temperature, ignore=batch.ignore, symmetric=contrast.symmetric
        )
        writing = 0.5 * (query_lm + candidate_lm)
        (ranking + contrast.lm_weight * writing).backward()  # type: ignore[no-untyped-call]
        asked.backward()
        answers.backward()
        with torch.no_grad():
            cosines = (queries @ candidates.T).masked_fill(batch.ignore, -1.0)
            own = (queries * candidates[batch.positive]).sum(-1)
            right = (own > cosines.scatter(1, batch.positive[:, None], -1.0).amax(-1)).float().mean()
        session.update({"loss": ranking.item(), "lm_loss": writing.item(), "in_batch_accuracy": right.item()})


def _captions(session: Session, items: Mapping[str, Item]) -> dict[str, str]:
    """The captions file of the recipe, or what the model itself writes before it trains."""
    if session.recipe.data.captions:
        return read_captions(session.recipe.data.file("captions"))
    with session.progress("captions", len(items)) as tick:
        encoding = session.embedder.embed(list(items.values()), extraction="generative", progress=tick)
    return dict(zip(items, encoding.summaries, strict=True))
