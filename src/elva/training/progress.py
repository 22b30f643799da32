"""What a training says while it runs: metrics.jsonl, trackers, and a bar or plain lines on the terminal."""

from __future__ import annotations

import json
import math
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from elva.errors import TrainingError
from elva.whole import whole_file

if TYPE_CHECKING:
    from elva.training.trackers import Tracker

PLAIN_LINE_SECONDS = 10.0

Row = dict[str, Any]


class MetricsLog:
    """metrics.jsonl: one JSON object for every so many steps, and for the last one; flushed as it is written.

    On resume, the lines of steps that will be done again (and a line torn by a kill) are removed, so that every step
    stands in the file once. So is the line of a step that was written only for being the last; the checkpoint holds it,
    and it is written again if no step follows.

    Args:
        path: the file; opened for appending.
        next_step: lines of this step and later are removed (0: all).
        every: a line is due where the step is a multiple of it.
        trackers: get the numbers of every line too, and are closed with the log.
        held: what `settle` gave for the checkpoint that the run goes on from.

    Raises:
        TrainingError: the system refuses to write, now or later.
    """

    def __init__(
        self,
        path: Path,
        next_step: int = 0,
        every: int = 1,
        trackers: Sequence[Tracker] = (),
        held: Row | None = None,
    ) -> None:
        last = next_step - 1
        kept = [
            line for line in _whole_lines(path) if line["step"] < last or (line["step"] == last and not last % every)
        ]
        self._path, self._every, self._trackers, self._held = path, every, trackers, held
        with self._writing():
            with whole_file(path) as file:
                file.writelines(f"{json.dumps(line)}\n" for line in kept)
            self._file = path.open("a", encoding="utf-8")

    def write(self, step: int, seconds: float, values: Mapping[str, float]) -> None:
        """Append a line if one is due; a value that is no finite number becomes null, which JSON can hold."""
        finite = {key: value if math.isfinite(value) else None for key, value in values.items()}
        self._held = {"step": step, "seconds": round(seconds, 3), **finite}
        if step % self._every == 0:
            self._append()

    def settle(self) -> Row | None:
        """Wait until all lines are on the disk; gives the row of the last step if no line of it was due."""
        with self._writing():
            os.fsync(self._file.fileno())
        return self._held

    def _append(self) -> None:
        if self._held is None:
            return
        row, self._held = self._held, None
        with self._writing():
            self._file.write(f"{json.dumps(row)}\n")
            self._file.flush()
        numbers = {key: value for key, value in row.items() if value is not None and key not in ("step", "seconds")}
        for tracker in self._trackers:
            tracker.write(row["step"], numbers)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise TrainingError(
                f"{self._path} can't be written ({error.strerror}); the checkpoints are as they were. "
                "Look at the rights and the space left, then go on with --resume"
            ) from error

    def __enter__(self) -> MetricsLog:
        """Return the log itself; it is open already."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Append the last step's line, if it is missing, and close the file."""
        self._append()
        with suppress(OSError):  # what it could not write was told
            self._file.close()
        for tracker in self._trackers:
            tracker.close()


def _whole_lines(path: Path) -> list[Row]:
    """The lines of a metrics file that are whole JSON objects with a step."""
    if not path.exists():
        return []
    rows = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if isinstance(row, dict) and "step" in row:
            rows.append(row)
    return rows


class ProgressBar:
    """Progress with rate and remaining time: a bar on a terminal, else a line every few seconds.

        with ProgressBar("stage 2", total=400, unit="steps") as bar:
            for step in range(400):
                ...
                bar.advance(1, note="loss 0.31")

    Where the budget is seconds, the total is seconds too and the amounts are those passed.

    Args:
        title: what is going on.
        total: how much there is to do, in `unit`; None when that isn't known.
        unit: what is counted.
        done: how much was done before, by an earlier session.
        stream: where to write; stderr unless given.
        clock: seconds, for the tests.
    """

    def __init__(
        self,
        title: str,
        total: float | None,
        unit: str = "items",
        *,
        done: float = 0,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Nothing is shown before entry."""
        self._title, self._total, self._unit = title, total, unit
        self._done, self._before = done, done
        self._note = ""
        self._stream = stream or sys.stderr
        self._clock = clock
        self._started = self._printed = clock()
        self._bar = self._rich_bar() if self._stream.isatty() else None

    def advance(self, amount: float = 1, note: str | None = None) -> None:
        """Count `amount` more as done, with a short note such as the loss."""
        self._done += amount
        self._note = self._note if note is None else note
        if self._bar is not None:
            self._bar.update(self._task, completed=self._done, status=self.status())
        elif self._clock() - self._printed >= PLAIN_LINE_SECONDS:
            self._print()

    def status(self) -> str:
        """Count, share, rate, remaining time and note, as one line."""
        elapsed = max(self._clock() - self._started, 1e-9)
        rate = (self._done - self._before) / elapsed
        parts = [self._count()]
        if self._unit != "seconds":
            parts.append(f"{rate:.1f} {self._unit}/s" if rate < 100 else f"{rate:.0f} {self._unit}/s")
        if self._total is not None and rate > 0:
            parts.append(f"{_clock_time((self._total - self._done) / rate)} left")
        return "  ".join([*parts, self._note]).strip()

    def __enter__(self) -> ProgressBar:
        """Show the bar; plain lines begin with the first one due."""
        self._started = self._printed = self._clock()
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave the last state on the screen."""
        if self._bar is not None:
            self._bar.stop()
        elif self._done > self._before:
            self._print()

    def _rich_bar(self) -> Progress:
        bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[status]}"),
            console=Console(file=self._stream),
        )
        self._task = bar.add_task(self._title, total=self._total, status="")
        bar.update(self._task, completed=self._done)
        return bar

    def _count(self) -> str:
        if self._total is None:
            return f"{self._done:,.0f} {self._unit}"
        share = self._done / self._total if self._total else 1.0
        return f"{self._done:,.0f}/{self._total:,.0f} {self._unit} ({share:.0%})"

    def _print(self) -> None:
        self._printed = self._clock()
        print(f"{self._title}: {self.status()}", file=self._stream, flush=True)


def _clock_time(seconds: float) -> str:
    minutes, rest = divmod(max(round(seconds), 0), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
