"""A text read by rule: its words with their roles, and the noun phrases that they make."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from elva.grains.english import COPULAS, FORMS, LONGEST, NOT_ACTIONS, PLURALS, SHADES, Role
from elva.grains.facts import Grain

_QUOTES = ('""', "\u201c\u201d", "\u00ab\u00bb", "\u300c\u300d")  # English, French, Chinese and Japanese ones
_JOINS = frozenset(",;/&+\u3001\uff0c\uff1b")
_MARKS = (
    r"\s,;:.!?()\[\]{}<>\"/|&+"
    "\u201c\u201d\u201e\u00ab\u00bb\u2039\u203a\u2026\u2014\u2013"
    "\u3001\u3002\uff0c\uff01\uff1f\u300c\u300d\u300e\u300f\uff1b\uff1a\uff08\uff09"
)
"""What ends a word, beside white space; hyphens and apostrophes are part of it."""

_QUOTED = "|".join(rf"{pair[0]}[^{pair[1]}\n]{{1,200}}{pair[1]}" for pair in _QUOTES)
_PIECE = re.compile(rf"{_QUOTED}|\d+(?:[.,]\d+)*(?![^{_MARKS}])|[^{_MARKS}]+|\S")
_CONTENT = (Role.word, Role.quality, Role.count, Role.degree, Role.unit)
_KNOWN_SHARE = 0.25
_SHORT = 3

CHOSEN = "chosen"
"""The kind of a grain that the rules don't know, but that somebody wants: it is joined with no neighbour."""


@dataclass(frozen=True, slots=True)
class Token:
    """A word, or several that belong together.

    Attributes:
        text: as it stands in the text.
        start: first character.
        end: one after the last.
        role: what it does.
        kind: of the grain that it would be.
    """

    text: str
    start: int
    end: int
    role: Role
    kind: str

    @property
    def lower(self) -> str:
        """In lower case, with single spaces, as the lists have it."""
        return " ".join(self.text.lower().split())

    @property
    def plural(self) -> bool:
        """Whether a noun looks like more than one."""
        return self.lower in PLURALS or (self.lower.endswith("s") and not self.lower.endswith("ss"))


@dataclass(frozen=True, slots=True)
class Phrase:
    """A noun phrase, as places in the list of tokens.

    Attributes:
        start: its first token, articles included.
        first: its first token that says something.
        end: one after the last.
        head: the noun; None where there is only a quality, as in "in green".
    """

    start: int
    first: int
    end: int
    head: int | None


@dataclass(frozen=True, slots=True)
class Sentence:
    """See the module.

    Attributes:
        text: what was read.
        tokens: all of it but white space, in order.
        phrases: noun phrases, in order.
        english: whether the lists know enough of its words; otherwise every word stands for itself.
    """

    text: str
    tokens: tuple[Token, ...]
    phrases: tuple[Phrase, ...]
    english: bool

    @classmethod
    def read(cls, text: str, named: Sequence[Grain] = (), noun: str = "") -> Sentence:
        """Read a text, in time that grows with its length.

        Args:
            text: any.
            named: grains with spans that are known already, in order; each is one token of its kind.
            noun: the kind of those that name a thing rather than say how it is.
        """
        pieces = _pieces(text, named, noun)
        english = _is_english(pieces)
        if not english:
            plain = [replace(t, role=Role.word, kind="word") if _says_something(t) else t for t in pieces]
            return cls(text, tuple(plain), (), False)
        tokens = _actions(_joined(pieces))
        return cls(text, tuple(tokens), tuple(_phrases(tokens)), True)

    def phrase_at(self, token: int) -> Phrase | None:
        """The phrase that a token says something in, or None."""
        return next((each for each in self.phrases if each.first <= token < each.end), None)


def _pieces(text: str, named: Sequence[Grain], noun: str) -> list[Token]:
    roles = {"relation": Role.relation, noun: Role.word}
    tokens: list[Token] = []
    at = 0
    for grain in named:
        assert grain.span is not None
        start, end = grain.span
        tokens += _between(text, at, start)
        tokens.append(Token(text[start:end], start, end, roles.get(grain.kind, Role.quality), grain.kind))
        at = end
    return tokens + _between(text, at, len(text))


def _between(text: str, start: int, end: int) -> list[Token]:
    """The tokens of a part of the text; of the forms in the lists the longest is taken."""
    found = list(_PIECE.finditer(text, start, end))
    words = [match.group().lower().replace("\u2019", "'") for match in found]
    tokens, at = [], 0
    while at < len(found):
        for length in range(min(LONGEST, len(found) - at), 0, -1):
            form = " ".join(words[at : at + length])
            if form in FORMS:
                role, kind = FORMS[form]
                break
        else:
            length, (role, kind) = 1, _role(words[at])
        last = found[at + length - 1]
        tokens.append(Token(text[found[at].start() : last.end()], found[at].start(), last.end(), role, kind))
        at += length
    return tokens


def _role(word: str) -> tuple[Role, str]:
    if word in _JOINS:
        return Role.join, "join"
    if len(word) > 2 and (word[0] + word[-1]) in _QUOTES:
        return Role.quote, "quote"
    if all(unicodedata.category(each)[0] in "PZCS" and unicodedata.category(each) != "So" for each in word):
        return Role.mark, "mark"
    number = re.match(r"\d+(?:[.,]\d+)*", word)
    if number:
        unit = word[number.end() :]
        if not unit:
            return Role.count, "count"
        if FORMS.get(unit, (None,))[0] is Role.unit:
            return Role.quality, "size"
    return Role.word, "attribute"


def _says_something(token: Token) -> bool:
    return token.role not in (Role.mark, Role.join) or token.lower.isalpha()


def _is_english(tokens: Sequence[Token]) -> bool:
    words = [token for token in tokens if _says_something(token)]
    known = sum(token.role not in (Role.word, Role.quote) for token in words)
    return known >= max(1, _KNOWN_SHARE * len(words))


def _joined(tokens: Sequence[Token]) -> list[Token]:
    """Put together what is one grain: shades of colours, numbers with units, degrees with their adjective, names."""
    joined: list[Token] = []
    title = _is_title(tokens)
    for token in tokens:
        last = joined[-1] if joined else None
        kind = _kind_together(last, token, title) if last else None
        if last and kind:
            text = last.text + " " * (token.start - last.end) + token.text
            noun = kind == "name" or (kind == "attribute" and token.lower.endswith("s"))
            role = Role.word if noun else Role.quality
            joined[-1] = Token(text, last.start, token.end, role, kind)
        else:
            joined.append(token)
    return joined


def _kind_together(last: Token, token: Token, title: bool) -> str | None:
    """The kind of two neighbours that are one grain, or None."""
    if CHOSEN in (last.kind, token.kind):
        return None
    if token.kind == "colour" and last.lower in SHADES:
        return "colour"
    if (last.kind == "count" and token.role is Role.unit) or (last.lower == "size" and token.role in _CONTENT):
        return "size"
    if last.role is Role.degree and token.role in (Role.word, Role.quality):
        return token.kind
    capital = last.role is Role.word and last.text[0].isupper()
    if capital and not title and token.start == last.end + 1:
        number = token.kind == "count" and token.text[0].isdigit()
        return "name" if (token.role is Role.word and token.text[0].isupper()) or number else None
    return None


def _is_title(tokens: Sequence[Token]) -> bool:
    """Whether capitals say nothing, since every word has one."""
    open_words = [token.text for token in tokens if token.role in (Role.word, Role.quality)]
    return bool(open_words) and all(not word[0].islower() for word in open_words)


def _actions(tokens: Sequence[Token]) -> list[Token]:
    """Find the verbs: participles behind a noun are, those before one are attributes ("running shoes")."""
    found: list[Token] = []
    for at, token in enumerate(tokens):
        behind_noun = bool(found) and found[-1].role in (Role.word, Role.quality) and found[-1].kind != "colour"
        after_copula = bool(found) and found[-1].lower in COPULAS
        last = at + 1 == len(tokens) or tokens[at + 1].role not in (Role.word, Role.quality, Role.count)
        participle = token.role is Role.word and token.kind == "attribute" and _is_participle(token.lower)
        if participle and (after_copula or (behind_noun and (token.lower.endswith("ing") or last))):
            found.append(replace(token, role=Role.verb, kind="action"))
        elif token.role is Role.verb and (
            _is_noun_here(found, token) or (not behind_noun and not after_copula and _is_before_noun(tokens, at))
        ):
            found.append(replace(token, role=Role.word, kind="attribute"))
        else:
            found.append(replace(token, kind="action") if token.role is Role.verb else token)
    return found


def _is_participle(word: str) -> bool:
    return len(word) > 4 and word.endswith(("ing", "ed")) and word.removesuffix("s") not in NOT_ACTIONS


def _is_noun_here(before: Sequence[Token], token: Token) -> bool:
    """Whether a word that may be a verb is none, as it follows something that is no plural: "a soft drink"."""
    bare = FORMS.get(f"{token.lower}s", (None, ""))[0] is Role.verb
    return bare and bool(before) and before[-1].role in _CONTENT and not before[-1].plural


def _is_before_noun(tokens: Sequence[Token], at: int) -> bool:
    """Whether a participle stands where an adjective does: "a smiling woman", "shoes for running"."""
    if not tokens[at].lower.endswith(("ing", "ed")):
        return False
    after_link = at > 0 and tokens[at - 1].role in (Role.determiner, Role.link, Role.count)
    return after_link or (at + 1 < len(tokens) and tokens[at + 1].role is Role.word)


def _phrases(tokens: Sequence[Token]) -> Iterator[Phrase]:
    at = 0
    while at < len(tokens):
        start = at
        while at < len(tokens) and tokens[at].role is Role.determiner:
            at += 1
        first = at
        while at < len(tokens) and (tokens[at].role in _CONTENT or (at > first and _is_list_inside(tokens, at))):
            at += 1
        if at > first:
            yield Phrase(start, first, at, _head(tokens, start, first, at))
        elif at == start:
            at += 1


def _is_list_inside(tokens: Sequence[Token], at: int) -> bool:
    """Whether a join links qualities before one noun: "red and white" in "a red and white dress"."""
    if tokens[at].role is not Role.join or at + 2 >= len(tokens):
        return False
    return (
        tokens[at - 1].role is Role.quality
        and tokens[at + 1].role is Role.quality
        and tokens[at - 1].kind == tokens[at + 1].kind
        and tokens[at + 2].role in (Role.word, Role.quality, Role.join)
    )


def _head(tokens: Sequence[Token], start: int, first: int, end: int) -> int | None:
    """The last word that is no quality, unless it only says how something is: "it is shiny"."""
    if first > 0 and tokens[first - 1].lower in COPULAS and start == first and end - first == 1:
        return None
    return next((at for at in reversed(range(first, end)) if tokens[at].role is Role.word), None)
