"""docs/cli.md, written from the commands and settings themselves: `make docs`.

The tree of commands is read, not what a terminal shows of it, so no width of a terminal is in the file.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import Enum
from pathlib import Path
from types import NoneType
from typing import Any, get_args, get_origin, get_type_hints

import typer
from typer.main import get_command

from elva.strict import describe_settings, options
from elva.training.recipe import Recipe

HEAD = """\
# The command line

Written by `make docs` from the commands themselves: change their docstrings and options, not this file.
What `elva COMMAND --help` shows is here for all commands, and at the end every
[setting of a recipe](#settings-of-a-recipe).
"""
SETTINGS = """\
## Settings of a recipe

`elva train RECIPE KEY=VALUE ...` takes each of them, and so does a recipe's file. `elva train --settings`
lists the same.
"""
KINDS = {str: "text", int: "whole number", float: "number", Path: "path"}


def reference(app: typer.Typer) -> str:
    """Everything an application offers, as Markdown.

    Args:
        app: the application; its parameters are annotated as `Annotated[kind, typer.Option(...)]`.

    Returns:
        A list of the commands; for each its docstring, and what it takes with the defaults; every setting of a recipe.
    """
    name, every = str(app.info.name), commands(app)
    contents = [
        (f"[`{name} {path}`](#{name}-{path.replace(' ', '-')})", command.help.partition("\n")[0])
        for path, command in every.items()
    ]
    settings = [(f"`{key}`", takes, f"`{default}`", doc) for key, takes, default, doc in describe_settings(Recipe)]
    parts = [
        HEAD,
        _table(("command", "what it does"), contents),
        _section(name, get_command(app)),
        *(_section(f"{name} {path}", command) for path, command in every.items()),
        SETTINGS,
        _table(("setting", "takes", "default", "what it does"), settings),
    ]
    return "\n".join(parts)


def commands(app: typer.Typer) -> dict[str, Any]:
    """What one types after the application's name -> its command; sub-commands too, and not the groups they are in."""
    return dict(_leaves(get_command(app)))


def _leaves(command: Any, *path: str) -> Iterator[tuple[str, Any]]:
    if not hasattr(command, "commands"):
        yield " ".join(path), command
        return
    for name, inner in command.commands.items():
        yield from _leaves(inner, *path, name)


def _section(name: str, command: Any) -> str:
    """One command; the examples of its docstring are indented, and so code in Markdown too."""
    hints = get_type_hints(command.callback, include_extras=True)
    arguments = [each for each in command.params if each.param_type_name == "argument"]
    optional = [each for each in command.params if each.param_type_name == "option"]
    after = ["COMMAND ..."] if hasattr(command, "commands") else map(_argument, arguments)
    named = [*((f"`{_argument(each)}`", each) for each in arguments), *((_option(each), each) for each in optional)]
    rows = [(shown, _takes(hints[each.name]), _default(each), each.help or "") for shown, each in named]
    usage = " ".join([name, "[OPTIONS]", *after])
    table = _table(("argument or option", "takes", "default", "what it does"), rows)
    return f"## {name}\n\n    {usage}\n\n{command.help}\n\n{table}"


def _argument(parameter: Any) -> str:
    name: str = parameter.metavar or parameter.name.upper()
    return name if parameter.required or parameter.metavar else f"[{name}]"


def _option(parameter: Any) -> str:
    words = ", ".join(f"`{word}`" for word in (*parameter.opts, *parameter.secondary_opts))
    return f"{words} `{parameter.metavar}`" if parameter.metavar else words


def _takes(hint: Any) -> str:
    """What a parameter takes, by its annotation; nothing for a switch."""
    kind, given = get_args(hint)
    (kind,) = (each for each in options(kind) if each is not NoneType)
    if get_origin(kind) is list:
        return f"{_words(get_args(kind)[0])}, repeatable"
    if kind is bool:
        return ""
    return _words(kind) if given.min is None else f"{_words(kind)} from {given.min}"


def _words(kind: Any) -> str:
    return " or ".join(f"`{each.value}`" for each in kind) if issubclass(kind, Enum) else KINDS[kind]


def _default(parameter: Any) -> str:
    if parameter.required:
        return "must be given"
    value = parameter.default
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"`{value.value if isinstance(value, Enum) else value}`" if value not in (None, "") else ""


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """A table of Markdown; a bar inside a cell would end the cell."""
    lines = [head, ["---"] * len(head), *([cell.replace("|", r"\|") for cell in row] for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


if __name__ == "__main__":
    from elva.cli.app import app

    print(reference(app), end="")
