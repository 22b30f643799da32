"""Vectors that are hard to search, as those of a model are: in clusters that overlap.

Centres are as many as a twentieth of the vectors, the n-th as likely as 1 / sqrt(n). A vector is a centre and noise of
the same length, both stronger in the first dimensions than in the last, as in what models give; so the noise, not the
centre alone, says who is near, and neighbours of one item lie in many clusters. Queries are drawn alike, beside them.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from elva.encoding import Vectors
from elva.index.protocol import Entry

DIMENSION = 256
ITEMS_PER_CENTRE = 20
DECAY = 32
"""The i-th dimension is as strong as 1 / sqrt(1 + i / DECAY)."""
BLOCK = 4096
COLOURS = ("red", "blue", "green", "black", "white", "yellow", "grey", "brown")


def vectors_and_queries(count: int, queries: int) -> tuple[Vectors, Vectors]:
    """Unit vectors float32 [count, 256] and [queries, 256] of one mixture; always the same."""
    rng = np.random.default_rng(0)
    strength = (1 / np.sqrt(1 + np.arange(DIMENSION) / DECAY)).astype(np.float32)
    centres = rng.standard_normal((max(2, count // ITEMS_PER_CENTRE), DIMENSION), np.float32)
    likely = 1 / np.sqrt(np.arange(1, len(centres) + 1))
    chosen = rng.choice(len(centres), count + queries, p=likely / likely.sum())
    vectors = np.empty((count + queries, DIMENSION), np.float32)
    for start in range(0, len(vectors), BLOCK):
        block = centres[chosen[start : start + BLOCK]]
        block = (block + rng.standard_normal(block.shape, np.float32)) * strength
        vectors[start : start + BLOCK] = block / np.linalg.norm(block, axis=1, keepdims=True)
    return vectors[:count], vectors[count:]


def blocks(vectors: Vectors) -> Iterator[tuple[list[Entry], Vectors]]:
    """Entries with a text, a summary and metadata for the vectors, some thousands at a time."""
    for start in range(0, len(vectors), BLOCK):
        some = np.array(vectors[start : start + BLOCK])
        yield [_entry(number) for number in range(start, start + len(some))], some


def _entry(number: int) -> Entry:
    colour = COLOURS[number % len(COLOURS)]
    text = f"A {colour} dress with long sleeves, number {number}"
    summary = f"{colour} dress, long sleeves, round collar, cotton, made for summer"
    return Entry(f"item-{number:08d}", text, None, summary, {"colour": colour, "price": number % 100}, f"{number:x}")
