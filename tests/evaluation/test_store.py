"""The vector folder: damage is named with what to do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from elva.encoding import Encoding, ModelIdentity
from elva.evaluation.store import VectorStore
from elva.index.folder import FolderError


def saved(folder: Path) -> Path:
    store = VectorStore(ModelIdentity("one", "abc", "generative", 2))
    store.put("query", ["1:1", "1:2"], Encoding(np.eye(2, dtype=np.float32), ["red", "blue"]))
    store.save(folder)
    return folder


@pytest.mark.parametrize("name", ["vectors-00000.npy", "ids.jsonl", "meta.json"])
@pytest.mark.parametrize("damage", ["missing", "torn", "empty", "foreign"])
def test_a_damaged_file_is_named_with_what_to_do(tmp_path: Path, name: str, damage: str) -> None:
    path = saved(tmp_path / "v") / name
    if damage == "missing":
        path.unlink()
    else:
        whole = path.read_bytes()
        path.write_bytes({"torn": whole[: len(whole) // 2 + 1], "empty": b"", "foreign": b"[1]\n"}[damage])
    with pytest.raises(FolderError, match="with `elva embed`") as caught:
        VectorStore.load(tmp_path / "v")
    assert name in str(caught.value) or str(caught.value).startswith(f"{tmp_path / 'v'} is damaged: ")


def test_files_stand_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    folder = saved(tmp_path / "v")
    vectors = np.load(folder / "vectors-00000.npy")
    (folder / "vectors-00000.npy").unlink()
    np.save(folder / "vectors-99999.npy", vectors[:1])
    np.save(folder / "vectors-100000.npy", vectors[1:])
    store = VectorStore.load(folder)
    assert np.array_equal(store.stacked.take(np.arange(len(vectors))), vectors)


def test_vectors_of_another_width_are_damage(tmp_path: Path) -> None:
    np.save(saved(tmp_path / "v") / "vectors-00000.npy", np.eye(3, dtype=np.float32)[:2])
    with pytest.raises(FolderError, match=r"vectors-00000\.npy is damaged .*\(2, 3\)"):
        VectorStore.load(tmp_path / "v")
