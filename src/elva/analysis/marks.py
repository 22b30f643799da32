"""Tables that a command writes into a document: between `<!-- NAME: begin -->` and `<!-- NAME: end -->`."""

from __future__ import annotations

from pathlib import Path

from elva.data.writing import write_lines
from elva.errors import InputError


def insert(path: Path, name: str, markdown: str) -> None:
    """Put a text between the marks of a document, in place of what stood there; see `around` for errors."""
    head, tail = around(path, name)
    begin, end = _marks(name)
    write_lines(path, [f"{head}{begin}\n{markdown.strip()}\n{end}{tail.rstrip()}"])


def around(path: Path, name: str) -> tuple[str, str]:
    """What stands before and behind the marks of a document; raises InputError where it has none."""
    begin, end = _marks(name)
    try:
        head, found, rest = path.read_text("utf-8").partition(begin)
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} can't be read ({error}); give a markdown file for the table") from error
    _, ended, tail = rest.partition(end)
    if not found or not ended:
        raise InputError(f"{path} has no {begin} and {end}: add them where the table belongs")
    return head, tail


def _marks(name: str) -> tuple[str, str]:
    return f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
