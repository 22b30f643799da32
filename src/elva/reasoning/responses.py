"""What a response says: its thinking, its answer, the letter it chose; and what that is worth.

A response is to be `<think>...</think><answer>B.</answer>`. Models write other things too: nothing here raises.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from elva.reasoning.questions import LETTERS

_THINK = re.compile(r"<think>(.*?)</think>", re.DOTALL)
_ANSWER = re.compile(r"<answer>(.*?)</answer>", re.DOTALL)
_FORM = re.compile(r"\s*<think>.*?</think>\s*<answer>.*?</answer>\s*", re.DOTALL)
_CHOICE = re.compile(
    r"(?:(?:the|option|choice|answer|is)\b[\s:]*)*[(*]*(?P<letter>[A-Z])\b(?P<rest>.*)", re.DOTALL | re.IGNORECASE
)
_ENDS_LETTER = (")", ".", ":", ",", "*")
_NAMED = re.compile(
    r"\b(?i:option|choice|answer(?:\s+is)?)[\s:]+\(?(?P<told>[A-Z])\b"  # option B, the answer is: B
    r"|\((?P<round>[A-Z])\)"
    r"|\b(?P<bare>[A-Z])(?=[.,:;!?)]|\s+is\b|\s*$)"  # not "A cup"
)
_DENIED = re.compile(r"(?:\bnot|n't|\bthan|\bneither|\bnor)\s+(?:(?:the|option|choice)\s+)*\(?$", re.IGNORECASE)


def thinking(text: str) -> str | None:
    """What stands between the first think tags, bare of white space around; None where nothing does."""
    return _inside(_THINK, text)


def answer_text(text: str) -> str | None:
    """The same for the answer tags. An answer that was cut off before its end is none."""
    return _inside(_ANSWER, text)


def chosen_letter(text: str, choices: Sequence[str]) -> str | None:
    """The letter that a response chose.

    Args:
        text: the response.
        choices: the options' texts, in the order of their letters.

    Returns:
        The letter that the answer is ("B", "b.", "(B)", "Option B: take the cup", "B take the cup"), or that of the
        one option whose text it is ("take the cup"). None where there is no answer, where the letter is none of the
        options', and where it is something else: "A cup" does not choose A.
    """
    answer = answer_text(text)
    if answer is None:
        return None
    same = [letter for letter, choice in zip(LETTERS, choices, strict=False) if _plain(choice) == _plain(answer)]
    if len(same) == 1:
        return same[0]
    found = _CHOICE.match(answer)
    place = LETTERS.index(found["letter"].upper()) if found else len(choices)
    if found is None or place >= len(choices):
        return None
    rest = found["rest"].lstrip()
    whole = not rest or rest.startswith(_ENDS_LETTER) or _plain(rest) == _plain(choices[place])
    return LETTERS[place] if whole else None


def first_letter(text: str) -> str | None:
    """The first character of the answer: all that the published evaluation looks at; None where there is no answer."""
    answer = answer_text(text)
    return answer[0] if answer else None


def accuracy_reward(text: str, answer: str, choices: Sequence[str]) -> float:
    """1 where the response chose the right letter, else 0."""
    return float(chosen_letter(text, choices) == answer)


def format_reward(text: str) -> float:
    """1 where the response is thinking and answer in their tags, in this order and nothing else, else 0."""
    return float(_FORM.fullmatch(text) is not None)


def concluded_letter(text: str, choices: Sequence[str]) -> str | None:
    """The letter of the option that the thinking of a response names last, by letter or by its text.

    What it names only to deny it ("not B") does not count. A rule, and no reader: thinking that ends with an option
    which it rejects in other words is misread.

    Returns:
        None where there is no thinking, or it names no option.
    """
    thought = thinking(text) or ""
    named = [*_letters_in(thought, choices), *_options_in(thought, choices)]
    affirmed = [(start, letter) for start, letter in named if not _DENIED.search(thought[:start])]
    return max(affirmed)[1] if affirmed else None


def consistency(text: str, choices: Sequence[str]) -> bool | None:
    """Whether the option that the thinking concludes on is the one that the answer chose.

    Returns:
        None where the thinking names no option, or the answer chose none.
    """
    concluded, chosen = concluded_letter(text, choices), chosen_letter(text, choices)
    return None if concluded is None or chosen is None else concluded == chosen


def _inside(tags: re.Pattern[str], text: str) -> str | None:
    found = tags.search(text)
    return (found[1].strip() or None) if found else None


def _plain(text: str) -> str:
    """A text as options are compared: without case, marks at its ends, and runs of white space."""
    return " ".join(text.split()).strip(" .*").casefold()


def _letters_in(thought: str, choices: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Where letters of options are named, and which."""
    for found in _NAMED.finditer(thought):
        letter = found["told"] or found["round"] or found["bare"]
        if letter in LETTERS[: len(choices)]:
            yield found.start(), letter


def _options_in(thought: str, choices: Sequence[str]) -> list[tuple[int, str]]:
    """Where texts of options are named, and which; not inside that of a longer one: "red" is not in "dark red"."""
    spans = [
        (*found.span(), letter)
        for letter, choice in zip(LETTERS, choices, strict=False)
        if _plain(choice)
        for found in _mentions(choice).finditer(thought)
    ]
    return [
        (start, letter)
        for start, end, letter in spans
        if not any(a <= start and end <= b and b - a > end - start for a, b, _ in spans)
    ]


def _mentions(choice: str) -> re.Pattern[str]:
    words = r"\s+".join(map(re.escape, _plain(choice).split()))
    return re.compile(rf"(?<!\w){words}(?!\w)", re.IGNORECASE)
