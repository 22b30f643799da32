"""Commands with places to fill: `elva mine {root} --model {start} --out {out}`."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence

from elva.errors import RecipeError

GIVEN = ("root", "base", "start", "seed", "cache", "out")
"""Placeholders that every command may name, beside the data's own words and the preparations."""

_PLACE = re.compile(r"\{(\w+)\}")


def places(text: str) -> list[str]:
    """The names of the placeholders in a text."""
    return _PLACE.findall(text)


def filled(text: str, values: Mapping[str, str]) -> str:
    """The text with the values in their places; braces that name none of them stay."""
    return _PLACE.sub(lambda match: values.get(match[1], match[0]), text)


def command_words(command: str, values: Mapping[str, str], words: Mapping[str, str]) -> list[str]:
    """What follows `elva` in a command, one argument each.

    Args:
        command: begins with "elva".
        values: what placeholders stand for; each stays one argument, whatever is in it.
        words: the data's own placeholders; one that stands by itself may be several arguments, or none.

    Raises:
        RecipeError: a quote is not closed, or the command does not begin with "elva".
    """
    arguments: list[str] = []
    for part in _split(command):
        alone = _PLACE.fullmatch(part)
        if alone and alone[1] in words:
            arguments += _split(words[alone[1]])
        else:
            arguments.append(filled(part, {**words, **values}))
    if arguments[:1] != ["elva"] or len(arguments) < 2:
        raise RecipeError(f"'{command}' is no elva command; begin it with elva, such as elva mine {{root}}")
    return arguments[1:]


def needed(names: Sequence[str], commands: Mapping[str, str]) -> list[str]:
    """These names and all that their commands mention among the names of `commands`, those that come first first.

    Args:
        names: where to begin.
        commands: name -> command.

    Raises:
        RecipeError: a command needs itself.
    """
    order: list[str] = []

    def visit(name: str, above: tuple[str, ...]) -> None:
        if name in above:
            raise RecipeError(f"{name} needs itself, through {', '.join(above)}")
        for each in places(commands[name]):
            if each in commands:
                visit(each, (*above, name))
        if name not in order:
            order.append(name)

    for name in names:
        visit(name, ())
    return order


def _split(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as error:
        raise RecipeError(f"'{text}': {error}; close the quote") from error
