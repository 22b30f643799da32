"""Publishing a folder at once: readers see the old one or the new one, never half of either."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from elva.encoding import Vectors
from elva.errors import InputError


class FolderError(InputError):
    """A folder that can't be written or is not what it should be."""


@contextmanager
def published(out: Path, marker: str) -> Iterator[Path]:
    """Yield a temporary folder beside `out`: on success it becomes `out`, else it is removed.

    Args:
        out: where the finished folder goes. An older one is replaced.
        marker: a file that every such folder holds. A non-empty folder without it belongs to
            somebody else and is never replaced: FolderError.
    """
    if out.exists() and not (out / marker).is_file() and (not out.is_dir() or any(out.iterdir())):
        raise FolderError(f"{out} exists and holds no {marker}: choose another folder or empty this one")
    out.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    temporary.chmod(0o755)  # mkdtemp gives 0700, and results are meant to be read
    try:
        yield temporary
        _sync(temporary)
        _swap(temporary, out)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _swap(new: Path, out: Path) -> None:
    if not out.exists():
        new.rename(out)
        return
    old = Path(tempfile.mkdtemp(prefix=f".{out.name}-old-", dir=out.parent))
    out.rename(old / out.name)
    new.rename(out)
    shutil.rmtree(old, ignore_errors=True)


def _sync(folder: Path) -> None:
    """Flush every file to disk, so that a power cut can't publish empty files."""
    for path in (each for each in folder.rglob("*") if each.is_file()):
        with path.open("rb") as file:
            os.fsync(file.fileno())


def write_json(path: Path, value: Any) -> None:
    """Write readable JSON; the same value always gives the same bytes, and NaN is refused."""
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n", "utf-8")


def write_jsonl(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write one JSON object a line."""
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n")


@contextmanager
def reading(path: Path, fix: str) -> Iterator[None]:
    """Turn what a missing, torn or foreign file raises into a FolderError that names it and says what to do.

    Args:
        path: the file that is read inside.
        fix: what the user can do, such as "build it again with `elva index`".
    """
    try:
        yield
    except FileNotFoundError as error:
        raise FolderError(f"{path} is missing: {fix}") from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError, EOFError) as error:
        raise FolderError(f"{path} is damaged ({type(error).__name__}: {error}): {fix}") from error


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    """Read what `write_jsonl` wrote."""
    with path.open(encoding="utf-8") as file:
        return [json.loads(line) for line in file if line.strip()]


def read_vectors(path: Path, dimension: int) -> Vectors:
    """Read float32 [n, dimension] as numpy saved it; ValueError on any other shape."""
    with path.open("rb") as file:
        vectors = np.lib.format.read_array(file, allow_pickle=False)
    if vectors.ndim != 2 or vectors.shape[1] != dimension:
        raise ValueError(f"shape {vectors.shape}, expected (n, {dimension})")
    return vectors.astype(np.float32, copy=False)


def read_meta(folder: Path, schema: str, fix: str) -> dict[str, Any]:
    """Read `folder/meta.json` and require that it says it is a `schema`; FolderError ends in `fix` where it is not."""
    path = folder / "meta.json"
    if not path.is_file():
        raise FolderError(f"{folder} holds no meta.json, so it is no {schema} folder: give another one, or {fix}")
    with reading(path, fix):
        meta: dict[str, Any] = json.loads(path.read_text("utf-8"))
        found = meta.get("schema")
    if found != schema:
        raise FolderError(f"{path}: schema is {found!r}, expected {schema!r}: give another folder, or {fix}")
    return meta
