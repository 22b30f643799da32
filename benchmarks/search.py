"""Searching: an index beside LanceDB and numpy, its recall, and the service beside its searcher, under load, stopped.

    python benchmarks/search.py                                   # 10,000 and 100,000 vectors, tiny model
    python benchmarks/search.py --sizes 100000 1000000            # ten minutes, 10 GB of memory, 6 GB of disk
    python benchmarks/search.py --stores exact milvus --sizes 10000 100000

First stores of vectors (`clustered.py` says which), by themselves: `stores.py`. Then `elva serve` with `tiny-base` over
the built-in benchmark, in a process of its own: `serving.py`. Clients and service share the machine.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from os import devnull
from pathlib import Path
from typing import Any

import numpy as np

from elva.data.mbeir import MBeir, TaskName
from elva.data.world import write_world
from elva.encoding import ModelIdentity
from elva.index.opening import open_index
from elva.search.searcher import Searcher
from interleaved import percentile_ratio, percentiles, save
from measure import options
from serving import IN_PROCESS, OVER_HTTP, beside_in_process, loaded, served, stopped
from stores import BARE, OURS, STORES, stores_of

TASK = TaskName("mrbench", 0, "test")
TEXTS = 64


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure stores and service, show, save."""
    parser = options(__doc__, "search")
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000], help="vectors in a store")
    parser.add_argument("--stores", nargs="+", choices=STORES, default=["lance", "exact"], help="exact tells recall")
    parser.add_argument("--queries", type=int, default=200, help="of which recall is the mean")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8, 32], help="that ask at once")
    parser.add_argument("--seconds", type=float, default=20, help="of each load")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()), help="where to write")
    asked = parser.parse_args(arguments)
    if asked.quick:
        asked.sizes, asked.queries, asked.clients, asked.seconds, asked.repeats = [500], 4, [2], 0.5, 1
    stores: dict[int, dict[str, Any]] = {}
    for size in asked.sizes:
        with tempfile.TemporaryDirectory(dir=asked.folder) as folder:
            stores[size] = stores_of(Path(folder), asked.stores, size, asked.queries, asked.repeats)
        print(store_table({size: stores[size]}), flush=True)
    with tempfile.TemporaryDirectory(dir=asked.folder) as folder:
        service = service_of(Path(folder), asked.clients, asked.seconds, asked.repeats, asked.quick)
    print(store_table(stores), beside_table(stores), http_table(service), load_table(service), sep="\n\n")
    ratios = {
        "vs_bare": {
            f"{store}, {size}": row["times_as_long"][BARE]
            for size, rows in stores.items()
            for store, row in rows.items()
        },
        "http_vs_in_process": {kind: row["times_as_long"] for kind, row in service["beside"].items()},
    }
    save(asked.out, ratios, stores=stores, service=service)


def service_of(folder: Path, clients: Sequence[int], seconds: float, repeats: int, quick: bool) -> dict[str, Any]:
    """Index the built-in benchmark, serve it, ask it, load it, stop it."""
    from elva.model.embedder import Embedder  # not with this file: the processes of the stores would load torch too

    root, index = folder / "world", folder / "index"
    write_world(root, size="tiny" if quick else "demo")
    _elva("index", root, "--model", "tiny-base", "--dataset", TASK.dataset, "--task", TASK.task, "--out", index)
    data, embedder = MBeir.open(root), Embedder.load("tiny-base")
    texts = [text for each in data.queries(TASK) if (text := data.query_item(each).text)][: 4 if quick else TEXTS]
    searcher = Searcher(embedder, open_index(index, ModelIdentity.of(embedder)))
    with served(index, folder / "log") as service:
        taken = beside_in_process(service, searcher, texts, repeats)
        loads = {number: loaded(service, number, seconds, texts) for number in clients}
        end = stopped(service, max(clients), min(seconds, 3), texts)
    beside = {
        kind: {
            "milliseconds": {name: percentiles(rounds) for name, rounds in works.items()},
            "milliseconds_more": 1000 * float(np.median(works[OVER_HTTP]) - np.median(works[IN_PROCESS])),
            "times_as_long": {f"p{p}": percentile_ratio(works, OVER_HTTP, IN_PROCESS, p) for p in (50, 95)},
        }
        for kind, works in taken.items()
    }
    return {"items": len(searcher.index), "beside": beside, "loads": loads, "stopped": end}


def _elva(*arguments: object) -> None:
    from elva.cli.app import app

    with open(devnull, "w") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
        code = app([str(each) for each in arguments], standalone_mode=False)
    assert not code, code


# --- tables in Markdown


def store_table(stores: Mapping[int, Mapping[str, Mapping[str, Any]]]) -> str:
    """What a store takes, and what it finds."""
    head = ["", "vectors", "items/s added", "add: s", "publish: s", "MB at most, filling", "MB on disk", "open: s"]
    head += ["MB at most, asked", "recall of 10", "p50: ms", "p95: ms"]
    lines = []
    for size, rows in stores.items():
        for store, row in rows.items():
            phases, own = row["phases"], row["milliseconds"][OURS]
            filling = max(phases[each]["peak"] for each in ("add", "publish"))
            asking = max(phases[each]["peak"] for each in ("open", "search"))
            line = [f"{row['items_per_second']:,.0f}", f"{phases['add']['seconds']:.1f}"]
            line += [f"{phases['publish']['seconds']:.1f}", f"{filling:,.0f}", f"{row['disk_mb']:,.0f}"]
            line += [f"{phases['open']['seconds']:.1f}", f"{asking:,.0f}", f"{row['recall'][OURS]:.3f}"]
            lines.append([store, f"{size:,}", *line, f"{own['p50']:.2f}", f"{own['p95']:.2f}"])
    return _markdown([head, *lines])


def beside_table(stores: Mapping[int, Mapping[str, Mapping[str, Any]]]) -> str:
    """A search beside that of what stands below it."""
    lines = [
        ["", "vectors", "beside", "its recall", "p50: ms", "its", "times as long", "p95: ms", "its", "times as long"]
    ]
    for size, rows in stores.items():
        for store, row in rows.items():
            for peer, ratios in row["times_as_long"].items():
                recall = f"{row['recall'].get(peer, 1.0):.3f}"
                lines.append([store, f"{size:,}", peer, recall, *_compared(row["milliseconds"], ratios, OURS, peer)])
    return _markdown(lines)


def http_table(service: Mapping[str, Any]) -> str:
    """A search over HTTP beside the same one in the process."""
    lines = [["", "over HTTP, p50: ms", IN_PROCESS, "times as long", "p95: ms", IN_PROCESS, "times as long", "ms more"]]
    for kind, row in service["beside"].items():
        lines.append(
            [
                kind,
                *_compared(row["milliseconds"], row["times_as_long"], OVER_HTTP, IN_PROCESS),
                f"{row['milliseconds_more']:.1f}",
            ]
        )
    return _markdown(lines)


def load_table(service: Mapping[str, Any]) -> str:
    """What the service bears, and whether anything was lost when it was told to stop."""
    lines = [["clients", "requests/s", "p50: ms", "p99: ms", "requests a forward", "requests", "not answered 200"]]
    for clients, row in service["loads"].items():
        own, failed = row["milliseconds"], row["requests"] - row["statuses"].get(200, 0)
        line = [str(clients), f"{row['per_second']:.1f}", f"{own['p50']:.0f}", f"{own['p99']:.0f}"]
        lines.append([*line, f"{row['requests_per_forward']:.1f}", f"{row['requests']:,}", f"{failed:,}"])
    end = service["stopped"]
    told = (
        f"Stopped under {end['clients']} clients: {sum(end['answered'].values()):,} requests answered, {end['lost']} "
        f"lost, {end['never_read']} never read; exit status {end['exit_status']}."
    )
    return f"{_markdown(lines)}\n\n{told}"


def _compared(milliseconds: Mapping[str, Any], ratios: Mapping[str, Any], ours: str, peer: str) -> list[str]:
    cells = []
    for name, ratio in ratios.items():
        cells += [f"{milliseconds[which][name]:.2f}" for which in (ours, peer)]
        cells.append(f"{ratio['median']:.2f} ({ratio['min']:.2f} to {ratio['max']:.2f})")
    return cells


def _markdown(lines: Sequence[Sequence[str]]) -> str:
    head, *rest = lines
    return "\n".join(f"| {' | '.join(line)} |" for line in [head, ["---", *["---:"] * (len(head) - 1)], *rest])


if __name__ == "__main__":
    main()
