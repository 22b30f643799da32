"""What a store of vectors takes to fill and to ask, beside what stands below it: its engine's query, or plain numpy.

Each store is filled and asked in processes of its own, so that the memory is its own. The peers do what one writes
without ELVA: LanceDB's query of the same table for the columns that a result shows, looking into as many parts, once
for as many rows as are wanted and once for as many as ours asks for; in numpy a product, `argpartition`, and the order
of what it chose; in Milvus a search of the same collection, without versions. "milvus" is a Milvus Lite, which compares
everything.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from clustered import DIMENSION, blocks, vectors_and_queries
from elva.encoding import ModelIdentity, Vectors
from elva.index import lance, milvus_rows
from elva.index.address import Address
from elva.index.lance_rows import DISPLAYED
from elva.index.opening import create_index, open_index
from elva.index.versioned import SPARE
from interleaved import latencies, percentile_ratio, percentiles
from measure import MB, Meter, measured

STORES = ("lance", "exact", "milvus")
ENGINES = {"lance": ("lancedb",), "exact": (), "milvus": ("pymilvus", "milvus_lite")}
MODEL = ModelIdentity("none", "none", "generative", DIMENSION)
RESULTS = 10
TIMED = 10_000_000
"""Items that the timed queries of a round meet, all together: fewer queries where there are more items."""
LEAST_TIMED = 20
OURS, BARE, WIDER = "ours", "bare", "bare, as many rows"
"""`WIDER` asks LanceDB for the few rows more that ours compares: of a large table that takes longer, and finds more."""


def stores_of(folder: Path, stores: Sequence[str], size: int, queries: int, repeats: int) -> dict[str, dict[str, Any]]:
    """Fill and ask the stores, "exact" among them, with so many vectors; figures by store."""
    vectors, asked = vectors_and_queries(size, queries)
    np.save(folder / "vectors.npy", vectors)
    np.save(folder / "queries.npy", asked)
    del vectors
    rows = {store: _figures(folder, store, size, repeats) for store in stores}
    truth = rows["exact"]["found"][OURS]
    for row in rows.values():
        row["recall"] = {name: _recall(found, truth) for name, found in row.pop("found").items()}
    return rows


def _recall(found: Sequence[Sequence[str]], truth: Sequence[Sequence[str]]) -> float:
    shares = [len({*own} & {*exact}) / len(exact) for own, exact in zip(found, truth, strict=True)]
    return sum(shares) / len(shares)


def _figures(folder: Path, store: str, size: int, repeats: int) -> dict[str, Any]:
    phases = {**measured(filled, folder, store), **measured(asked_of, folder, store, repeats)}
    taken = json.loads((folder / f"{store}.json").read_text())
    return {
        "items_per_second": size / (phases["add"].seconds + phases["publish"].seconds),
        "disk_mb": sum(each.stat().st_size for each in folder.rglob(f"{store}*/**/*") if each.is_file()) / MB,
        "phases": {name: asdict(figures) for name, figures in phases.items()},
        "milliseconds": {name: percentiles(rounds) for name, rounds in taken["latencies"].items()},
        "times_as_long": {
            peer: {f"p{p}": percentile_ratio(taken["latencies"], OURS, peer, p) for p in (50, 95)}
            for peer in taken["latencies"]
            if peer != OURS
        },
        "cosines": taken["cosines"],
        "found": taken["found"],
    }


# --- in processes of their own


def filled(meter: Meter, folder: Path, store: str) -> None:
    """Add all vectors, publish."""
    vectors = np.load(folder / "vectors.npy", mmap_mode="r")
    _import(store)
    meter.begin()
    lies = Address.checked(str(folder / "milvus.db"), folder / store) if store == "milvus" else None
    index = create_index(folder / store, MODEL, store=store, address=lies)
    for entries, some in blocks(vectors):
        index.add(entries, some)
    meter.end("add")
    index.publish()
    meter.end("publish")
    index.close()


def asked_of(meter: Meter, folder: Path, store: str, repeats: int) -> None:
    """Open, search, and search beside the peer; found ids and latencies go to a file."""
    queries = np.load(folder / "queries.npy")
    _import(store)
    meter.begin()
    index = open_index(folder / store, MODEL)
    index.search(queries[:1], RESULTS)
    meter.end("open")
    found = index.search(queries, RESULTS)
    meter.end("search")
    if store == "exact":
        peers = {BARE: _numpy(np.load(folder / "vectors.npy"))}
    else:
        peers = _lance(index) if store == "lance" else _milvus(index)
    works = {OURS: lambda query: index.search(query[None], RESULTS), **peers}
    timed = queries[: max(LEAST_TIMED, TIMED // len(index))]
    content = {
        "found": {
            OURS: [[hit.entry.id for hit in hits] for hits in found],
            **{name: [_ids(peer(query)) for query in queries] for name, peer in peers.items() if store != "exact"},
        },
        "cosines": {f"of rank {rank}": float(np.mean([hits[rank - 1].score for hits in found])) for rank in (1, 10)},
        "latencies": latencies(works, timed, repeats),
    }
    (folder / f"{store}.json").write_text(json.dumps(content), "utf-8")


def _import(store: str) -> None:
    """Seconds of importing a package are not those of what it does."""
    for engine in ENGINES[store]:
        importlib.import_module(engine)


def _lance(index: Any) -> dict[str, Callable[[Vectors], Any]]:
    table = index._table  # the same opened table: of two, one may take a tenth longer than the other, whichever it is

    def ask(rows: int, query: Vectors) -> Any:
        asked = table.search(query, vector_column_name="vector").distance_type("dot").limit(rows)
        asked = asked.minimum_nprobes(lance.PROBES).maximum_nprobes(0)
        return asked.select([*DISPLAYED, "_distance"]).to_list()

    return {BARE: partial(ask, RESULTS), WIDER: partial(ask, RESULTS + SPARE)}


def _milvus(index: Any) -> dict[str, Callable[[Vectors], Any]]:
    collection = index._collection

    def ask(rows: int, query: Vectors) -> Any:
        (found,) = collection._client.search(
            collection._address.collection, data=[query.tolist()], anns_field="vector", limit=rows,
            output_fields=[*milvus_rows.DISPLAYED], consistency_level="Strong",
        )  # fmt: skip
        return [hit["entity"] for hit in found]

    return {BARE: partial(ask, RESULTS), WIDER: partial(ask, RESULTS + SPARE)}


def _ids(rows: Sequence[dict[str, Any]]) -> list[str]:
    return [row["id"] for row in rows[:RESULTS]]


def _numpy(vectors: Vectors) -> Callable[[Vectors], object]:
    def ask(query: Vectors) -> Sequence[int]:
        cosines = vectors @ query
        nearest = np.argpartition(cosines, -RESULTS)[-RESULTS:]
        order: Sequence[int] = nearest[np.argsort(-cosines[nearest])].tolist()
        return order

    return ask
