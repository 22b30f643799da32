"""Commands as jobs: each after those it needs, some at a time, and none again while all that went into it is the same.

Jobs run as processes of one thread: two of these beat one of two threads by far at the size of tiny models. A job's
stamp (`logs/NAME.done`) holds what it was made from (command, recipe, its inputs, what holds for all jobs, and the
stamps of the jobs it needs) and what it cost. So a second call with the same jobs does what is left, and what changed.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table

from elva.data.writing import write_lines
from elva.errors import ElvaError, InputError
from elva.locks import FolderLock
from elva.training.recipe import chosen_settings, load_recipe

AT_ONCE = 2
SHOWN = 30
"""Lines of jobs done that stay on the screen."""
LAST_LINES = 5
"""Of a log, that a failure shows."""

Command = Callable[[], list[str]]


@dataclass(frozen=True, slots=True)
class Job:
    """One `elva` command.

    Attributes:
        name: for the screen and the log file.
        command: the arguments, asked for when the job starts, because some depend on earlier results.
        needs: names of the jobs that must be done before; when one of them ran again, so does this one.
        leaves: what exists once it is done.
        folder: what is removed before the job runs on anything else than last time; commands that replace their own
            output need none.
        after: names of jobs that must be done before, too, but whose running again changes nothing here.
        alone: no other job runs beside it, because it measures time.
        then: what is done, here and at once, each time the job is found done or has just been.
        inputs: digests of what else it is made from, by name, beside what goes into every job.
    """

    name: str
    command: Command
    needs: tuple[str, ...]
    leaves: Path
    folder: Path | None = None
    after: tuple[str, ...] = ()
    alone: bool = False
    then: Callable[[], None] | None = None
    inputs: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Running:
    """A process at work, and when it began (monotonic)."""

    job: Job
    process: int
    began: float = field(default_factory=time.monotonic)


Start = Callable[[Sequence[str], Path], int]
"""Starts a process that does a command and appends what it says to a file; gives its number."""


def start_elva(command: Sequence[str], log: Path, environment: Mapping[str, str] | None = None) -> int:
    """`elva COMMAND` as a process, in a session of its own.

    So the terminal's Ctrl-C reaches the caller alone, which asks each job to stop once.

    Args:
        command: what follows `elva`.
        log: gets what it says.
        environment: variables on top of our own.
    """
    call, env = [sys.executable, "-m", "elva", *command], {**os.environ, **(environment or {})}
    with log.open("ab") as file:
        process = subprocess.Popen(call, stdout=file, stderr=file, env=env, start_new_session=True)
    process.returncode = 0  # the runner waits for it, by its number
    return process.pid


class Runner:
    """Runs jobs as processes, so many at a time, and shows what each is doing.

    Args:
        out: the folder; logs and stamps go to `out`/logs.
        console: where the screen is.
        everywhere: what goes into every job.
        at_once: how many jobs at a time.
        patient: after a failure go on with all that does not need what failed; otherwise the first one stops all.
        start: starts a command.
    """

    def __init__(
        self,
        out: Path,
        console: Console,
        everywhere: Mapping[str, Any],
        *,
        at_once: int = AT_ONCE,
        patient: bool = False,
        start: Start = start_elva,
    ) -> None:
        self._logs, self._console, self._everywhere = out / "logs", console, dict(everywhere)
        self._at_once, self._patient, self._start = at_once, patient, start
        self._logs.mkdir(parents=True, exist_ok=True)
        self._running: dict[str, Running] = {}
        self._seconds: dict[str, float | None] = {}
        self._failed: dict[str, str] = {}
        self._total = 0

    def run(self, jobs: Sequence[Job]) -> dict[str, float | None]:
        """Every job after those it needs; Ctrl-C or SIGTERM stops all.

        Returns:
            The seconds that each job took, None where what it left was there already.

        Raises:
            InputError: jobs failed; names their logs, and shows how these end.
            FolderInUse: another process runs jobs of this folder.
        """
        waiting = {job.name: job for job in jobs}
        self._total = len(jobs)
        with FolderLock(self._logs):
            self._run(waiting)
        if self._failed:
            raise InputError(self._failures(len(waiting)))
        return self._seconds

    def _run(self, waiting: dict[str, Job]) -> None:
        """All that can be run of them; those are left that need what failed."""
        try:
            with Live(console=self._console, refresh_per_second=2, transient=False) as live:
                while waiting or self._running:
                    self._start_ready(waiting)
                    if not self._running and not self._ready(waiting):
                        break  # what is left needs what failed
                    time.sleep(0.2)
                    self._collect()
                    live.update(self._screen())
        finally:
            self._stop()

    def cpu_seconds(self, name: str) -> float:
        """What a job that is done took of a processor's time, loading included, over all its beginnings."""
        return float(self._stamp(name)["cpu_seconds"])

    # -- starting ------------------------------------------------------------------------------------------------

    def _ready(self, waiting: Mapping[str, Job]) -> list[Job]:
        return [job for job in waiting.values() if all(each in self._seconds for each in (*job.needs, *job.after))]

    def _start_ready(self, waiting: dict[str, Job]) -> None:
        for job in self._ready(waiting):
            if len(self._running) >= self._at_once or any(each.job.alone for each in self._running.values()):
                return
            if job.alone and self._running:
                return  # it waits for these, and no other begins before it
            del waiting[job.name]
            with self._failing(job):
                self._begin(job)

    def _begin(self, job: Job) -> None:
        command = job.command()
        if self._is_done(job, self._made_from(job, command)):
            self._finish(job, None)
            return
        self._log(job.name).write_text("", "utf-8")
        self._running[job.name] = Running(job, self._start(command, self._log(job.name)))

    def _made_from(self, job: Job, command: Sequence[str]) -> dict[str, Any]:
        """All that goes into a job. The stamps of the jobs before it differ whenever one of those ran again."""
        recipe = {}
        if command[0] == "train":
            recipe["recipe"] = chosen_settings(load_recipe(command[1], command[2 : command.index("--out")]))
        needs = {need: self._stamp_path(need).read_text("utf-8") for need in job.needs}
        digests = {need: hashlib.sha256(stamp.encode()).hexdigest() for need, stamp in needs.items()}
        return {"command": list(command), **recipe, "needs": digests, **self._everywhere, **job.inputs}

    def _is_done(self, job: Job, made_from: Mapping[str, Any]) -> bool:
        """Whether a job need not run. Where it must, its stamp is begun, and what was made otherwise goes."""
        begun = self._stamp_path(job.name).exists()
        stamp = self._stamp(job.name)
        same = stamp.get("made_from") == made_from
        if same and stamp.get("done") and job.leaves.exists():
            return True
        if begun and not same and job.folder is not None:
            shutil.rmtree(job.folder, ignore_errors=True)
        goes_on = same and not stamp.get("done")
        self._write_stamp(job.name, {"made_from": made_from, "cpu_seconds": stamp["cpu_seconds"] if goes_on else 0.0})
        return False

    # -- ending --------------------------------------------------------------------------------------------------

    def _collect(self) -> None:
        for name, running in list(self._running.items()):
            process, status, usage = os.wait4(running.process, os.WNOHANG)
            if not process:
                continue
            del self._running[name]
            stamp = self._charge(name, usage.ru_utime + usage.ru_stime)
            with self._failing(running.job):
                if os.waitstatus_to_exitcode(status):
                    raise InputError(self._end_of_log(name))
                self._write_stamp(name, stamp | {"done": time.time()})
                self._finish(running.job, time.monotonic() - running.began)

    def _finish(self, job: Job, seconds: float | None) -> None:
        if job.then is not None:
            job.then()
        self._seconds[job.name] = seconds
        if seconds is not None and not self._console.is_terminal:
            self._console.print(f"{job.name}: done in {seconds:.0f} s")

    @contextmanager
    def _failing(self, job: Job) -> Iterator[None]:
        """A user's error inside the block is this job's failure."""
        try:
            yield
        except ElvaError as error:
            self._fail(job, error)

    def _fail(self, job: Job, error: ElvaError) -> None:
        self._failed[job.name] = str(error)
        if not self._patient:
            raise InputError(self._failures(0)) from error
        if not self._console.is_terminal:
            self._console.print(f"{job.name}: failed", highlight=False)

    def _failures(self, skipped: int) -> str:
        parts = [self._failure(name, message) for name, message in self._failed.items()]
        if skipped:
            parts.append(f"{skipped} jobs that need what failed were not begun; what is done stays. Start again then.")
        return "\n".join(parts)

    def _failure(self, name: str, message: str) -> str:
        log = self._log(name)
        return f"job '{name}' failed{f'; its log is {log}' if log.exists() else ''}:\n{message}"

    def _stop(self) -> None:
        """Ask what still runs to stop; trainings leave a checkpoint that the next call resumes."""
        for running in self._running.values():
            os.kill(running.process, signal.SIGTERM)
        for name, running in self._running.items():
            _, _, usage = os.wait4(running.process, 0)
            self._charge(name, usage.ru_utime + usage.ru_stime)
        self._running.clear()

    # -- logs and stamps -----------------------------------------------------------------------------------------

    def _charge(self, name: str, seconds: float) -> dict[str, Any]:
        stamp = self._stamp(name)
        stamp["cpu_seconds"] += seconds
        self._write_stamp(name, stamp)
        return stamp

    def _stamp(self, name: str) -> dict[str, Any]:
        """What is known of a job; one that is damaged knows nothing."""
        try:
            stamp = json.loads(self._stamp_path(name).read_text("utf-8"))
        except (OSError, ValueError):
            stamp = None
        return {"cpu_seconds": 0.0} | (stamp if isinstance(stamp, dict) else {})

    def _write_stamp(self, name: str, stamp: Mapping[str, Any]) -> None:
        write_lines(self._stamp_path(name), [json.dumps(stamp, indent=1)])

    def _stamp_path(self, name: str) -> Path:
        return self._log(name).with_suffix(".done")

    def _log(self, name: str) -> Path:
        return self._logs / f"{name.replace(' ', '-')}.log"

    def _lines(self, name: str) -> list[str]:
        path = self._log(name)
        return path.read_text("utf-8", "replace").splitlines() if path.exists() else []

    def _end_of_log(self, name: str) -> str:
        return "\n".join(self._lines(name)[-LAST_LINES:])

    def _screen(self) -> Table:
        table = Table.grid(padding=(0, 2))
        table.add_row(f"[bold]{len(self._seconds)}/{self._total} jobs done[/bold]")
        for name, seconds in list(self._seconds.items())[-SHOWN:]:
            table.add_row("[green]✓[/green] " + name, "was there" if seconds is None else f"{seconds:.0f} s")
        for name in self._failed:
            table.add_row("[red]✗[/red] " + name, "failed")
        for name, running in self._running.items():
            lines = self._lines(name)
            table.add_row(
                f"… {name}", f"{time.monotonic() - running.began:.0f} s", lines[-1][:90] if lines else "starting"
            )
        return table


def digest_of(folder: Path) -> str:
    """One name for all that a folder of files holds."""
    digest = hashlib.sha256()
    for path in sorted(each for each in folder.rglob("*") if each.is_file()):
        digest.update(f"{path.relative_to(folder)} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()
