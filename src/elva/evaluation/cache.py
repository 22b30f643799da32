"""Vectors on disk by what an item says and shows, so that no evaluation embeds twice what any one did before.

    DIR/{model fingerprint}-{extraction}/
        {first 32 hex digits of a digest of its keys}/
            keys.npy          uint64 [n, 2], what each row says and shows
            vectors.npy       float32 [n, dimension], unit length
            flags.npy         uint8 [n, 2]: [RET] was forced, the text was cut
            summaries.jsonl   what the model wrote, one JSON string a line

A folder of rows is written beside its place and renamed when it is whole and on the disk; it never changes again. So a
killed evaluation loses the block it was at, several may write at once, and nothing half-written is ever read. A folder
that was damaged by others is told, removed, and its items are embedded again.

Held in memory are 24 bytes a row. Keys are 128 bits of sha256; the vectors are mapped, and read where they are ranked.
"""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from elva.clips import visual_key
from elva.encoding import Encoder, Encoding, ModelIdentity, Progress, Vectors
from elva.errors import InputError
from elva.evaluation.kept import Taken
from elva.index.folder import refusing
from elva.index.gallery import Ints, require_finite
from elva.index.stacked import Stacked
from elva.items import Item
from elva.whole import remove_leftovers, sync_all, whole_folder

LOG = logging.getLogger(__name__)

BLOCK = 4096
"""Items between two writes: what a killed process loses at most."""

Keys = npt.NDArray[np.uint64]
Flags = npt.NDArray[np.uint8]


def item_key(item: Item) -> bytes:
    """128 bits that tell what an item says and shows; a picture by its content, wherever it lies.

    Raises:
        MediaError: a picture can't be read.
    """
    turns = [[turn.text, None if turn.shown is None else visual_key(turn.shown)] for turn in item.parts]
    said = json.dumps([item.instruction, item.turns is not None, turns], ensure_ascii=True)
    return hashlib.sha256(said.encode()).digest()[:16]


class VectorCache:
    """The vectors of one model.

    Args:
        folder: the cache; made when something is written.
        model: whose vectors; those of others lie beside.
        block: how many items are embedded between two writes.

    Raises:
        InputError: the folder is a file.
    """

    def __init__(self, folder: Path, model: ModelIdentity, block: int = BLOCK) -> None:
        if folder.exists() and not folder.is_dir():
            raise InputError(f"the cache {folder} is a file; give a folder")
        self._folder = folder / f"{model.fingerprint}-{model.extraction}"
        self._block = block
        self.vectors = Stacked(model.dimension)
        self._shards: list[Path] = []
        self._starts = [0]
        self._flags = np.zeros((0, 2), np.uint8)
        self._known = np.zeros((0, 2), np.uint64)  # keys, ascending by their first half
        self._rows = np.zeros(0, np.int64)  # the row of each
        self._lines = lru_cache(maxsize=8)(_read_lines)
        remove_leftovers(self._folder, "*")
        self._add([shard for shard in sorted(self._folder.glob("*")) if not shard.name.startswith(".")])

    def __len__(self) -> int:
        """How many vectors it holds."""
        return len(self._rows)

    def take(self, encoder: Encoder, items: Sequence[Item], progress: Progress | None = None) -> Taken:
        """The rows of items; those that are not there are embedded, and written block by block.

        Raises:
            MediaError: a picture can't be read.
            VectorError: a vector is not finite; nothing of its block is written.
            FolderError: the system refuses to write.
        """
        rows = [self._some(encoder, items[at : at + self._block], progress) for at in range(0, len(items), self._block)]
        found = np.concatenate([np.zeros(0, np.int64), *rows])
        forced, cut = self._flags[found].sum(axis=0, dtype=np.int64).tolist()
        return Taken(found, forced, cut)

    def summary(self, row: int) -> str:
        """What the model wrote."""
        shard = int(np.searchsorted(self._starts, row, side="right")) - 1
        return self._lines(self._shards[shard])[row - self._starts[shard]]

    def _some(self, encoder: Encoder, items: Sequence[Item], progress: Progress | None) -> Ints:
        keys = np.frombuffer(b"".join(map(item_key, items)), np.uint64).reshape(-1, 2)
        rows = self._find(keys)
        missing = np.flatnonzero(rows < 0)
        if progress and len(missing) < len(rows):
            progress(len(rows) - len(missing))
        if len(missing):
            _, first = np.unique(keys[missing], axis=0, return_index=True)
            once = missing[np.sort(first)]  # what several items say alike is embedded once
            if progress and len(once) < len(missing):
                progress(len(missing) - len(once))
            encoding = encoder.embed([items[place] for place in once.tolist()], progress=progress)
            require_finite([items[place].label() for place in once.tolist()], encoding.vectors)
            self._add([self._write(keys[once], encoding)])
            rows = self._find(keys)
        return rows

    def _find(self, keys: Keys) -> Ints:
        """The row of each key, -1 where it is not there."""
        if not len(self._rows):
            return np.full(len(keys), -1)
        place = np.minimum(np.searchsorted(self._known[:, 0], keys[:, 0]), len(self._rows) - 1)
        return np.where((self._known[place] == keys).all(axis=1), self._rows[place], -1)

    def _write(self, keys: Keys, encoding: Encoding) -> Path:
        out = self._folder / hashlib.sha256(keys.tobytes()).hexdigest()[:32]
        with refusing(self._folder), whole_folder(out, replace=True) as shard:
            np.save(shard / "keys.npy", keys)
            np.save(shard / "vectors.npy", np.asarray(encoding.vectors, np.float32))
            np.save(shard / "flags.npy", _flags(encoding))
            lines = "".join(json.dumps(summary, ensure_ascii=False) + "\n" for summary in encoding.summaries)
            (shard / "summaries.jsonl").write_text(lines, "utf-8")
            sync_all(shard)
        return out

    def _add(self, shards: Sequence[Path]) -> None:
        """Take what lies in folders of rows; one that is damaged is told and removed."""
        known, rows, flags = [self._known], [self._rows], [self._flags]
        for shard in shards:
            try:
                keys, vectors, own = _read(shard, self.vectors.dimension)
            except (OSError, ValueError, EOFError) as error:
                LOG.warning("%s is damaged (%s): it is removed, and its items are embedded again", shard, error)
                shutil.rmtree(shard, ignore_errors=True)
                continue
            known.append(keys)
            rows.append(np.arange(len(self.vectors), len(self.vectors) + len(keys)))
            flags.append(own)
            self.vectors.append(vectors)
            self._shards.append(shard)
            self._starts.append(len(self.vectors))
        every, numbers = np.concatenate(known), np.concatenate(rows)
        order = np.argsort(every[:, 0], kind="stable")  # two runs that ascend are merged in one sweep
        self._known, self._rows, self._flags = every[order], numbers[order], np.concatenate(flags)


def _read(shard: Path, dimension: int) -> tuple[Keys, Vectors, Flags]:
    """Keys, vectors and flags of a folder of rows, the vectors mapped; ValueError where they do not fit together."""
    keys, flags = np.load(shard / "keys.npy"), np.load(shard / "flags.npy")
    vectors = np.load(shard / "vectors.npy", mmap_mode="r")
    count = len(keys)
    expected = [("uint64", (count, 2)), ("float32", (count, dimension)), ("uint8", (count, 2))]
    found = [(str(each.dtype), each.shape) for each in (keys, vectors, flags)]
    if found != expected:
        raise ValueError(f"{found}, expected {expected}")
    if (shard / "summaries.jsonl").stat().st_size < count:
        raise ValueError("summaries.jsonl is too short")
    return keys, vectors, flags


def _read_lines(shard: Path) -> list[str]:
    with (shard / "summaries.jsonl").open(encoding="utf-8") as file:
        return [str(json.loads(line)) for line in file]


def _flags(encoding: Encoding) -> Flags:
    """Which items had [RET] forced or their text cut; of an encoder that does not tell which, the first ones."""
    flags = np.zeros((len(encoding.vectors), 2), np.uint8)
    told = (encoding.forced_ret, encoding.forced_items), (encoding.truncated, encoding.truncated_items)
    for column, (count, items) in enumerate(told):
        flags[list(items) if len(items) == count else slice(0, count), column] = 1
    return flags
