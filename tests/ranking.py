"""Two queries and three candidates to rank, and rollouts written by hand, for tests."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from elva.data.mbeir import Candidate, Query
from elva.data.world.words import lexicon
from elva.model.rollout import Rollouts
from elva.training.order import GrainOrder
from elva.training.prepared import candidate_key
from elva.training.scenes import Scene

LEXICON = lexicon()
WORDS = {"100:1": "a red circle", "100:2": "a blue circle", "100:3": "a blue square"}
CANDIDATES = {did: Candidate(did, None, f"{did}.png", "image") for did in WORDS}
CAPTIONS = {candidate_key(did): words for did, words in WORDS.items()}


def scene() -> Scene:
    """Query 0 wants candidate 0, query 1 candidate 1; each ranks all three."""
    queries = [Query(f"100:{n}", "ask", None, "text", (f"100:{n + 1}",), (), 0) for n in range(2)]
    sets = torch.tensor([[0, 1, 2], [1, 0, 2]])
    return Scene(queries, list(WORDS), sets, torch.tensor([[True, False, False], [False, True, False]]))


def order() -> GrainOrder:
    """h between the three candidates, one grain added for all but the positive."""
    return GrainOrder.by_captions(CANDIDATES.values(), CAPTIONS, LEXICON, 1.0)


def written(embeddings: torch.Tensor, logprobs: torch.Tensor | None = None) -> Rollouts:
    """Rollouts (B, G) with these (B, G, D) embeddings, two tokens each, none forced."""
    shape = (*embeddings.shape[:2], 2)
    return Rollouts(
        torch.zeros(shape, dtype=torch.long),
        torch.ones(shape, dtype=torch.bool),
        torch.zeros(shape[:2], dtype=torch.bool),
        torch.zeros(shape) if logprobs is None else logprobs,
        embeddings,
    )


def unit(rows: Sequence[Sequence[float]]) -> torch.Tensor:
    """Unit vectors."""
    return torch.nn.functional.normalize(torch.tensor(rows, dtype=torch.float32), dim=-1)
