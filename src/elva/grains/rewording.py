"""The same text in other words, by rule: no grain is added, lost or changed.

What a model makes of these is the measure for what it makes of a text without a grain: a model that hears what is meant
moves little for the one and far for the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from elva.grains.english import FORMS, POSSESSING, SYNONYMS, Role
from elva.grains.lexicon import Lexicon
from elva.grains.masking import agree, mend
from elva.grains.sentence import Phrase, Sentence

_ARTICLES = ("a", "an", "the")
_OTHER_WORDS = {**dict(SYNONYMS), **{other: word for word, other in SYNONYMS}}


def rewordings(text: str, lexicon: Lexicon | None = None) -> tuple[str, ...]:
    """Other wordings of a text, each by one rule, and one by all of them; none where no rule fits.

    Parts of a list and qualities change places, "with" becomes "that has", articles go or come, words make way for
    others that name the same (the lexicon's first), capital and full stop come or go.

    Args:
        text: any.
        lexicon: words for grains of the data.
    """
    words = lexicon or Lexicon()

    def changed(before: str, rule: Rule) -> str:
        sentence = Sentence.read(before, words.find(before), words.entity_kind)
        return _replaced(sentence, dict(rule(sentence, words))) if sentence.english else before

    found = [changed(text, rule) for rule in _RULES]
    together = text
    for rule in _RULES:
        together = changed(together, rule)
    every = [*found, _written_otherwise(text), _written_otherwise(together)]
    same = " ".join(text.split())
    return tuple(dict.fromkeys(each for each in every if each != same and each != text))


def _swap_parts(sentence: Sentence, _: Lexicon) -> Iterator[tuple[int, str]]:
    """Turn "silver buttons and long sleeves" round, where nothing else hangs on either."""
    tokens = sentence.tokens
    ends = {phrase.end: phrase for phrase in sentence.phrases}
    starts = {phrase.start: phrase for phrase in sentence.phrases}
    for at, token in enumerate(tokens):
        if token.lower not in ("and", "or", "/"):
            continue
        one, other = ends.get(at), starts.get(at + 1)
        if one and other and (token.text == "/" or _is_whole_list(sentence, one, other)):
            yield from _exchange(sentence, (one.start, one.end), (other.start, other.end))
        elif not one and sentence.phrase_at(at) and tokens[at - 1].role is tokens[at + 1].role is Role.quality:
            yield from _exchange(sentence, (at - 1, at), (at + 1, at + 2))


def _is_whole_list(sentence: Sentence, one: Phrase, other: Phrase) -> bool:
    tokens = sentence.tokens
    before = tokens[one.start - 1].lower in POSSESSING if one.start else not tokens[0].text[0].isupper()
    return before and (other.end == len(tokens) or tokens[other.end].role is Role.mark)


def _exchange(sentence: Sentence, one: tuple[int, int], other: tuple[int, int]) -> Iterator[tuple[int, str]]:
    for (start, end), (first, last) in ((one, other), (other, one)):
        yield start, sentence.text[sentence.tokens[first].start : sentence.tokens[last - 1].end]
        yield from ((place, "") for place in range(start + 1, end))


def _swap_qualities(sentence: Sentence, _: Lexicon) -> Iterator[tuple[int, str]]:
    """Make "small red triangle" a "red small triangle"."""
    for phrase in sentence.phrases:
        for at in range(phrase.first, (phrase.head or phrase.first) - 1):
            one, other = sentence.tokens[at : at + 2]
            both = one.role is other.role is Role.quality and one.kind != other.kind
            if both and "material" not in (one.kind, other.kind):
                yield from _exchange(sentence, (at, at + 1), (at + 1, at + 2))
                break


def _say_has(sentence: Sentence, _: Lexicon) -> Iterator[tuple[int, str]]:
    """Make "a dress with buttons" "a dress that has buttons", and back."""
    heads = {phrase.end: phrase.head for phrase in sentence.phrases if phrase.head is not None}
    starts = {phrase.start for phrase in sentence.phrases}
    for at, token in enumerate(sentence.tokens):
        if at not in heads or at + 1 not in starts:
            continue
        if token.lower == "with":
            yield at, "that have" if sentence.tokens[heads[at]].plural else "that has"
        elif token.lower in ("that has", "that have", "which has", "which have"):
            yield at, "with"


def _change_articles(sentence: Sentence, _: Lexicon) -> Iterator[tuple[int, str]]:
    articles = [(at, "") for at, token in enumerate(sentence.tokens) if token.lower in _ARTICLES]
    yield from articles
    phrase = sentence.phrases[0] if sentence.phrases else None
    if articles or phrase is None or phrase.head is None or phrase.start:
        return
    head, first = sentence.tokens[phrase.head], sentence.tokens[phrase.first]
    counted = any(token.role is Role.count for token in sentence.tokens[phrase.first : phrase.end])
    if phrase.first == 0 and not (head.plural or head.kind == "name" or counted) and first.text[0].islower():
        yield 0, f"a {first.text}"


def _say_otherwise(sentence: Sentence, lexicon: Lexicon) -> Iterator[tuple[int, str]]:
    """Each word by another one for the same value, one that fits into its place."""
    named = {grain.span: lexicon.ways(grain) for grain in lexicon.find(sentence.text)}
    for at, token in enumerate(sentence.tokens):
        ways = named.get((token.start, token.end), ())
        others = [way for way in ways if way != token.lower and _shape(way) == _shape(token.lower)]
        other = others[0] if others else _OTHER_WORDS.get(token.lower)
        if other:
            yield at, other.capitalize() if token.text[0].isupper() else other


def _shape(way: str) -> tuple[bool, bool]:
    """What decides where in a sentence words can stand: "with dots" goes behind a noun, "men's" before it."""
    tied = FORMS.get(way.split()[0], (Role.word, ""))[0] in (Role.link, Role.relation)
    return tied, "'" in way


Rule = Callable[[Sentence, Lexicon], Iterator[tuple[int, str]]]
"""Gives places of tokens, and what stands there instead."""

_RULES: tuple[Rule, ...] = (_swap_parts, _swap_qualities, _say_has, _say_otherwise, _change_articles)


def _replaced(sentence: Sentence, changes: dict[int, str]) -> str:
    """The text with these tokens changed; an article before one agrees with it."""
    tokens, text = sentence.tokens, sentence.text
    for at, words in list(changes.items()):
        if words and at and tokens[at - 1].lower in ("a", "an"):
            changes.setdefault(at - 1, agree(tokens[at - 1].text, words).strip())
    said, end = [], 0
    for at in sorted(changes):
        said += [text[end : tokens[at].start], changes[at]]
        end = tokens[at].end
    return mend("".join([*said, text[end:]])) if changes else text


def _written_otherwise(text: str) -> str:
    """With a capital and a full stop where there were none, and without them where there were."""
    bare = text.rstrip(".!? \n")
    first = text[:1]
    if bare != text.rstrip():
        return (first.lower() if text[1:2].islower() else first) + bare[1:]
    return first.upper() + bare[1:] + "."
