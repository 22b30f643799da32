"""Which store a folder is of, and which one a new folder gets."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from elva.encoding import ModelIdentity
from elva.errors import InputError
from elva.index.address import Address
from elva.index.exact import ExactIndex
from elva.index.folder import FolderError
from elva.index.lance import LanceIndex
from elva.index.milvus import MilvusIndex
from elva.index.pointer import Pointer
from elva.index.protocol import NOWHERE, Codes, Index, Origin

STORES: dict[str, type[ExactIndex] | type[LanceIndex] | type[MilvusIndex]] = {
    "exact": ExactIndex,
    "lance": LanceIndex,
    "milvus": MilvusIndex,
}


def open_index(folder: Path, model: ModelIdentity | None = None, *, writing: bool = False) -> Index:
    """Open what was published last, by the store that wrote it.

    Args:
        folder: what `elva index`, or `create_index`, made.
        model: what will make the queries, if any will be made.
        writing: also change it; one process at a time.

    Raises:
        FolderError: it is no index, or damaged.
        IndexMismatch: the index was built with another model; names both.
        FolderInUse: `writing`, and another process is; names it.
        MissingExtra: the store isn't installed.
        StoreError: it can't be reached.
    """
    name = Pointer.read(folder).store
    if name not in STORES:
        raise FolderError(f"{folder} is of an unknown store {name!r}; there are {', '.join(STORES)}")
    return STORES[name].open(folder, model, writing=writing)


def create_index(
    folder: Path,
    model: ModelIdentity,
    origin: Origin = NOWHERE,
    store: str = "auto",
    address: Address | None = None,
    codes: Codes = "none",
) -> Index:
    """Make a folder of an empty index, and open it for writing.

    Args:
        folder: a new or empty one, or one of an index of an older version, which is replaced.
        model: what will make the vectors.
        origin: where the items come from.
        store: "lance", "exact", "milvus", or "auto": LanceDB where it is installed.
        address: where the store is; of "milvus" alone.
        codes: what "lance" looks through where there are many.

    Raises:
        InputError: there is no such store, an address is missing or too much, or another store is to have codes.
        FolderError: something else lies there, or the system refuses.
        MissingExtra: the store isn't installed.
        StoreError: it can't be reached.
    """
    if store == "auto":
        store = "lance" if find_spec("lancedb") else "exact"
    if store not in STORES:
        raise InputError(f"there is no store {store!r}; there are auto, {', '.join(STORES)}")
    if codes != "none" and store != "lance":
        raise InputError(
            f"the store {store} compares whole vectors, without codes such as {codes}; take lance "
            '(pip install "elva-retrieval[lancedb]"), or leave codes out'
        )
    if store == "milvus":
        if address is None:
            raise InputError("the store milvus needs an address: --uri http://host:19530, or --uri folder/name.db")
        return MilvusIndex.create(folder, model, origin, address)
    if address is not None:
        raise InputError(f"the store {store} has no address: --uri is for --store milvus")
    if store == "lance":
        return LanceIndex.create(folder, model, origin, codes)
    return ExactIndex.create(folder, model, origin)


def model_of(folder: Path) -> str:
    """The path or name of the model that an index was made with.

    Raises:
        FolderError: it is no index.
        InputError: it doesn't say, or the model isn't there any more.
    """
    path = Pointer.read(folder).origin.model
    if path is None:
        raise InputError(f"{folder} doesn't say which model made it; make it with `elva index`, or give --model")
    if Path(path).is_absolute() and not Path(path).is_dir():
        raise InputError(f"{folder} was made with the model {path}, which is not there any more; give --model")
    return path
