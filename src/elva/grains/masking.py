"""A text without one of its grains, mended so that it can still be read.

"a dress with silver buttons" without its buttons is "a dress with silver things", "two dogs chasing a ball" without the
ball "two dogs chasing something", "a shirt in green" without green "a shirt".
"""

from __future__ import annotations

import re

from elva.grains.english import POSSESSING, Role
from elva.grains.sentence import Phrase, Sentence, Token

ANYTHING = "something"
"""Stands for a noun, its article and all, where the sentence needs one."""

_TIED = (Role.link, Role.join, Role.determiner, Role.degree)
_NOMINAL = (Role.word, Role.quality, Role.count)
_CONTENT = (*_NOMINAL, Role.verb, Role.quote, Role.negation, Role.unit)


def without(sentence: Sentence, start: int, end: int) -> str:
    """The text without tokens `start` to `end`, never empty.

    A noun becomes "thing" while anything else is said of it, else it goes with the words that tie it to the rest, or
    becomes "something" where it can't go. A verb between two nouns becomes "with", a relation "and".
    """
    phrase = sentence.phrase_at(start)
    if not sentence.english:
        return _cut(sentence, start, end)
    if phrase is None or end > phrase.end:
        return _cut_between(sentence, start, end)
    if (start, end) == (phrase.first, phrase.end):
        return _cut_phrase(sentence, phrase)
    if phrase.head is not None and start <= phrase.head < end:
        return _cut(sentence, start, end, "things" if sentence.tokens[phrase.head].plural else "thing")
    if phrase.head is None and end == phrase.end and phrase.start < phrase.first:
        return _cut(sentence, start, end, "thing")  # "a floral print": an article needs a noun
    return _cut(sentence, *_with_join(sentence.tokens, start, end, phrase))


def _cut_phrase(sentence: Sentence, phrase: Phrase) -> str:
    """Without a whole phrase: one of a list leaves the rest of it, any other takes along what ties it."""
    tokens, end = sentence.tokens, phrase.end
    before = tokens[phrase.start - 1] if phrase.start else None
    needed = before.role in (Role.relation, Role.verb) if before else phrase.head is not None
    if needed or (phrase.head is not None and before and before.role not in _TIED):
        return _cut(sentence, phrase.start, end, ANYTHING)
    if end + 1 < len(tokens) and tokens[end].role is Role.join:
        first_of_list = before is None or before.lower in POSSESSING
        if tokens[end].text == "/" or (first_of_list and tokens[end + 1].role in (Role.determiner, *_NOMINAL)):
            return _cut(sentence, phrase.start, end + 1)
    start = _tie(tokens, phrase.start)
    if start == 0 and end < len(tokens) and tokens[end].role is Role.link:
        return _cut(sentence, phrase.start, end, ANYTHING)
    return _cut(sentence, start, end)


def _tie(tokens: tuple[Token, ...], start: int) -> int:
    """Where the words begin that say nothing without what stands at `start`."""
    while start > 0 and tokens[start - 1].role in _TIED:
        start -= 1
    return start


def _with_join(tokens: tuple[Token, ...], start: int, end: int, phrase: Phrase) -> tuple[int, int]:
    """A quality inside a phrase, and what joined it to its neighbours."""
    if start > phrase.first and tokens[start - 1].role is Role.join:
        return start - 1, end
    if end < phrase.end and tokens[end].role is Role.join:
        return start, end + 1
    return start, end


def _cut_between(sentence: Sentence, start: int, end: int) -> str:
    """Without a verb, a relation, a negation, a quote, or words of several phrases."""
    tokens, role = sentence.tokens, sentence.tokens[start].role
    if end == start + 1 and end < len(tokens) and tokens[end].role in (Role.determiner, *_NOMINAL):
        begin = start
        while begin > 0 and tokens[begin - 1].role is Role.link:
            begin -= 1
        behind_something = begin > 0 and tokens[begin - 1].role in (*_NOMINAL, Role.verb)
        if behind_something and role in (Role.verb, Role.relation):
            return _cut(sentence, begin, end, "with" if role is Role.verb else "and")
    return _cut(sentence, _tie(tokens, start), end)


def _cut(sentence: Sentence, start: int, end: int, stand_in: str = "") -> str:
    """The text with these tokens replaced; joins that then stand at its beginning go too."""
    tokens, text = sentence.tokens, sentence.text
    if not any(token.role in _CONTENT for token in (*tokens[:start], *tokens[end:])):
        return ANYTHING
    if start == 0 and not stand_in:
        while tokens[end].role in (Role.join, Role.mark):
            end += 1
    if start == 0 and text[tokens[0].start].isupper() and not text.isupper():
        stand_in = stand_in.capitalize()
    before, after = text[: tokens[start].start], text[tokens[end - 1].end :]
    return mend(agree(before, stand_in or after) + stand_in + after)


def agree(before: str, after: str) -> str:
    """`before` with the article at its end, if one stands there, as `after` wants it."""
    article = re.search(r"\b(an?)\s*$", before, re.IGNORECASE)
    follows = re.match(r"\s*(\w+)", after)
    if not article or not follows:
        return before
    vowel = re.match("[aeio]|u(?!ni|se)", follows.group(1), re.IGNORECASE)
    wanted = ("A" if article.group(1)[0] == "A" else "a") + ("n" if vowel else "")
    return before[: article.start()] + wanted + " "


def mend(text: str) -> str:
    """Single spaces, none before a comma, no comma at either end; mending twice is mending once."""
    text = " ".join(text.split())
    text = re.sub(r" +(?=[,;.!?])", "", text)
    text = re.sub(r"(?:[,;] ?)+(?=[,;.!?])", "", text)
    return re.sub(r"^[\s,;/]+|[\s,;/]+$", "", text)
