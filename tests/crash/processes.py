"""Real processes that start at once, and their end by SIGKILL."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from crash import child

# Children are forked from a server that has imported what takes seconds, and has done nothing else.
SERVER = multiprocessing.get_context("forkserver")
# lancedb itself starts threads, which don't outlive a fork; what it imports takes most of its time.
OF_LANCEDB = ("lance_namespace", "pandas", "pyarrow.dataset")
SERVER.set_forkserver_preload(
    ["elva.cli.app", "elva.training.run", "transformers.models.auto.modeling_auto", *OF_LANCEDB]
)
PATIENCE = 120.0


def start(work: Callable[..., None], *arguments: Any, **named: Any) -> BaseProcess:
    """A process that does this and ends."""
    process = SERVER.Process(target=work, args=arguments, kwargs=named)
    process.start()
    return process


def finish(work: Callable[..., None], *arguments: Any, **named: Any) -> int:
    """Do this in a process of its own; gives its exit code."""
    return end(start(work, *arguments, **named))


def end(process: BaseProcess) -> int:
    """Wait for its end; gives its exit code."""
    process.join(PATIENCE)
    assert process.exitcode is not None, "it hangs"
    return process.exitcode


def elva(*arguments: Any, doom: child.Doom | None = None) -> tuple[int, str]:
    """Run the command in a process of its own; gives its exit code and what it says on stderr."""
    hear, say = SERVER.Pipe(duplex=False)
    process = start(child.elva, [*map(str, arguments)], say, doom)
    say.close()
    with os.fdopen(os.dup(hear.fileno()), encoding="utf-8") as errors:
        said = errors.read()
    return end(process), said


def kill_when(process: BaseProcess, due: Callable[[], bool], seconds: float) -> int:
    """Kill a process so many seconds after something became true, unless it was quicker; gives its exit code."""
    patience = time.monotonic() + PATIENCE
    while process.is_alive() and not due():
        assert time.monotonic() < patience, "it hangs"
        time.sleep(0.001)
    time.sleep(seconds)
    process.kill()
    return end(process)


def line_count(file: Path) -> int:
    """Lines of a file that perhaps isn't there yet."""
    return file.read_bytes().count(b"\n") if file.exists() else 0
