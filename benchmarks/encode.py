"""Vectors of texts, pictures and both: ELVA beside sentence-transformers, which loads what ELVA exported of one model.

    python benchmarks/encode.py

The model is `tiny-base` as a one-word model. Both get the same items of the built-in world and the same batch size, and
must give the same vectors before they are timed. sentence-transformers takes one modality per batch, so a mixture is
three calls of it. The floor is what the matrices of the language model and of the vision tower cost on the tokens and
patches alone, without padding and attention, at the rate of a large float32 product on the same machine.
"""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from elva.data.mbeir import MBeir
from elva.data.world import write_world
from elva.ecosystem.sentence_transformers import TOLERANCE, export_sentence_transformers
from elva.encoding import Vectors
from elva.items import Item
from elva.model.embedder import Embedder
from encoding_floor import Floor
from floor import float32_rate
from interleaved import ratio, rounds, save
from measure import options

BATCH, COUNT = 128, 2000
KINDS = {"text": "text", "pictures": "image", "text beside picture": "image,text"}
OURS, THEIRS = "elva", "sentence-transformers"


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the world, export the model, compare, measure, show."""
    parser = options(__doc__, "encode")
    parser.set_defaults(repeats=5)
    asked = parser.parse_args(arguments)
    results: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as folder:
        write_world(Path(folder) / "world", size="tiny" if asked.quick else "demo")
        kinds = items_by_kind(MBeir.open(Path(folder) / "world"), 4 if asked.quick else COUNT)
        embedder, peer = one_model(Path(folder) / "exported")
        rate = float32_rate()
        for name, items in kinds.items():
            results[name] = measured(embedder, peer, items, 1 if asked.quick else asked.repeats, rate)
    print(table(results))
    ratios = {"vs_sentence_transformers": {name: row["ratio"] for name, row in results.items()}}
    save(asked.out, ratios, workloads=results, matrix_rate_gflops=rate / 1e9, batch_size=BATCH)


def items_by_kind(data: MBeir, count: int) -> dict[str, list[Item]]:
    """`count` items of each kind, no two with the same text or picture, and a third of each for the mixture."""
    train = data.train_examples("train", ["world"])
    every = [data.candidate_item(each) for each in train.candidates.values()]
    every += [replace(data.query_item(each), instruction=None) for each in train.queries]
    kinds = {}
    for name, modality in KINDS.items():
        different = {item.shown or item.text: item for item in every if item.modality == modality}
        kinds[name] = [*different.values()][:count]
    kinds["mixture"] = [item for items in kinds.values() for item in items[: -(-count // len(KINDS))]]
    random.Random(0).shuffle(kinds["mixture"])
    return kinds


def one_model(folder: Path) -> tuple[Embedder, Any]:
    """`tiny-base` as a one-word model, here and in sentence-transformers."""
    from sentence_transformers import SentenceTransformer

    embedder = Embedder.load("tiny-base")
    embedder.processor.settings = replace(embedder.processor.settings, extraction="one_word")
    export_sentence_transformers(embedder, folder)
    return embedder, SentenceTransformer(str(folder), device="cpu", local_files_only=True)


def measured(embedder: Embedder, peer: Any, items: Sequence[Item], repeats: int, rate: float) -> dict[str, Any]:
    """Seconds of both on the same items, and what they come to."""
    works: dict[str, Callable[[], Vectors]] = {
        THEIRS: lambda: through_peer(peer, items),
        OURS: lambda: embedder.encode(items, batch_size=BATCH),
    }
    difference = float(np.abs(works[OURS]() - works[THEIRS]()).max())
    if not difference <= TOLERANCE:
        raise SystemExit(f"vectors differ by {difference:.2g}: these are two models")
    runs, floor = rounds(works, repeats), Floor.of(embedder, items)
    return {
        "ratio": ratio(runs, THEIRS, OURS),
        "items": len(items),
        "tokens": floor.tokens,
        "floor_seconds": (floor.language + floor.vision) / rate,
        "difference": difference,
        "seconds": runs,
    }


def through_peer(peer: Any, items: Sequence[Item]) -> Vectors:
    """The vectors that sentence-transformers gives, one call per modality."""
    vectors: dict[int, Vectors] = {}
    for modality in KINDS.values():
        places = [place for place, item in enumerate(items) if item.modality == modality]
        if places:
            given = [as_peer_takes(items[place]) for place in places]
            vectors |= zip(places, peer.encode(given, batch_size=BATCH, show_progress_bar=False), strict=True)
    return np.stack([vectors[place] for place in range(len(items))])


def as_peer_takes(item: Item) -> Any:
    """A text, the path of a picture, or both by their names."""
    if item.text and item.image:
        return {"text": item.text, "image": str(item.image)}
    return item.text or str(item.image)


def table(workloads: Mapping[str, Mapping[str, Any]]) -> str:
    """Medians in Markdown."""
    head = ["", "items", "tokens", f"{OURS}: seconds", "items/s", "tokens/s", "floor reached", f"{THEIRS}: seconds"]
    head += ["floor reached", "times as fast", "least to most"]
    lines = [head, ["---", *["---:"] * (len(head) - 1)]]
    for name, row in workloads.items():
        own, peer = (median(row["seconds"][each]) for each in (OURS, THEIRS))
        line = [name, f"{row['items']:,}", f"{row['tokens']:,}", f"{own:.2f}", f"{row['items'] / own:,.0f}"]
        line += [f"{row['tokens'] / own:,.0f}", f"{row['floor_seconds'] / own:.0%}", f"{peer:.2f}"]
        line += [f"{row['floor_seconds'] / peer:.0%}", f"{row['ratio']['median']:.2f}"]
        lines.append([*line, f"{row['ratio']['min']:.2f} to {row['ratio']['max']:.2f}"])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


if __name__ == "__main__":
    main()
