"""Stages 1 and 2: InfoNCE (paper, section 2), one loop over two kinds of batches.

1. Stage 1 reads text triples; the contradiction is a negative of every anchor where the recipe says so.
2. Stage 2 reads instructed queries. A batch holds one sub-task, so that in-batch negatives have the right modality.
3. A query's other positives, and candidates identical to one, are no negatives; nor is what follows from a triple's
   anchor by the other triples.
4. `extraction: generative` reads the embedding at [RET] after the item's caption (written by the model the stage
   starts from, or by `data.captions`); `contrast.lm_weight` adds that caption's language-model loss, so that the
   model can still write afterwards. `one_word` reads it at the end of the prompt.
5. `contrast.prefill_weight` adds the same loss on the states at the end of the summary's prompt, which every forward
   passes by: then they are embeddings too (extraction "prefill"), to be had before a word is written.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from elva.data.mbeir import Candidate, MBeir, Query
from elva.data.nli import read_triples
from elva.data.stored import Numbers
from elva.errors import InputError, RecipeError
from elva.items import Item
from elva.model.rollout import read_prompt, replay_with_prompts
from elva.objectives.contrastive import info_nce
from elva.objectives.nested import nested_mean
from elva.training.epochs import batch_places
from elva.training.negatives import RightAnswers, read_negatives, where
from elva.training.parts import PartwiseForward
from elva.training.prepared import PreparedItems, candidate_key, drawn, query_key, read_captions, some
from elva.training.recipe import Recipe
from elva.training.session import Session, Step

COLDEST = 0.01
"""The lowest temperature that is learned: CLIP's bound, below which a batch's gradient is that of one pair."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Queries and what they rank.

    Attributes:
        queries: keys of Q queries.
        candidates: keys of C candidates.
        positive: (Q,) int64, each query's positive among the candidates.
        ignore: (Q, C) bool, pairs that are no negatives.
        items: what the keys stand for.
    """

    queries: list[str]
    candidates: list[str]
    positive: Tensor
    ignore: Tensor
    items: Mapping[str, Item]


class Source(Protocol):
    """Where batches come from."""

    def items(self) -> Iterable[tuple[str, Item]]:
        """Key and item of everything that may occur, made one by one."""

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

    def items(self) -> Iterator[tuple[str, Item]]:
        """Every text, as its own key."""
        texts = {t for row in self._triples for t in (row.anchor, row.positive, row.negative) if t is not None}
        return ((text, Item(text=text)) for text in sorted(texts))

    def batch(self, step: Step) -> Batch:
        """Distinct triples; a text that follows from an anchor is no negative of it, whichever row says so."""
        places = batch_places(self._recipe.seed, step.number, len(self._triples), self._recipe.contrast.batch_size)
        rows = [self._triples[i] for i in places]
        candidates = [row.positive for row in rows]
        if self._recipe.contrast.triple_negatives:
            candidates += [row.negative for row in rows if row.negative is not None]
        right = [self._right(row.anchor) for row in rows]
        ignore = torch.from_numpy(where(right, candidates))
        anchors = [row.anchor for row in rows]
        items = {text: Item(text=text) for text in (*anchors, *candidates)}
        return Batch(anchors, candidates, torch.arange(len(rows)), ignore, items)

    def _right(self, anchor: str) -> set[str]:
        """The anchor, what follows from it, and what follows from that: an anchor may be another row's positive."""
        known = {anchor, *self._follows[anchor]}
        return known.union(*(self._follows.get(text, ()) for text in known))


class QuerySource:
    """Instructed queries with their positives, and mined hard negatives where the recipe wants them.

    Held are places in the files; rows are read when a batch has them.
    """

    def __init__(self, recipe: Recipe, data: MBeir) -> None:
        self._recipe, self._data = recipe, data
        self._hard = read_negatives(recipe.data.file("negatives")) if recipe.contrast.hard_negatives else {}
        mined = {did for dids in self._hard.values() for did in dids}
        train = data.train_examples(recipe.data.split, recipe.data.datasets, recipe.data.kept_tasks(), also=mined)
        self.candidates: Mapping[str, Candidate] = train.candidates
        asked = drawn(len(train.queries), recipe.data.max_queries, recipe.seed)
        self.queries: Sequence[Query] = train.queries.only(asked)
        self._by_task = _groups(train.sub_tasks.values(), asked)
        self._size = recipe.contrast.batch_size
        self.batches_per_epoch = sum(len(group) // self._size for group in self._by_task)
        if not self.batches_per_epoch:
            raise RecipeError(f"no sub-task has {self._size} queries; lower contrast.batch_size")
        self._right = RightAnswers(train.candidates.candidates())
        self._epoch = (-1, list[Numbers]())

    def items(self) -> Iterator[tuple[str, Item]]:
        """Queries, then candidates."""
        yield from ((query_key(query.qid), self._data.query_item(query)) for query in self.queries)
        yield from ((candidate_key(c.did), self._data.candidate_item(c)) for c in self.candidates.values())

    def batch(self, step: Step) -> Batch:
        """One sub-task's queries, a positive each, drawn among their positives."""
        epoch, place = divmod(step.number, self.batches_per_epoch)
        if self._epoch[0] != epoch:
            self._epoch = (epoch, self._shuffled(epoch))
        queries = [self.queries[each] for each in self._epoch[1][place].tolist()]
        chosen = [query.positives[step.rng.integers(len(query.positives))] for query in queries]
        dids = [*dict.fromkeys([*chosen, *self._hard_negatives(queries, step)])]
        places = {did: i for i, did in enumerate(dids)}
        items = {query_key(query.qid): self._data.query_item(query) for query in queries}
        items |= {candidate_key(did): self._data.candidate_item(self.candidates[did]) for did in dids}
        return Batch(
            [query_key(query.qid) for query in queries],
            [candidate_key(did) for did in dids],
            torch.tensor([places[did] for did in chosen]),
            torch.from_numpy(where([self._right.of(query) for query in queries], dids)),
            items,
        )

    def _shuffled(self, epoch: int) -> list[Numbers]:
        """The places of each batch of an epoch."""
        rng = np.random.default_rng([self._recipe.seed, epoch])
        batches = []
        for group in self._by_task:
            order = group[rng.permutation(len(group))]
            batches += [order[i : i + self._size] for i in range(0, len(order) - self._size + 1, self._size)]
        return [batches[i] for i in rng.permutation(len(batches))]

    def _hard_negatives(self, queries: Sequence[Query], step: Step) -> list[str]:
        count = self._recipe.contrast.hard_negatives
        drawn: list[str] = []
        for query in queries if count else ():
            mined = self._hard.get(query.qid, ())
            drawn += [mined[i] for i in step.rng.permutation(len(mined))[:count]]
        return drawn


def _groups(sub_tasks: Iterable[Numbers], asked: Numbers) -> list[Numbers]:
    """The places among those that are asked for, by sub-task; that of the first query comes first."""
    groups = [np.flatnonzero(np.isin(asked, places)) for places in sub_tasks]
    return sorted((group for group in groups if len(group)), key=lambda group: int(group[0]))


def train_contrast(session: Session) -> Iterator[int]:
    """Run the loop until the budget is spent; gives the updates of each step, one, when it is done."""
    recipe, contrast = session.recipe, session.recipe.contrast
    writes = recipe.extraction == "generative" and recipe.data.captions is None
    if writes and session.team.size > 1:
        raise InputError(
            "without data.captions each of the processes would write all captions before the first step; "
            "write them once, with `elva caption`, and give data.captions=FILE"
        )
    source: Source = TripleSource(recipe) if recipe.data.triples else QuerySource(recipe, session.data()[0])
    reads = recipe.extraction == "generative" and not writes
    captions = read_captions(recipe.data.file("captions")) if reads else None
    library = session.prepare(source.items, captions)
    if writes:
        with session.progress("captions", None) as tick:
            library.write_captions(source.items(), tick)
    log_scale = session.learn("log_scale", -math.log(contrast.temperature)) if contrast.learn_temperature else None
    for step in session.steps(source.batches_per_epoch):
        temperature = contrast.temperature if log_scale is None else (-log_scale).exp()
        metrics = learn(session, library, source.batch(step), temperature)
        session.update(metrics)
        if log_scale is not None:
            with torch.no_grad():  # in the loss, a bound would hold it for ever
                log_scale.clamp_(max=-math.log(COLDEST))
        yield 1


def learn(session: Session, library: PreparedItems, batch: Batch, temperature: float | Tensor) -> dict[str, float]:
    """Add the gradient of one batch's loss to what trains, and tell how it stands."""
    contrast = session.recipe.contrast
    library.take(batch.items)
    asked, answers = (Reader(session, library, keys) for keys in (batch.queries, batch.candidates))
    ignore = batch.ignore.to(session.device)
    ranked = partial(
        info_nce,
        positive=batch.positive.to(session.device),
        temperature=temperature,
        ignore=ignore,
        symmetric=contrast.symmetric,
    )
    nested = session.recipe.nested
    ranking = nested_mean(ranked, (asked.vectors, answers.vectors), nested.lengths, nested.weights)
    writing = 0.5 * (asked.lm_loss + answers.lm_loss)
    loss, fast = ranking, torch.zeros(())
    if asked.fast is not None and answers.fast is not None:
        fast = nested_mean(ranked, (asked.fast, answers.fast), nested.lengths, nested.weights)
        loss = loss + contrast.prefill_weight * fast
    if contrast.lm_weight:  # a gradient of zeros costs as much as another
        loss = loss + contrast.lm_weight * writing
    loss.backward()  # type: ignore[no-untyped-call]
    asked.backward()
    answers.backward()
    metrics = {"loss": ranking.item(), "lm_loss": writing.item()}
    metrics["in_batch_accuracy"] = _accuracy(asked.vectors, answers.vectors, batch.positive, ignore)
    if asked.fast is not None:
        metrics["prefill_loss"] = fast.item()
    if isinstance(temperature, Tensor):
        metrics["temperature"] = temperature.item()
    return metrics


class Reader(PartwiseForward):
    """Reads the items of some keys, those of about one length together, which wastes no padding.

    Attributes:
        vectors: (n, D) unit vectors, in the order of the keys.
        lm_loss: mean language-model loss of their summaries; 0 where none are read.
        fast: (n, D) unit vectors of the states at the end of the prompt, where `contrast.prefill_weight` teaches them.
    """

    def __init__(self, session: Session, library: PreparedItems, keys: Sequence[str]) -> None:
        backbone, processor, team = session.embedder.backbone, session.embedder.processor, session.team
        teaches_fast = session.recipe.contrast.prefill_weight > 0
        filled = team.filled(keys)
        written = library.captions(filled) if session.recipe.extraction == "generative" else None
        order = library.reading_order(filled, written, team.size)
        read_keys = [filled[place] for place in order]
        summaries = None if written is None else written.rows(torch.tensor(order, device=session.device))

        def read(part: slice) -> tuple[Tensor, ...]:
            prefix = library.prefix(read_keys[part])
            if summaries is None:
                return (read_prompt(backbone, prefix),)
            fresh, prompts = replay_with_prompts(backbone, processor, prefix, summaries.rows(part).trimmed())
            logprobs = fresh.widened(summaries.tokens.shape[-1]).logprobs
            return fresh.embeddings[:, 0], logprobs, *((prompts,) if teaches_fast else ())

        super().__init__(read, len(filled), session.recipe.contrast.items_per_forward, team=team)
        back = torch.tensor(order).argsort()[: len(keys)].to(session.device)
        self.vectors = self.outputs[0][back]
        self.fast = self.outputs[2][back] if teaches_fast else None
        self.lm_loss = torch.zeros((), device=session.device)
        if written is not None:
            self.lm_loss = -self.outputs[1][back].sum() / written.credit[: len(keys)].sum()


@torch.no_grad()
def _accuracy(queries: Tensor, candidates: Tensor, positive: Tensor, ignore: Tensor) -> float:
    """Share of queries whose positive is nearer than every negative of the batch."""
    positive = positive.to(queries.device)
    cosines = (queries @ candidates.T).masked_fill(ignore, -1.0)
    own = (queries * candidates[positive]).sum(-1)
    return (own > cosines.scatter(1, positive[:, None], -1.0).amax(-1)).float().mean().item()
