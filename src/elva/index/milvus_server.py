"""Reaching a Milvus: connecting, the collection of an index, and what goes wrong in words of ours.

What every collection says of itself, as properties: `elva.model`, the model of its vectors as JSON; `elva.version`,
what was published last, or was about to be when its writer ended; and `elva.word`, by which the writer's folder knows
it.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from elva.encoding import ModelIdentity
from elva.errors import FolderInUse, IndexMismatch, InputError, MissingExtra, StoreError
from elva.index.address import Address
from elva.index.folder import FolderError
from elva.index.milvus_rows import IMAGES, TEXTS, schema_of

if TYPE_CHECKING:
    from pymilvus import MilvusClient

MODEL, VERSION, WORD = "elva.model", "elva.version", "elva.word"
PAUSES = (0.5, 1.0, 2.0, 0.0)
"""Seconds after each try to connect."""
CONNECTING = 5.0
"""Seconds that a try to connect may take: with the pauses, 24 at most."""
ANSWERING = 60.0
"""Seconds that a request may take, repetitions included; pymilvus repeats what fails on the way."""
LINKS, BUILDING = 32, 200
"""M and efConstruction of HNSW: links of a vector, and how many are looked at for them."""


def connected(address: Address) -> MilvusClient:
    """A client of the store.

    Raises:
        MissingExtra: pymilvus, or for a path milvus-lite, isn't installed.
        InputError: the token is not there.
        FolderInUse: another process runs this Milvus Lite.
        StoreError: it doesn't answer.
    """
    try:
        from grpc import RpcError
        from pymilvus import MilvusClient, MilvusException

        if address.local:
            import milvus_lite  # noqa: F401
    except ImportError as error:
        raise MissingExtra("milvus-lite" if error.name == "milvus_lite" else "pymilvus", "milvus") from error
    for name in ("pymilvus", "milvus_lite"):  # they print the traces of errors that are told by ours
        logging.getLogger(name).setLevel(logging.CRITICAL)
    token, last = address.token(), ""
    # A Milvus Lite answers pings with a refusal that gRPC prints, and nothing can come between it and its own process.
    options = {"grpc_options": {"grpc.keepalive_time_ms": 2**31 - 1}} if address.local else {}
    for pause in PAUSES:
        try:
            return MilvusClient(address.uri, token=token, timeout=CONNECTING, **options)
        except (MilvusException, RpcError) as error:
            last = _said(error)
        _require_free(address)
        time.sleep(pause)
    what = "the folder and its rights" if address.local else "the address, the token, and whether Milvus runs"
    raise StoreError(f"{address.uri} can't be reached, tried {len(PAUSES)} times ({last}): check {what}")


def _require_free(address: Address) -> None:
    """Raise FolderInUse where another process runs this Milvus Lite: pymilvus doesn't tell."""
    if not address.local:
        return
    with suppress(FileNotFoundError, NotADirectoryError, PermissionError):
        descriptor = os.open(Path(address.uri) / "LOCK", os.O_RDWR)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise FolderInUse(
                f"{address.uri} is in use by another process, and a Milvus Lite takes one at a time: end it, "
                "or run a Milvus server"
            ) from error
        finally:
            os.close(descriptor)


@contextmanager
def asking(address: Address) -> Iterator[None]:
    """Turn what Milvus raises into a StoreError that names the address."""
    from grpc import RpcError
    from pymilvus import MilvusException

    try:
        yield
    except UnicodeError as error:
        raise InputError(f"a text holds what is no Unicode, which Milvus can't be asked for ({error})") from error
    except (MilvusException, RpcError) as error:  # pymilvus passes some of gRPC on as they are
        raise StoreError(
            f"{address} does not answer as it should ({_said(error)}); what was published before is as it was. "
            "Look at that Milvus, then do the same again"
        ) from error


def _said(error: Any) -> str:
    """What an error of pymilvus or of gRPC says, in one line."""
    said = getattr(error, "message", None) or (error.details() if hasattr(error, "details") else "")
    return " ".join(str(said or type(error).__name__).split())


def make_collection(client: MilvusClient, address: Address, model: ModelIdentity) -> None:
    """Make the empty collection of an index, in place of one that was made and never used.

    Raises:
        FolderError: there is one that is somebody's.
        IndexMismatch: there is one of another model.
        StoreError: Milvus refuses.
    """
    with asking(address):
        if client.has_collection(address.collection, timeout=ANSWERING):
            _require_unused(client, address, model)
            client.drop_collection(address.collection, timeout=ANSWERING)
        client.create_collection(
            address.collection,
            schema=schema_of(model.dimension),
            index_params=_indices(client, address),
            properties={MODEL: json.dumps(model.to_row())},
            consistency_level="Strong",
            timeout=ANSWERING,
        )
        for name in (IMAGES, TEXTS):
            client.create_partition(address.collection, name, timeout=ANSWERING)


def _require_unused(client: MilvusClient, address: Address, model: ModelIdentity) -> None:
    _require_model(client, address, model)
    if VERSION in properties(client, address):
        raise FolderError(
            f"the {address} is the index of another folder already: choose another name with --collection, or drop it, "
            f"if nobody needs it: {_dropping(address)}"
        )


def _dropping(address: Address) -> str:
    token = "" if address.token_env is None else f", token=os.environ[{address.token_env!r}]"
    return f"MilvusClient({address.uri!r}{token}).drop_collection({address.collection!r})"


def _indices(client: MilvusClient, address: Address) -> Any:
    """Milvus Lite compares everything: it is for few vectors, and its indices of some rows may miss near ones."""
    params = client.prepare_index_params()
    graph = {"index_type": "HNSW", "params": {"M": LINKS, "efConstruction": BUILDING}}
    params.add_index("vector", metric_type="IP", **({"index_type": "FLAT"} if address.local else graph))
    params.add_index("terms", index_type="SPARSE_INVERTED_INDEX", metric_type="IP")
    params.add_index("key", index_type="INVERTED")
    for column in () if address.local else ("born", "died", "words", "facts"):  # Lite knows none of arrays
        params.add_index(column, index_type="INVERTED")
    return params


def require_collection(client: MilvusClient, address: Address, model: ModelIdentity) -> None:
    """Raise unless the collection is there, is of this model, and can be searched.

    Raises:
        FolderError: it isn't there.
        IndexMismatch: it is of another model.
        StoreError: Milvus refuses.
    """
    with asking(address):
        if not client.has_collection(address.collection, timeout=ANSWERING):
            raise FolderError(
                f"the {address} is not there any more: index again into another folder, or bring it back from a backup"
            )
        _require_model(client, address, model)
        client.load_collection(address.collection, timeout=ANSWERING)  # of one that is loaded it does nothing


def _require_model(client: MilvusClient, address: Address, model: ModelIdentity) -> None:
    described = client.describe_collection(address.collection, timeout=ANSWERING)
    said = _properties_of(described).get(MODEL)
    if said is None:
        raise FolderError(f"the {address} was not made by `elva index`: choose another name with --collection")
    there = ModelIdentity.from_row(json.loads(said))
    width = next((int(each["params"]["dim"]) for each in described["fields"] if each["name"] == "vector"), 0)
    if not there.produces(model) or width != model.dimension:
        raise IndexMismatch(
            f"the {address} holds vectors of {there.name} ({there.extraction}, {there.fingerprint[:12]}, {width} "
            f"numbers), not of {model.name} ({model.extraction}, {model.fingerprint[:12]}, {model.dimension} numbers): "
            "choose another name with --collection, or that model"
        )


def properties(client: MilvusClient, address: Address) -> dict[str, str]:
    """What the collection says of itself."""
    return _properties_of(client.describe_collection(address.collection, timeout=ANSWERING))


def _properties_of(described: dict[str, Any]) -> dict[str, str]:
    return dict(described.get("properties") or {})
