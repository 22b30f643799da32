"""Seconds and peak memory of pieces of work, each run in a process of its own; a table and a JSON file of them.

Memory is read from /proc, so this runs on Linux. `peak` is the most that the process held in a phase, pages of mapped
files among it; `own` leaves these out, since the system takes them back when it needs room.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import platform
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

MB = 1_000_000
SAMPLED_EVERY = 0.02
"""Seconds between two looks at the memory that is the process's own: the system notes no peak of it."""

Work = tuple[Callable[..., None], Sequence[Any]]
"""What takes a `Meter` and arguments, and the arguments; found by name, since another process runs it."""


@dataclass(frozen=True)
class Figures:
    """What one phase took.

    Attributes:
        seconds: from its beginning to its end.
        cpu: seconds that it computed, which a busy machine stretches less.
        before: MB that the process held when it began.
        peak: MB that it held at most.
        own: likewise, without the pages of files.
    """

    seconds: float
    cpu: float
    before: float
    peak: float
    own: float


class Meter:
    """Measures the phases of a piece of work, in the process that does it."""

    def __init__(self) -> None:
        self.phases: dict[str, Figures] = {}
        self._own, self._stopped = 0.0, threading.Event()
        threading.Thread(target=self._watch, daemon=True).start()

    def begin(self) -> None:
        """A phase begins: what was held and given back before counts no more."""
        Path("/proc/self/clear_refs").write_text("5")  # forgets the peak
        self._before, self._own = _status("VmRSS"), _own()
        self._started, self._computed = time.perf_counter(), time.process_time()

    def end(self, phase: str) -> None:
        """The phase ends, and the next one begins."""
        seconds, cpu = time.perf_counter() - self._started, time.process_time() - self._computed
        own = max(self._own, _own())
        peak = max(self._before, _status("VmHWM"))  # the system counts in lumps: what holds nothing new can seem less
        self.phases[phase] = Figures(seconds, cpu, self._before, peak, own)
        self.begin()

    def stop(self) -> None:
        """No phase comes any more."""
        self._stopped.set()

    def _watch(self) -> None:
        while not self._stopped.wait(SAMPLED_EVERY):
            self._own = max(self._own, _own())


def options(about: str | None, results: str) -> argparse.ArgumentParser:
    """The options that all benchmarks share.

    Args:
        about: what the benchmark says of itself.
        results: names its file of results.
    """
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3, help="how often each thing is measured")
    parser.add_argument("--quick", action="store_true", help="very small, once, in this process: to see that it runs")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / f"{results}.json")
    return parser


def measured(work: Callable[..., None], *arguments: Any) -> dict[str, Figures]:
    """Phase -> figures of `work(meter, *arguments)` in a fresh process."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
        return process.submit(_work, work, arguments).result()


def compared(works: Iterable[Work], beside: str, asked: argparse.Namespace, **about: Any) -> None:
    """Measure all works in turn, several times over, so that a busy minute falls on all of them; show and save.

    Args:
        works: what is measured.
        beside: the phase that the others are compared with.
        asked: the options.
        about: what to write with the results.
    """
    works, runs, where = [*works], dict[str, list[Figures]](), machine()
    for _ in range(1 if asked.quick else asked.repeats):
        for work, arguments in works:
            phases = _work(work, arguments) if asked.quick else measured(work, *arguments)
            for phase, figures in phases.items():
                runs.setdefault(phase, []).append(figures)
                print(f"  {phase}: {figures.seconds:.1f} s, {figures.peak:,.0f} MB", flush=True)
    print(_table(runs, beside))
    content = {**about, "machine": where, "phases": {phase: [*map(asdict, own)] for phase, own in runs.items()}}
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    asked.out.write_text(json.dumps(content, indent=1) + "\n", "utf-8")


def _table(runs: Mapping[str, Sequence[Figures]], beside: str) -> str:
    """Medians in Markdown."""
    head = ["", "seconds", "fastest to slowest", "computing", f"/ {beside}", "MB before", "MB at most", "own", "more"]
    lines = [head, ["---", *["---:"] * 8]]
    peer = median(run.cpu for run in runs[beside])
    for phase, own in runs.items():
        seconds, cpu, before, peak, held = (
            median(getattr(run, name) for run in own) for name in ("seconds", "cpu", "before", "peak", "own")
        )
        spread = f"{min(run.seconds for run in own):.1f} to {max(run.seconds for run in own):.1f}"
        figures = [f"{seconds:.1f}", spread, f"{cpu:.1f}", f"{cpu / peer:.2f}"]
        more = median(run.peak - run.before for run in own)
        lines.append([phase, *figures, *(f"{each:,.0f}" for each in (before, peak, held, more))])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def machine() -> dict[str, Any]:
    """What the figures were measured on, and how busy it was."""
    model = next((line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")), "")
    return {
        "cpu": model.partition(":")[2].strip() or platform.machine(),
        "cores": os.cpu_count(),
        "threads": os.environ.get("OMP_NUM_THREADS"),
        "load": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
    }


def _work(work: Callable[..., None], arguments: Sequence[Any]) -> dict[str, Figures]:
    meter = Meter()
    work(meter, *arguments)
    meter.stop()
    return meter.phases


def _status(name: str) -> float:
    """MB of a line of this process's status."""
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(lines[name].split()[0]) * 1024 / MB


def _own() -> float:
    """MB that this process holds beside pages of files."""
    _, resident, shared, *_ = map(int, Path("/proc/self/statm").read_text().split())
    return (resident - shared) * os.sysconf("SC_PAGE_SIZE") / MB
