"""How probable a text is as the summary of an item: log p(text | item), under the generative prompt.

A model that was taught to describe knows what an item shows better than its embedding does. Shown a candidate, it
writes the words of a query that fits it with high probability, and those of one that is a grain off with low.

    log p(text | item) = sum over the tokens of the text of log p(token | item, prompt, tokens before)

[RET] is not part of the sum: where a text ends says little about the item.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor

from elva.items import Item
from elva.model.attention import Behind, Causal
from elva.model.embedder import Embedder
from elva.model.inputs import Inputs, Prefix
from elva.model.processor import Processor

WINDOW = 512
"""Items that are prepared, and sorted by length, at a time."""
PREFIXES = 32
"""Items that are read in one forward."""
TOKENS = 2048
"""Of texts, padding included, that are read in one forward."""
SCORES = 1 << 26
"""Logits held at a time: a vocabulary is wide."""

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Words:
    """Texts as token ids.

    Attributes:
        ids: (T,) int64 of each text.
        cut: how many of the texts were cut to what the model was made to read.
    """

    ids: Sequence[Tensor]
    cut: int

    @classmethod
    def of(cls, processor: Processor, texts: Sequence[str]) -> Words:
        """Tokens of texts as the model would write them, without [RET], `max_text` of each at most."""
        ids = [processor.written_ids(text) for text in texts]
        longest = processor.settings.max_text
        return cls([torch.tensor(each[:longest], dtype=torch.long) for each in ids], sum(len(i) > longest for i in ids))


class Likelihood:
    """Scores texts as summaries of items.

    No gradient. A prefix is computed once and serves all texts that are asked for behind it; what pads is little, since
    texts of one length are read together.

    Args:
        embedder: the model; best one that was taught to write and not yet to embed.
    """

    def __init__(self, embedder: Embedder) -> None:
        self._embedder, self.processor = embedder, embedder.processor
        self._inputs = Inputs(embedder.backbone, embedder.processor, embedder.features)
        self._banned = torch.tensor(embedder.processor.banned_ids(), device=embedder.backbone.device)

    @torch.inference_mode()
    def logprobs(
        self,
        items: Sequence[Item],
        words: Words,
        asked: Sequence[Sequence[int]],
        progress: Callable[[int], None] | None = None,
    ) -> Iterator[tuple[int, int, Tensor]]:
        """Log-probabilities (T,) float32 of the tokens of texts, with the number of the item and of the text.

        Args:
            items: what is shown, each once; instructions are left as they are.
            words: the texts.
            asked: per item the numbers of the texts that are scored behind it, each once.
            progress: called with the number of pairs just scored.

        Raises:
            MediaError: a picture is missing, damaged or too large.
        """
        for start in range(0, len(items), WINDOW):
            window = [place for place in range(len(items))[start : start + WINDOW] if asked[place]]
            prepared = self._inputs.prepare([items[place] for place in window], "generative")
            order = sorted(range(len(prepared)), key=lambda row: len(prepared[row]))
            for first in range(0, len(order), PREFIXES):
                rows = order[first : first + PREFIXES]
                prefix = self._inputs.collate([prepared[row] for row in rows])
                pairs = [(place, text) for place, row in enumerate(rows) for text in asked[window[row]]]
                for some, found in self._behind(prefix, words.ids, pairs):
                    yield from (
                        (window[rows[place]], text, logprobs[: len(words.ids[text])])
                        for (place, text), logprobs in zip(some, found, strict=True)
                    )
                    if progress:
                        progress(len(some))
        self._embedder.features.save()

    def scores(
        self,
        items: Sequence[Item],
        words: Words,
        asked: Sequence[Sequence[int]],
        progress: Callable[[int], None] | None = None,
    ) -> list[dict[int, float]]:
        """Per item the log-likelihood, in nats, of each text that is asked for; arguments as in `logprobs`."""
        found: list[dict[int, float]] = [{} for _ in items]
        for item, text, logprobs in self.logprobs(items, words, asked, progress):
            found[item][text] = float(logprobs.sum())
        return found

    def of_pairs(
        self,
        pairs: Iterable[tuple[Key, str]],
        items: Mapping[Key, Item],
        progress: Callable[[int], None] | None = None,
    ) -> dict[tuple[Key, str], float]:
        """The log-likelihood, in nats, of a text behind an item, for each of many pairs.

        Each item is read once, whatever number of texts is asked for behind it, and each pair is scored once.

        Args:
            pairs: names of items and texts; what occurs twice counts once.
            items: what each name stands for.
            progress: called with the number of pairs just scored.

        Raises:
            MediaError: a picture is missing, damaged or too large.
        """
        asked = dict[Key, dict[int, None]]()
        texts = dict[str, int]()
        for key, text in pairs:
            asked.setdefault(key, {})[texts.setdefault(text, len(texts))] = None
        written, words = [*texts], Words.of(self.processor, [*texts])
        found = self.scores([items[key] for key in asked], words, [[*each] for each in asked.values()], progress)
        return {
            (key, written[text]): score
            for key, scores in zip(asked, found, strict=True)
            for text, score in scores.items()
        }

    def _behind(
        self, prefix: Prefix, ids: Sequence[Tensor], pairs: Sequence[tuple[int, int]]
    ) -> Iterator[tuple[Sequence[tuple[int, int]], Tensor]]:
        """Batches of pairs (row of the prefix, text) with the log-probabilities (N, T) of their tokens."""
        backbone = self._embedder.backbone
        sight = Causal(prefix.mask, remember=True)
        # The last place of the prompt is where the first token is chosen: it serves the first tokens of all texts.
        ends = backbone.language(prefix.inputs, prefix.positions, sight, prefix.deep)[:, -1]
        firsts = self._logits(ends).log_softmax(-1)
        ordered = sorted(pairs, key=lambda pair: len(ids[pair[1]]))
        for some in _batches(ordered, ids):
            rows = torch.tensor([row for row, _ in some], device=backbone.device)
            tokens = torch.nn.utils.rnn.pad_sequence([ids[text] for _, text in some], True).to(backbone.device)
            logprobs = torch.zeros(tokens.shape, device=backbone.device)
            if tokens.shape[1]:
                logprobs[:, 0] = firsts[rows, tokens[:, 0]]
            if (steps := tokens.shape[1] - 1) > 0:
                where = prefix.next_position[rows, None] + torch.arange(steps, device=backbone.device)
                hidden = backbone.language(
                    backbone.embed(tokens[:, :-1]), where[None].expand(3, -1, -1), Behind(sight, rows, steps)
                )
                logprobs[:, 1:] = self._chosen(hidden.flatten(0, 1), tokens[:, 1:].flatten()).view(-1, steps)
            yield some, logprobs.cpu()

    def _chosen(self, states: Tensor, tokens: Tensor) -> Tensor:
        """(N,) log-probability of the token that follows each state (N, D)."""
        rows = max(1, SCORES // self._embedder.backbone.embedding_table.num_embeddings)
        parts = zip(torch.split(states, rows), torch.split(tokens, rows), strict=True)
        return torch.cat([-F.cross_entropy(self._logits(some), chosen, reduction="none") for some, chosen in parts])

    def _logits(self, states: Tensor) -> Tensor:
        return self._embedder.backbone.logits(states).float().index_fill_(-1, self._banned, float("-inf"))


def _batches(pairs: Sequence[tuple[int, int]], ids: Sequence[Tensor]) -> Iterator[Sequence[tuple[int, int]]]:
    """Runs of pairs in ascending length of their texts, of at most `TOKENS` places, padding included."""
    start = 0
    while start < len(pairs):
        stop = start + 1
        while stop < len(pairs) and (stop + 1 - start) * len(ids[pairs[stop][1]]) <= TOKENS:
            stop += 1
        yield pairs[start:stop]
        start = stop
