"""The `elva` command: one typer application; user errors end in one message and exit code 2."""

from __future__ import annotations

import os
import signal
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from elva import __version__
from elva.cli import (
    compare,
    data,
    demo,
    embedding,
    evaluating,
    experiment,
    explain,
    exporting,
    importing,
    indexing,
    mrbench,
    report,
    search,
    serve,
    train,
)
from elva.errors import ElvaError

USER_ERROR = 2
INTERRUPTED = 130


class ElvaGroup(TyperGroup):
    """Shows an ElvaError, or what the system refuses, as its message alone; anything else is a bug with a trace."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command; exit code 2 on a user error, 130 on Ctrl-C."""
        try:
            return super().invoke(ctx)
        except ElvaError as error:
            if ctx.params.get("traceback"):
                raise
            typer.echo(f"elva: {error}", err=True)
            raise typer.Exit(USER_ERROR) from error
        except BrokenPipeError:  # as in `elva ... | head`, which click ends in silence
            raise
        except OSError as error:
            if ctx.params.get("traceback") or error.errno is None:  # without a number it isn't the system's
                raise
            place = f"{error.filename}: " if error.filename else ""
            typer.echo(f"elva: {place}{error.strerror}; check the path, its rights and the space left", err=True)
            raise typer.Exit(USER_ERROR) from error
        except KeyboardInterrupt as interrupt:
            typer.echo("elva: stopped", err=True)
            raise typer.Exit(INTERRUPTED) from interrupt


app = typer.Typer(
    name="elva",
    cls=ElvaGroup,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"elva {__version__}")
        raise typer.Exit


@app.callback()
def options(
    traceback: Annotated[bool, typer.Option("--traceback", help="Show where an error comes from.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Train, judge and search with ELVA: retrieval that keeps every grain of a query.

    The whole story in one command: `elva demo --out demo`

    Step by step:

        elva world DIR                                    data to play with
        elva train RECIPE data.root=DIR --out RUN         train a model
        elva evaluate mbeir DIR --model RUN/model --out E judge it
        elva index DIR --model RUN/model --out IDX        index a collection
        elva search IDX "a small red triangle"            search it
        elva serve IDX                                    a page to search with
        elva explain IDX "a small red triangle"           see what of a query the model ignores
    """
    # Tiny models run fastest on one thread. Set before torch is imported; --threads overrides it.
    os.environ.setdefault("OMP_NUM_THREADS", "1")


for module in (
    data,
    importing,
    train,
    embedding,
    evaluating,
    mrbench,
    report,
    compare,
    indexing,
    search,
    explain,
    serve,
    exporting,
    demo,
    experiment,
):
    module.add_to(app)


def main() -> None:
    """Entry point of the `elva` command.

    Being asked to end, or losing the terminal, stops a command as Ctrl-C does: nothing half-written is left.
    """
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) == signal.SIG_DFL:  # nohup ignores SIGHUP, and so do we then
            signal.signal(number, signal.default_int_handler)
    app()
