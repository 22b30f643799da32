"""What of a query a result lacks: the words that are less probable behind it than behind the other results.

A word's log-probability has a part that is about language, whatever is shown: "turquoise" is rarer than "blue". The
other results are asked for the same words, so the difference to their mean leaves what is about this result.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import torch

from elva.grains import Grain
from elva.index.protocol import Hit
from elva.items import Item
from elva.model.embedder import Embedder
from elva.model.likelihood import Likelihood, Words
from elva.search.searcher import Searcher

LACKING = math.log(4)
"""Nats: a result lacks words that are so many times less probable behind it than behind the others."""


def span_likelihoods(
    embedder: Embedder, text: str, spans: Sequence[tuple[int, int]], candidates: Sequence[Item]
) -> list[list[float | None]]:
    """How many nats more probable each span of a text is behind each candidate than behind the others, on average.

    A span that a result lacks is clearly below 0; one that all results have, or that none has, is near 0 everywhere.

    Args:
        embedder: who reads the candidates; one that was taught to ask is asked as it was taught.
        text: words that describe what is looked for, such as a query of text alone or a summary.
        spans: (start, end) of the text's characters. A token counts for every span that it has a part of.
        candidates: n results, without instruction.

    Returns:
        n rows, a number per span. None where there is nothing to say: no other candidate, or a span without words or
        behind what the model reads of a text.

    Raises:
        MediaError: a picture is missing, damaged or too large.
    """
    if len(candidates) < 2:
        return [[None] * len(spans) for _ in candidates]
    words, places = Words.of(embedder.processor, [text]), embedder.processor.places(text, spans)
    asked = embedder.processor.settings.asked_instruction
    shown = [replace(candidate, instruction=asked) for candidate in candidates]
    rows = [torch.zeros(0)] * len(shown)
    for item, _, logprobs in Likelihood(embedder).logprobs(shown, words, [[0]] * len(shown)):
        rows[item] = logprobs
    read = [[place for place in some if place < len(words.ids[0])] for some in places]
    sums = torch.tensor([[float(row[some].sum()) for some in read] for row in rows], dtype=torch.float64)
    above = (sums - sums.mean(0)) * len(sums) / (len(sums) - 1)  # the mean of the others, without its own share
    return [[more if some else None for more, some in zip(row, read, strict=True)] for row in above.tolist()]


def grain_likelihoods(
    embedder: Embedder, searcher: Searcher, text: str, hits: Sequence[Hit], grains: Sequence[Grain]
) -> list[list[float | None]]:
    """The same for the grains of a text and the results of a search.

    Returns:
        n rows, a number per grain. None, beside what `span_likelihoods` says, for a grain that has no place in the
        text, such as a picture, and for a result of which nothing is left to read.

    Raises:
        MediaError: a picture is damaged or too large.
    """
    candidates = [searcher.candidate(hit.entry) for hit in hits]
    placed = [each.span for each in grains if each.span is not None]
    found = iter(span_likelihoods(embedder, text, placed, [each for each in candidates if each is not None]))
    rows = [iter([None] * len(placed) if each is None else next(found)) for each in candidates]
    return [[None if each.span is None else next(row) for each in grains] for row in rows]
