"""docs/cli.md says what the commands say."""

from __future__ import annotations

import subprocess
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from elva.cli.app import app
from elva.cli.reference import commands, reference

WRITTEN = Path(__file__).parents[2] / "docs/cli.md"

SHOWN = """
## scales on weigh

    scales on weigh [OPTIONS] WHAT [KEY=VALUE]...

Weigh a folder.

Example:

    scales weigh world

| argument or option | takes | default | what it does |
| --- | --- | --- | --- |
| `WHAT` | path | must be given | A folder. |
| `[KEY=VALUE]...` | text, repeatable |  | More. |
| `--size` | `small` or `large` | `small` | How much. |
| `--unit`, `-u` `kg\\|lb` | text | `kg` | Of weight. |
| `--times` | whole number from 1 |  | How often. |
| `--task` | whole number, repeatable |  | Only this. |
| `--twice`, `--no-twice` |  | on | Again. |
| `--out` | path | must be given | File to write. |
"""


class Size(StrEnum):
    small = "small"
    large = "large"


def weigh(
    what: Annotated[Path, typer.Argument(help="A folder.")],
    rest: Annotated[list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="More.")] = None,
    size: Annotated[Size, typer.Option(help="How much.")] = Size.small,
    unit: Annotated[str, typer.Option("--unit", "-u", metavar="kg|lb", help="Of weight.")] = "kg",
    times: Annotated[int | None, typer.Option(help="How often.", min=1)] = None,
    task: Annotated[list[int] | None, typer.Option("--task", help="Only this.")] = None,
    twice: Annotated[bool, typer.Option(help="Again.")] = True,
    out: Annotated[Path, typer.Option(help="File to write.")] = ...,  # type: ignore[assignment]
) -> None:
    """Weigh a folder.

    Example:

        scales weigh world
    """


def scales() -> typer.Typer:
    app = typer.Typer(name="scales", add_completion=False)
    app.callback()(lambda: None)
    group = typer.Typer()
    group.command()(weigh)
    app.add_typer(group, name="on")
    return app


def test_the_page_is_what_the_commands_say() -> None:
    assert WRITTEN.read_text("utf-8") == reference(app), "docs/cli.md is out of date; write it again: make docs"


def test_a_command_is_shown_with_all_that_it_takes() -> None:
    page = reference(scales())
    assert "[`scales on weigh`](#scales-on-weigh) | Weigh a folder. |" in page
    assert SHOWN in page


def test_every_command_and_setting_is_on_the_page() -> None:
    page = reference(app)
    assert {"data check", "export sentence-transformers"} < commands(app).keys()
    for path in commands(app):
        assert f"\n## elva {path}\n" in page
    assert "| `optimizer.lr` | a number above 0 | `(must be given)` | largest learning rate |" in page


def test_the_page_is_written_without_torch() -> None:
    code = (
        "import runpy, sys; runpy.run_module('elva.cli.reference', run_name='__main__'); "
        "assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, encoding="utf-8", check=False)
    assert (done.returncode, done.stdout) == (0, reference(app)), done.stderr
