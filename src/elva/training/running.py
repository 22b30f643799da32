"""A training that stops at the end of a step when asked to."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any

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
