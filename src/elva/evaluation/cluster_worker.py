"""What runs in the workers of a Ray cluster: an actor that embeds shards, and counts who died at them before it."""

from __future__ import annotations

import pickle
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from elva.encoding import Encoder, ModelIdentity
from elva.errors import ElvaError, InputError, WorkerDied
from elva.evaluation.shards import Attempts, Corpus, Done, Shard, embed_shard

TRIES = 3
"""Workers that may die at one shard."""
LESS = "lower --ray-batch, or let fewer models share a machine (--ray-actors; more --threads or --ray-gpus for each)"
"""What to do where memory ends."""

Load = Callable[[], Encoder]
"""Gives a worker its model; found by name, since another process calls it."""
Result = TypeVar("Result")


@dataclass(frozen=True)
class Work:
    """What all workers are told; arguments of `embed_shard`, and how attempts are noted."""

    out: Path
    corpus: Corpus
    shards: Sequence[Shard]
    model: ModelIdentity
    load: Load
    attempts: Attempts
    batch_size: int


class ShardEmbedder:
    """An actor of Ray Data: takes batches of one shard's number each, and holds one model.

    Args:
        work: a reference to the `Work`, in a list so that Ray leaves it one.
    """

    def __init__(self, work: Sequence[Any]) -> None:
        import ray

        self._work: Work = ray.get(work[0])
        self._encoder: Encoder | None = None

    def __call__(self, batch: Mapping[str, Any]) -> dict[str, Any]:
        """`Done` or the error of a shard, pickled."""
        (number,) = batch["shard"].tolist()
        result = self._attempt(self._work.shards[number])
        return {"result": np.array([pickle.dumps(result)], dtype=object)}

    def _attempt(self, shard: Shard) -> Done | ElvaError:
        work = self._work
        before, note = work.attempts.begin(shard)
        place = f"shard {shard.number} of {work.out}, which begins with {work.corpus.first(shard)}"
        if before >= TRIES:
            note.unlink(missing_ok=True)
            return WorkerDied(
                f"{before} workers died at {place}, perhaps for want of memory: {LESS}. "
                "The same command goes on from what is embedded"
            )
        try:
            return _caught(
                lambda: embed_shard(work.out, work.corpus, shard, work.model, self._own, work.batch_size), place
            )
        finally:
            note.unlink(missing_ok=True)

    def _own(self) -> Encoder:
        """The model, loaded when first needed: a worker that dies of that is counted too."""
        if self._encoder is None:
            self._encoder = self._work.load()
        return self._encoder


def _caught(do: Callable[[], Result], place: str) -> Result | ElvaError:
    """What `do` gives, or what it raises where a user can do something about it."""
    try:
        return do()
    except ElvaError as error:
        return error
    except OSError as error:
        return InputError(f"{socket.gethostname()}, {place}: {error}; check the path, its rights and the space left")
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and "memory" not in str(error):
            raise
        short = (str(error) or "out of memory").splitlines()[0]
        return WorkerDied(f"a worker on {socket.gethostname()} ran out of memory at {place} ({short}): {LESS}")


def identity(load: Load) -> ModelIdentity | ElvaError:
    """Whose vectors a worker makes, or why its model can't be loaded."""
    return _caught(lambda: ModelIdentity.of(load()), "loading the model")
