"""Files and folders that appear whole or not at all, whenever their writer fails or is killed.

What is written lies beside its place, as `.NAME.PID.part`, and is renamed when it is complete. Its writer holds a lock
of the kernel's on it, which ends with the process: what a killed writer left is known by being free, and the next one
that writes to the same place removes it.
"""

from __future__ import annotations

import ctypes
import fcntl
import glob
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

PART = ".part"


@contextmanager
def whole_file(path: Path) -> Iterator[TextIO]:
    """A text file to fill; it replaces `path`, synced, when the block ends without an error.

    Raises:
        OSError: the system refuses; names a file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_leftovers(path.parent, glob.escape(path.name))
    part = _part(path)
    try:
        with part.open("w", encoding="utf-8", newline="\n") as file:
            _lock(file.fileno())
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        error.filename = error.filename or str(path)  # a full disk is told without the name
        raise
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def whole_folder(out: Path, *, replace: bool = False) -> Iterator[Path]:
    """A folder to fill; it becomes `out` when the block ends without an error.

    Its files are not synced: end the block with `sync_all` where a power cut matters.

    Args:
        out: where it goes; nothing may lie there but an empty folder.
        replace: take the place of a folder that lies there. At every moment the old one or the new one is there.

    Raises:
        OSError: the system refuses, or something lies there.
    """
    out = out.resolve()  # a link keeps pointing where it points
    out.parent.mkdir(parents=True, exist_ok=True)
    _heal(out)
    remove_leftovers(out.parent, glob.escape(out.name))
    part = _part(out)
    part.mkdir()
    descriptor = os.open(part, os.O_RDONLY)
    try:
        _lock(descriptor)
        yield part
        _place(part, out, replace)
    finally:
        os.close(descriptor)
        shutil.rmtree(part, ignore_errors=True)


def remove_leftovers(folder: Path, names: str) -> int:
    """Remove what killed writers left in a folder; returns how many files and folders.

    Args:
        folder: where to look.
        names: pattern of what they were to be called.
    """
    removed = 0
    for part in [*folder.glob(f".{names}.*{PART}")]:
        with suppress(OSError):  # somebody is at it, or was quicker
            descriptor = os.open(part, os.O_RDONLY)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(part) if part.is_dir() else part.unlink()
                removed += 1
            finally:
                os.close(descriptor)
    return removed


def sync(path: Path) -> None:
    """Wait until a file's content, or a folder's entries, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_all(folder: Path) -> None:
    """`sync` for a folder and all in it, so that a power cut can't leave empty files under their names.

    What a link leads to is somebody else's, and may not be there.
    """
    for path in (*folder.rglob("*"), folder):
        if not path.is_symlink():
            sync(path)


def is_refusal(error: Exception) -> bool:
    """Whether the system refused to write: safetensors and tokenizers tell it by exceptions of their own."""
    return isinstance(error, OSError) or "(os error " in str(error)


def _part(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}{PART}")


def _lock(descriptor: int) -> None:
    with suppress(OSError):  # a file system without locks: what a killed writer leaves there is never removed
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _place(part: Path, out: Path, replace: bool) -> None:
    try:
        part.rename(out)  # onto nothing, or an empty folder
    except OSError:
        if not replace or not out.is_dir():
            raise
        if not _exchange(part, out):
            out.rename(_old(out))
            part.rename(out)
            _heal(out)
    sync(out.parent)


def _exchange(one: Path, other: Path) -> bool:
    """Swap two names in one instant; False where the system (any but Linux) or the file system can't."""
    renameat2 = getattr(ctypes.CDLL(None), "renameat2", None)
    here, exchange = -100, 2  # AT_FDCWD and RENAME_EXCHANGE of linux/fcntl.h and linux/fs.h
    return renameat2 is not None and renameat2(here, os.fsencode(one), here, os.fsencode(other), exchange) == 0


def _old(out: Path) -> Path:
    return out.with_name(f".{out.name}.old")


def _heal(out: Path) -> None:
    """End a swap of two renames: what was replaced goes, or comes back if its successor never came."""
    if _old(out).is_dir():
        shutil.rmtree(_old(out)) if out.exists() else _old(out).rename(out)
