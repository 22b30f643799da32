"""Reranking: the best of a search, scored by a model that reads each of them with the query in mind.

An embedding is made before the question is known, and may be blind to a grain. Shown a candidate, the same model finds
what describes it probable and what is a grain off less so (`elva.model.likelihood`).

    likelihood   log p(summary of the query | candidate), under the prompt that asks for a summary
    words        log p(the query's own words | candidate) where it is text alone; else as above
    yes_no       log p(Yes) - log p(No), asked whether the two match (`elva.model.matching`), by a model taught so

The summary is the default for every kind of query. It is worded as the model words candidates, so what is improbable
about it is so for the candidate; what a user wrote may be improbable for its wording alone, and a small captioner ranks
by that. A summary of a picture with a change describes what is looked for, which neither of the two does alone. A large
model knows many wordings, and "words" keeps what a summary leaves out; a model that was taught to ask
(`asked_instruction`) is asked as it was taught.

All candidates of a query are scored by one text: sums and means over tokens order them alike, and sums are nats.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from elva.encoding import ModelIdentity, Progress
from elva.errors import CheckpointError
from elva.items import Item
from elva.model.embedder import Embedder
from elva.model.likelihood import Likelihood
from elva.model.matching import Matching
from elva.search.remembered import Name, Pair, Remembered, name_of
from elva.search.scoring import Listed, Mode, in_blocks

REMEMBERED = 1 << 16
"""Scores that are kept: of the last 300 searches with 200 candidates each."""


class Reranker:
    """Scores candidates, remembering what it scored.

    Args:
        embedder: who scores: the model that searched, or another one.
        mode: see the module.
        remembered: how many scores are kept.

    Attributes:
        model: who scores.
        mode: how.

    Raises:
        CheckpointError: the model can't say yes or no.
    """

    def __init__(self, embedder: Embedder, mode: Mode = "likelihood", remembered: int = REMEMBERED) -> None:
        self.model, self.mode = ModelIdentity.of(embedder), mode
        self._embedder, self._known = embedder, Remembered[Pair, float](remembered)
        self._likelihood = Likelihood(embedder)
        self._matching = Matching(embedder) if mode == "yes_no" else None

    def scores(self, query: Item, summary: str, candidates: Sequence[Item]) -> list[float]:
        """Scores of one query's candidates; arguments as in `Listed`, all else as in `all_scores`."""
        return next(self.all_scores([Listed(query, summary, candidates)]))

    def all_scores(self, lists: Iterable[Listed], progress: Progress | None = None) -> Iterator[list[float]]:
        """Scores in nats of each list's candidates; none where neither query nor model has a word to score by.

        Args:
            lists: what is to be scored, taken in blocks of about `PAIRS` pairs.
            progress: called with the number of pairs just done.

        Raises:
            MediaError: a picture is missing, damaged or too large.
            InputError: "yes_no" and a video.
            CheckpointError: the model gives something that is no number.
        """
        for block in in_blocks(lists):
            yield from self._block(block, progress)

    def _block(self, lists: Sequence[Listed], progress: Progress | None) -> list[list[float]]:
        shown = _Shown()
        rows = [
            [(shown.name(candidate, instruction), question) for candidate in each.candidates] if question else []
            for each, (question, instruction) in zip(lists, self._questions(lists, shown), strict=True)
        ]
        known = {pair: self._known.get(pair) for row in rows for pair in row}
        new = self._new([pair for pair, score in known.items() if score is None], shown.items, progress)
        self._known.add(new)
        if progress:
            progress(sum(len(each.candidates) for each in lists) - len(new))
        scores = {pair: score for pair, score in known.items() if score is not None} | new
        return [[scores[pair] for pair in row] for row in rows]

    def _questions(self, lists: Sequence[Listed], shown: _Shown) -> list[tuple[Name | None, str | None]]:
        """What each list's candidates are scored by, if anything, and the instruction that they are shown with."""
        if self._matching:
            return [(shown.name(each.query, each.query.instruction), None) for each in lists]
        own = [self.mode == "words" and each.query.modality == "text" and not each.query.turns for each in lists]
        untold = [place for place, each in enumerate(lists) if not own[place] and not each.summary.strip()]
        written = self._embedder.embed([lists[place].query for place in untold], extraction="generative").summaries
        summaries = dict(zip(untold, written, strict=True))
        asked = self._embedder.processor.settings.asked_instruction
        return [
            (_words(each.query.text or ""), asked) if own[place] else (_words(summaries.get(place, each.summary)), None)
            for place, each in enumerate(lists)
        ]

    def _new(self, pairs: Sequence[Pair], items: Mapping[Name, Item], progress: Progress | None) -> dict[Pair, float]:
        if self._matching:
            both = [(items[question], items[name]) for name, question in pairs]
            scores = dict(zip(pairs, self._matching.scores(both, progress), strict=True))
        else:
            texts = [(name, words or "") for name, (words, _, _) in pairs]
            found = self._likelihood.of_pairs(texts, items, progress)
            scores = {pair: found[text] for pair, text in zip(pairs, texts, strict=True)}
        if not all(map(math.isfinite, scores.values())):
            raise CheckpointError(f"{self.model.name} gives scores that are no numbers; look at its training loss")
        return scores


def _words(text: str) -> Name | None:
    return (text.strip(), None, None) if text.strip() else None


class _Shown:
    """Items by their names; each is opened once, however many lists hold it.

    Attributes:
        items: what each name stands for.
    """

    def __init__(self) -> None:
        self.items = dict[Name, Item]()
        self._names = dict[tuple[int, str | None], Name]()

    def name(self, item: Item, instruction: str | None) -> Name:
        """The name of an item when it is shown with this instruction."""
        key = id(item), instruction  # the lists hold the items, so no other one gets this number
        if key not in self._names:
            told = replace(item, instruction=instruction)
            self._names[key] = name_of(told)
            self.items[self._names[key]] = told
        return self._names[key]
