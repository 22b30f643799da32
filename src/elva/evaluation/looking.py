"""The files of a benchmark, looked at before a model is asked for anything: what is asked, pictures and clips."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path

from elva.clips import Clip, size_and_frames
from elva.data.unseen.clips import MOVING
from elva.encoding import Watch
from elva.errors import MediaError
from elva.media import load_image


def fingerprint(root: Path, files: Iterable[Path]) -> str:
    """sha256 in hex over names and contents of the files below `root` that say what is asked, not of pictures."""
    digest = hashlib.sha256()
    for path in sorted(files):
        with path.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
        digest.update(f"{path.relative_to(root).as_posix()} {content}\n".encode())
    return digest.hexdigest()


def unusable(files: Iterable[Path], watch: Watch | None = None) -> dict[Path, MediaError]:
    """Those that are not there or can't be opened, and why.

    A picture is decoded; of a clip, which costs far more, what says how many frames it has is read.

    Raises:
        MissingExtra: clips are video files, and PyAV is not installed.
    """
    files = list(files)
    progress = watch("checking pictures", len(files)) if watch else None
    bad = {}
    for path in files:
        try:
            _look(path)
        except MediaError as error:
            bad[path] = error
        if progress:
            progress(1)
    return bad


def told(name: str, files: int, bad: Mapping[Path, MediaError], images: str) -> str:
    """All that is unusable, in one line.

    Args:
        name: of the benchmark, as the command calls it.
        files: how many were looked at.
        bad: those that can't be used; at least one.
        images: what to download.
    """
    error = next(iter(bad.values()))
    return (
        f"{name}: {len(bad):,} of {files:,} files can't be used, for one: {error}. "
        f"Download {images} (docs/benchmarks.md)"
    )


def _look(path: Path) -> None:
    if path.is_dir() or path.suffix.lower() in MOVING:
        size_and_frames(Clip(path))
    else:
        load_image(path)
