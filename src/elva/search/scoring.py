"""What reranking is: a scorer is shown a query and the candidates that a search found, and its scores order them.

No model is imported here, so evaluation and its tests know a scorer without torch.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from elva.encoding import ModelIdentity, Progress
from elva.index.gallery import MICRO
from elva.items import Item

Mode = Literal["likelihood", "words", "yes_no", "vectors"]

COSINE = 100.0
"""What a cosine of 1 is worth, in nats, beside a score: chosen on the val split of the built-in world.

A retriever says how probable a candidate is before it is read, a likelihood how probable its words are then; the
product is how probable it is afterwards. A softmax of cosines at the temperature of training, 0.05, would make 20
nats of a cosine of 1; but a likelihood is surer than it should be, since its tokens err together.
"""


PAIRS = 1 << 16
"""Of query and candidate, that are brought together at a time: a candidate is read once for all queries among them."""


def worth_of(mode: Mode) -> float:
    """What a cosine of 1 is worth beside a score unless told otherwise; second vectors rank by themselves."""
    return 0.0 if mode == "vectors" else COSINE


@dataclass(frozen=True, slots=True)
class Listed:
    """A query and what is to be scored for it.

    Attributes:
        query: with its instruction.
        summary: what the scorer's model wrote about the query; where empty, the scorer has it written when it needs it.
        candidates: without an instruction, each once.
    """

    query: Item
    summary: str
    candidates: Sequence[Item]


class Scorer(Protocol):
    """Anything that says how well candidates fit a query; `elva.search.rerank.Reranker` is the real one."""

    @property
    def model(self) -> ModelIdentity:
        """Who scores."""

    @property
    def mode(self) -> Mode:
        """How."""

    def all_scores(self, lists: Iterable[Listed], progress: Progress | None = None) -> Iterator[list[float]]:
        """Scores of each list's candidates, higher is better; none where there is nothing to score by."""


def in_blocks(lists: Iterable[Listed]) -> Iterator[list[Listed]]:
    """The lists, in order, some at a time: of about `PAIRS` pairs."""
    block, pairs = list[Listed](), 0
    for each in lists:
        if block and pairs + len(each.candidates) > PAIRS:
            yield block
            block, pairs = [], 0
        block.append(each)
        pairs += len(each.candidates)
    if block:
        yield block


def with_cosines(scores: Sequence[float], cosines: Sequence[float], worth: float = COSINE) -> list[float]:
    """What n candidates are ordered by: their scores, and their cosines at so many nats."""
    return [score + worth * cosine for score, cosine in zip(scores, cosines, strict=True)]


def best_first(ids: Sequence[str], scores: Sequence[float]) -> list[int]:
    """The order of n candidates: by score in millionths, ties by id ascending, as everywhere."""
    return sorted(range(len(ids)), key=lambda place: (-round(scores[place] * MICRO), ids[place]))
