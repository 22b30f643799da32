"""Free text split into its grains by rule: no model, no dictionary, and an answer for any text.

Of an English text these are grains: the nouns, each quality of theirs, counts, names, verbs, where one thing is to
another, what is denied ("without the logo"), quoted words. A text in another language is split into its words.
Where data comes with words for its grains (`Lexicon`), these are taken first, with the data's names for their kinds.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from elva.errors import InputError
from elva.grains.english import Role
from elva.grains.facts import Grain
from elva.grains.lexicon import Lexicon
from elva.grains.masking import without
from elva.grains.sentence import CHOSEN, Sentence

MOST = 32
"""Grains of a text that are looked at: the first ones."""

_SILENT = (Role.determiner, Role.degree, Role.link, Role.join, Role.filler, Role.mark)


@dataclass(frozen=True, slots=True)
class Split:
    """The grains of a text in order, each with its span and the text without it, and how many more there are."""

    grains: tuple[Grain, ...]
    more: int = 0


def split_text(text: str, lexicon: Lexicon | None = None, most: int = MOST) -> Split:
    """Split a text into its grains; spans do not overlap, and no masked text is empty.

    Args:
        text: any.
        lexicon: the words for grains of the data; a text that it knows whole is split and masked by it alone.
        most: how many grains to give at most.
    """
    lexicon = lexicon or Lexicon()
    named = lexicon.find(text)
    sentence = Sentence.read(text, named, lexicon.entity_kind)
    places = list(_places(sentence))
    spans = {each.span for each in named}
    if named and all(_span(sentence, start, end) in spans for _, start, end in places):
        return Split(lexicon.split(text, most), max(0, len(named) - most))
    return Split(tuple(_grain(sentence, *place) for place in places[:most]), max(0, len(places) - most))


def choose_grains(text: str, words: Sequence[str], lexicon: Lexicon | None = None) -> tuple[Grain, ...]:
    """Exactly these words as grains, each at its first place that no earlier one takes; in the order of the text.

    Args:
        text: names them.
        words: parts of it, whole words, in any case.
        lexicon: see `split_text`.

    Raises:
        InputError: words that the text does not hold, or holds less often than they are given.
    """
    lexicon = lexicon or Lexicon()
    sentence = Sentence.read(text, lexicon.find(text), lexicon.entity_kind)
    kinds = {_span(sentence, start, end): kind for kind, start, end in _places(sentence)}
    chosen: dict[tuple[int, int], Grain] = {}
    for each in words:
        span = _find(text, each, list(chosen))
        inside = [n for n, t in enumerate(sentence.tokens) if t.start < span[1] and t.end > span[0]]
        exact = (sentence.tokens[inside[0]].start, sentence.tokens[inside[-1]].end) == span
        left = without(sentence, inside[0], inside[-1] + 1) if exact else without(*_alone(text, span))
        chosen[span] = Grain(kinds.get(span, CHOSEN), text[span[0] : span[1]], span, left)
    return tuple(chosen[span] for span in sorted(chosen))


def _places(sentence: Sentence) -> Iterator[tuple[str, int, int]]:
    """Kind, first token, one after the last."""
    heads = {phrase.head for phrase in sentence.phrases}
    ends = {phrase.start: phrase.end for phrase in sentence.phrases}
    at = 0
    while at < len(sentence.tokens):
        token, end = sentence.tokens[at], at + 1
        if token.role is Role.negation:
            end = _denied(sentence, end, ends)
            while end < len(sentence.tokens) and sentence.tokens[end].lower in ("or", "nor") and end + 1 in ends:
                end = ends[end + 1]
        if token.role not in _SILENT:
            yield "entity" if at in heads and token.kind == "attribute" else token.kind, at, end
        at = end


def _denied(sentence: Sentence, at: int, ends: Mapping[int, int]) -> int:
    """The end of the phrase that is denied, if one follows: "not made of leather"."""
    start = at
    while start < len(sentence.tokens) and sentence.tokens[start].role is Role.link:
        start += 1
    return ends.get(start, at)


def _span(sentence: Sentence, start: int, end: int) -> tuple[int, int]:
    return sentence.tokens[start].start, sentence.tokens[end - 1].end


def _grain(sentence: Sentence, kind: str, start: int, end: int) -> Grain:
    span = _span(sentence, start, end)
    return Grain(kind, sentence.text[span[0] : span[1]], span, without(sentence, start, end))


def _alone(text: str, span: tuple[int, int]) -> tuple[Sentence, int, int]:
    """The text read with the words in `span` as one token, and the place of that token."""
    sentence = Sentence.read(text, [Grain(CHOSEN, text[span[0] : span[1]], span)])
    at = next(number for number, token in enumerate(sentence.tokens) if token.start == span[0])
    return sentence, at, at + 1


def _find(text: str, words: str, taken: Sequence[tuple[int, int]]) -> tuple[int, int]:
    pattern = r"\s+".join(re.escape(word) for word in words.split())
    if not pattern:
        raise InputError("a grain without words was given; give some words of the text")
    before, after = (r"(?<![\w-])", r"(?![\w-])") if words.isascii() else ("", "")
    whole = (before if words.strip()[0].isalnum() else "") + pattern + (after if words.strip()[-1].isalnum() else "")
    found = [match.span() for match in re.finditer(whole, text, re.IGNORECASE)]
    free = [span for span in found if all(span[1] <= start or span[0] >= end for start, end in taken)]
    if free:
        return free[0]
    if found:
        raise InputError(f"the grain {words!r} overlaps another one that was given; give each part of the text once")
    length = len(words.split())
    parts = text.split()
    runs = {" ".join(parts[at : at + length]).strip(",;.") for at in range(len(parts) - length + 1)}
    near = get_close_matches(words, sorted(runs), n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}?" if near else "give words as they stand there"
    raise InputError(f"the grain {words!r} is not in the text {_short(text)!r}; {hint}")


def _short(text: str) -> str:
    return text if len(text) <= 80 else text[:79] + "…"
