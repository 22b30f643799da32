"""BM25: texts ranked by the words that they share with a query.

    score = sum over the query's words of  idf * tf * (K1 + 1) / (tf + K1 * (1 - B + B * length / mean length))
    idf = ln(1 + (texts - holding + 1/2) / (holding + 1/2))

with tf how often the text holds the word, length how many words it has, and holding how many of the texts hold the word
(Robertson and Zaragoza 2009, with Lucene's idf, which is never negative). Texts without a word count nowhere. LanceDB
computes the same; this is for who holds everything in memory, and the measure of the other.

Scores are compared as whole thousandths, and ties are ranked by id, ascending: the last bits of float32 order nothing.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

K1 = 1.2
B = 0.75
STEPS = 1000
"""Of a score between two whole numbers that are told apart."""

Scored = tuple[str, float]
"""An id and its score."""


def idf(texts: int, holding: int) -> float:
    """What a word is worth that so many of the texts hold."""
    return math.log(1 + (texts - holding + 0.5) / (holding + 0.5))


def weight(count: int, length: int, mean_length: float) -> float:
    """What a word counts in a text of so many words that holds it so often; idf comes on top."""
    return count * (K1 + 1) / (count + K1 * (1 - B + B * length / mean_length))


@dataclass(frozen=True, slots=True)
class Postings:
    """Where words stand. Make one with `Postings.of`.

    Attributes:
        counts: word -> id -> how often its text holds the word.
        lengths: id -> words of its text, of those that have any.
        mean_length: of these.
    """

    counts: Mapping[str, Mapping[str, int]]
    lengths: Mapping[str, int]
    mean_length: float

    @classmethod
    def of(cls, texts: Mapping[str, Sequence[str]]) -> Postings:
        """Take id -> all words of its text, each as often as it stands there."""
        counts: dict[str, dict[str, int]] = {}
        for item, words in texts.items():
            for word, count in Counter(words).items():
                counts.setdefault(word, {})[item] = count
        lengths = {item: len(words) for item, words in texts.items() if words}
        return cls(counts, lengths, sum(lengths.values()) / max(1, len(lengths)))

    def best(self, words: Iterable[str], k: int, fits: Callable[[str], bool]) -> list[Scored]:
        """The k best of the ids that fit and hold a word, best first; each different word counts once."""
        scores: dict[str, float] = {}
        for word in sorted(set(words)):
            holding = self.counts.get(word, {})
            rare = idf(len(self.lengths), len(holding))
            for item, count in holding.items():
                share = rare * weight(count, self.lengths[item], self.mean_length)
                scores[item] = scores.get(item, 0.0) + share
        return ranked((each for each in scores.items() if fits(each[0])), k)


def ranked(scored: Iterable[Scored], k: int) -> list[Scored]:
    """The k best, in whole thousandths, best first; ties by id."""
    rounded = [(item, round(score * STEPS) / STEPS) for item, score in scored]
    return sorted(rounded, key=lambda each: (-each[1], each[0]))[:k]
