"""Sentences as rules compare them: when, which words, which numbers."""

from __future__ import annotations

import re
from dataclasses import dataclass

TOLERANCE = 3.0
"""Seconds that a time may be off: as published."""
MOST = 35
"""Steps of a response that are looked at: as published."""

_TAGS = re.compile(r"</?(?:think|answer)>")
_BULLET = re.compile(r"^\s*[-*•]\s*")
_NUMBER = re.compile(r"(^\s*|[.!?;]\s+)(?:step\s*)?\d+[.):]\s+", re.IGNORECASE)  # of a step, not "the answer is 2."
_END = re.compile(r"(?<=[.!?;])\s+")
_MOMENT = re.compile(
    r"\b(?P<minutes>\d+):(?P<seconds>[0-5]\d(?:\.\d+)?)(?![\d:])|\b(?P<alone>\d+(?:\.\d+)?)\s*(?:s|secs?|seconds?)\b"
)
_WORD = re.compile(r"[a-z]+|\d+(?:\.\d+)?")
_SPELT = {name: str(number) for number, name in enumerate(
    ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"))}  # fmt: skip
_IDLE = frozenset(re.findall(r"\w+", """
    a an the is are was were be been being it its this that these those there here of in on at to from by with and or
    then now so as also first next last video clip frame scene shows show shown see seen we can which who what when
    where has have had does do did answer option choice correct final step between during about
"""))  # fmt: skip
_INFERS = frozenset(re.findall(r"\w+", "so therefore thus hence because since thereby concludes answer means implies"))
_ENDINGS = ("ings", "ing", "ed", "es", "s")
_STEM = 3
"""Letters that an ending leaves at least."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence.

    Attributes:
        text: as it stands, without its number.
        times: moments that it names, in seconds, ascending.
        words: what it says: stems of its words, numbers as digits, without idle words and those that conclude.
        infers: whether it concludes something.
    """

    text: str
    times: tuple[float, ...]
    words: frozenset[str]
    infers: bool

    def at_the_time_of(self, other: Sentence) -> bool:
        """Whether both begin and end together, to `TOLERANCE`, as far as both say when."""
        if not self.times or not other.times:
            return True
        ends = zip((self.times[0], self.times[-1]), (other.times[0], other.times[-1]), strict=True)
        return all(abs(one - another) <= TOLERANCE for one, another in ends)


def sentence(text: str) -> Sentence:
    """Read one sentence."""
    bare = _unnumbered(text)
    found = _WORD.findall(_MOMENT.sub(" ", bare.lower()))
    words = frozenset(_stem(_SPELT.get(word, word)) for word in found if word not in _IDLE | _INFERS)
    infers = bool(_INFERS.intersection(found))
    said = words if words or infers else frozenset(found)  # a bare "A." is an answer
    return Sentence(bare, tuple(sorted(moments(bare))), said, infers)


def moments(text: str) -> list[float]:
    """The times that a text names as 0:08 or as 8 s, in seconds, in its order."""
    return [
        float(found["alone"]) if found["alone"] else 60 * int(found["minutes"]) + float(found["seconds"])
        for found in _MOMENT.finditer(text.lower())
    ]


def sentences(text: str) -> list[Sentence]:
    """The sentences of a response that say something, a line or a full stop each, `MOST` at most."""
    lines = map(_unnumbered, _TAGS.sub("\n", text).splitlines())
    read = (sentence(part) for line in lines for part in _END.split(line))
    return [each for each in read if each.words or each.infers][:MOST]


def _unnumbered(line: str) -> str:
    """A line without what numbers its steps."""
    return _NUMBER.sub(r"\1", _BULLET.sub("", line)).strip()


def _stem(word: str) -> str:
    """A word without its ending: move, moves and moving are one."""
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= _STEM:
            word = word.removesuffix(ending)
            break
    return word[:-1] if word.endswith("e") and len(word) > _STEM else word
