"""One writer per folder."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from types import TracebackType

from elva.errors import FolderInUse


class FolderLock:
    """Keeps a second process that writes out of a folder.

    The lock is the kernel's, on FOLDER/.lock, so it ends with the process however that ends: a file
    left by a dead process is taken over. The file holds the process id, for the error message.
    """

    FILE = ".lock"

    def __init__(self, folder: Path) -> None:
        """Nothing is locked before entry."""
        self._path = folder / self.FILE
        self._descriptor = -1

    def __enter__(self) -> FolderLock:
        """Take the lock.

        Raises:
            FolderInUse: another process holds it; names the process.
        """
        self._path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.read(descriptor, 32).decode(errors="replace").strip() or "unknown"
            os.close(descriptor)
            raise FolderInUse(
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
