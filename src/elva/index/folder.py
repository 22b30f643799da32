"""Folders of results: what a command may replace, and reading what it wrote."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from elva.encoding import Vectors
from elva.errors import InputError
from elva.whole import sync_all, whole_folder


class FolderError(InputError):
    """A folder that can't be written or is not what it should be."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of folder that a command writes, and may replace by a newer one.

    Attributes:
        name: what it is, for people.
        marker: a JSON file that every such folder holds.
        says: what stands in the marker of this kind and of no other.
        files: patterns of all that may lie in it.
        command: what makes it, for people.
    """

    name: str
    marker: str
    says: Mapping[str, Any]
    files: tuple[str, ...]
    command: str

    @property
    def remedy(self) -> str:
        """What helps when such a folder is damaged."""
        return f"make the folder again with `{self.command}`"

    def foreign(self, folder: Path) -> str | None:
        """Why a folder is not of this kind alone, or None."""
        try:
            content = json.loads((folder / self.marker).read_text("utf-8"))
        except FileNotFoundError:
            return f"holds no {self.marker}"
        except (OSError, ValueError):
            content = None
        if not isinstance(content, dict) or not self.says.items() <= content.items():
            return f"its {self.marker} is not that of an {self.name}"
        ours = {path for pattern in self.files for path in folder.glob(pattern)}
        others = sorted(path for path in folder.rglob("*") if path not in ours and not path.is_dir())
        return f"holds {others[0].relative_to(folder)} too" if others else None


EVALUATION = Kind(
    "evaluation",
    "results.json",
    {"benchmark": "mbeir"},
    ("results.json", "table.md", "summaries.jsonl", "runs/*.trec", "qrels/*.txt"),
    "elva evaluate",
)
INDEX = Kind(
    "index",
    "meta.json",
    {"schema": "elva-index-2"},
    ("meta.json", "items-*.jsonl", "vectors-*.npy", "thumbnails-*.bin", "entries.lance/**/*", "readers/*", ".lock",
     "claim", "last-search.png"),
    "elva index",
)  # fmt: skip
OLD_INDEX = Kind(
    "index",
    "meta.json",
    {"schema": "elva-index-1"},
    ("meta.json", "items.jsonl", "vectors.npy", "model.json", "last-search.png"),
    "elva index",
)
"""Of versions before 0.2: it isn't read, and a new index may take its place."""
VECTORS = Kind(
    "embedding",
    "meta.json",
    {"schema": "elva-vectors-1"},
    ("meta.json", "ids.jsonl", "vectors-*.npy"),
    "elva embed",
)
UNFINISHED = Kind(
    "unfinished embedding",
    "unfinished.json",
    {"schema": "elva-shards-1"},
    ("unfinished.json", ".lock", "attempts/*", "shards/*/*"),
    "elva embed --ray",
)
"""What `elva embed --ray` leaves when it is stopped, and goes on from; see `elva.evaluation.shards`."""


def require_free(out: Path, kind: Kind) -> None:
    """Raise FolderError unless `out` can be made, is empty, or holds a folder of this kind and nothing else.

    Called before the work starts, so that it isn't lost.
    """
    if not out.exists():
        above = next(path for path in out.absolute().parents if path.exists())
        if not above.is_dir():
            raise FolderError(f"{out} can't be made: {above} is a file; choose another folder")
        return
    if not out.is_dir():
        raise FolderError(f"{out} is a file; give a folder")
    if kind is VECTORS and UNFINISHED.foreign(out) is None:
        raise FolderError(_half_embedded(out))
    foreign = kind.foreign(out) if any(out.iterdir()) else None
    if foreign:
        raise FolderError(
            f"{out} exists and is not an {kind.name} that could be replaced: it {foreign}; "
            "choose another folder, or empty this one"
        )


@contextmanager
def published(out: Path, kind: Kind, stage: Kind | None = None) -> Iterator[Path]:
    """Yield a temporary folder beside `out`: on success it becomes `out`, else it is removed.

    Args:
        out: where the finished folder goes. An older one of this kind is replaced.
        kind: what is written; anything else that lies there is never replaced: FolderError.
        stage: a kind of folder that becomes this one, and may be replaced too.
    """
    if stage is None or stage.foreign(out) is not None:
        require_free(out, kind)
    with whole_folder(out, replace=True) as temporary:
        yield temporary
        sync_all(temporary)


@contextmanager
def new_index(out: Path, replaced: tuple[Kind, ...] = (OLD_INDEX,)) -> Iterator[Path]:
    """Yield a temporary folder beside `out`: on success it becomes `out`, else it is removed.

    Args:
        out: where the index goes.
        replaced: the kinds of folder that it may replace.

    Raises:
        FolderError: something else lies there, or the system refuses.
    """
    old = out.is_dir() and any(kind.foreign(out) is None for kind in replaced)
    if not old and out.is_dir() and any(out.iterdir()):
        raise FolderError(f"{out} holds something already; choose another folder, or empty this one")
    if not old:
        require_free(out, INDEX)  # it may be a file, or lie below one
    with refusing(out), whole_folder(out, replace=old) as temporary:
        yield temporary
        sync_all(temporary)


@contextmanager
def refusing(folder: Path) -> Iterator[None]:
    """Turn what the system refuses, such as room on the disk, into a FolderError that says what stays."""
    try:
        yield
    except (OSError, RuntimeError, ValueError) as error:  # LanceDB tells it by the latter two
        raise FolderError(
            f"{folder} can't be written ({error}); what was published before is as it was. "
            "Look at the rights and the space left, then do the same again"
        ) from error


def write_json(path: Path, value: Any) -> None:
    """Write readable JSON; the same value always gives the same bytes, and NaN is refused."""
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n", "utf-8")


def write_jsonl(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write one JSON object a line."""
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n")


@contextmanager
def reading(path: Path, kind: Kind) -> Iterator[None]:
    """Turn what a missing, torn or foreign file raises into a FolderError that names it and says what to do.

    Args:
        path: the file that is read inside.
        kind: of the folder that it lies in.
    """
    try:
        yield
    except FileNotFoundError as error:
        raise FolderError(f"{path} is missing: {kind.remedy}") from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError, EOFError) as error:
        raise FolderError(f"{path} is damaged ({type(error).__name__}: {error}): {kind.remedy}") from error


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    """Read what `write_jsonl` wrote."""
    with path.open(encoding="utf-8") as file:
        return [json.loads(line) for line in file if line.strip()]


def read_vectors(path: Path, dimension: int, *, mapped: bool = False) -> Vectors:
    """Read float32 [n, dimension] as numpy saved it, or map the file; ValueError on any other shape."""
    if mapped:
        vectors: np.ndarray = np.lib.format.open_memmap(path, mode="r")
    else:
        with path.open("rb") as file:
            vectors = np.lib.format.read_array(file, allow_pickle=False)
    if vectors.ndim != 2 or vectors.shape[1] != dimension:
        raise ValueError(f"shape {vectors.shape}, expected (n, {dimension})")
    return vectors.astype(np.float32, copy=False)


def _half_embedded(folder: Path) -> str:
    return (
        f"{folder} is only half embedded: run the `{UNFINISHED.command}` that began it again, with the same data, "
        "model and options; it goes on with the shards that are missing"
    )


def read_meta(folder: Path, kind: Kind) -> dict[str, Any]:
    """Read the marker of a folder and require that it is one of this kind; raises FolderError."""
    path = folder / kind.marker
    if not folder.is_dir():
        raise FolderError(f"{folder} does not exist; check the path")
    if kind is VECTORS and (folder / UNFINISHED.marker).is_file():
        raise FolderError(_half_embedded(folder))
    if not path.is_file():
        raise FolderError(
            f"{folder} is not an {kind.name} folder: it holds no {kind.marker}; make it with `{kind.command}`"
        )
    with reading(path, kind):
        meta = dict(json.loads(path.read_text("utf-8")))
    for key, value in kind.says.items():
        if meta.get(key) != value:
            raise FolderError(f"{path}: {key} is {meta.get(key)!r}, expected {value!r}: {kind.remedy}")
    return meta
