"""One training per folder, and a training that stops at the end of a step when asked to."""

from __future__ import annotations

import fcntl
import os
import signal
import threading
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

from elva.errors import CheckpointError

STOPPING = (signal.SIGINT, signal.SIGTERM)


class StopSignal:
    """Turns the first Ctrl-C (or SIGTERM) into a flag, so that a step is finished before stopping.

        with StopSignal() as stop:
            for batch in batches:
                ...
                if stop.requested:
                    break

    The second one raises KeyboardInterrupt at once. Outside the main thread, where python delivers
    no signals, the flag simply stays down.
    """

    def __init__(self) -> None:
        """Start with the flag down; handlers are set on entry."""
        self.requested = False
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> StopSignal:
        """Take over the signals."""
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._on_signal) for number in STOPPING}
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Give the signals back."""
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True


class RunLock:
    """Keeps a second training out of a run folder.

    The lock is the kernel's, on RUN/.lock, so it ends with the process however that ends: a file
    left by a dead process is taken over. The file holds the process id, for the error message.
    """

    FILE = ".lock"

    def __init__(self, run: Path) -> None:
        """Nothing is locked before entry."""
        self._path = run / self.FILE
        self._descriptor = -1

    def __enter__(self) -> RunLock:
        """Take the lock.

        Raises:
            CheckpointError: another process holds it; names the process.
        """
        self._path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.read(descriptor, 32).decode(errors="replace").strip() or "unknown"
            os.close(descriptor)
            raise CheckpointError(
                f"{self._path.parent} is in use by process {holder}; wait for it, stop it, or choose another folder"
            ) from error
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())
        self._descriptor = descriptor
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Release the lock; the file stays, because removing it would race with the next holder."""
        os.close(self._descriptor)
