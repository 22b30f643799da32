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


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    """Read what `write_jsonl` wrote."""
    with path.open(encoding="utf-8") as file:
        return [json.loads(line) for line in file if line.strip()]


def read_meta(folder: Path, schema: str) -> dict[str, Any]:
    """Read `folder/meta.json` and require that it says it is a `schema`; raises FolderError."""
    path = folder / "meta.json"
    if not path.is_file():
        raise FolderError(f"{folder} is not an {schema} folder: it holds no meta.json")
    meta: dict[str, Any] = json.loads(path.read_text("utf-8"))
    if meta.get("schema") != schema:
        raise FolderError(f"{path}: schema is {meta.get('schema')!r}, expected {schema!r}")
    return meta
