"""Which versions of a folder somebody reads: what they need must not be removed.

Each published version has a file, readers/VERSION. Who reads the version holds a shared lock of the kernel's on it,
which ends with the process; who writes the folder finds out by trying for an exclusive one.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from elva.index.pointer import Pointer

FOLDER = "readers"


def announce(folder: Path, version: int) -> None:
    """Let a version be held, before it is published."""
    (folder / FOLDER).mkdir(exist_ok=True)
    (folder / FOLDER / str(version)).touch()


@contextmanager
def held(folder: Path, version: int) -> Iterator[None]:
    """Hold a version as long as the block runs.

    The version may be given up just before: look at the pointer again inside. Where files can't be locked nothing is
    held, and the next tidy publication may remove what is read.
    """
    descriptor = -1
    with suppress(OSError):
        descriptor = os.open(folder / FOLDER / str(version), os.O_RDONLY)
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    try:
        yield
    finally:
        if descriptor >= 0:
            os.close(descriptor)


def hold_newest(folder: Path, holding: ExitStack) -> Pointer:
    """Hold the version in force until the stack is closed; where it was replaced meanwhile, the one in force then."""
    pointer = Pointer.read(folder)
    while True:
        holder = held(folder, pointer.table)
        holder.__enter__()
        now = Pointer.read(folder)
        if now == pointer:
            holding.push(holder)
            return pointer
        holder.__exit__(None, None, None)
        pointer = now


def give_up_unread(folder: Path, newest: int) -> int:
    """Give up all versions that nobody reads but the newest one; gives the oldest one that is left."""
    left = [newest]
    for path in (folder / FOLDER).iterdir():
        if path.name != str(newest) and path.name.isdecimal():
            descriptor = os.open(path, os.O_RDWR)  # NFS locks for one alone only what is open for writing
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink()
            except OSError:
                left.append(int(path.name))
            finally:
                os.close(descriptor)
    return min(left)
