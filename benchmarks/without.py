"""Which vector finds "this, but without that": forms of minus-queries side by side on the built-in world.

    python benchmarks/without.py demo/world --model demo/seed-0/elva/model

Queries are a colour and a shape, minus is a fill; truth is what the pictures' captions say. Given are shares of the
first ten results.
"""

from __future__ import annotations

import argparse
import itertools
import json
from pathlib import Path

import numpy as np

from elva.data.mbeir import MBeir
from elva.encoding import Encoder, Vectors
from elva.items import Item

COLOURS = ("pink", "red", "orange", "blue", "green", "cyan", "purple", "yellow")
SHAPES = ("triangle", "circle", "square", "drop", "moon", "house", "star", "heart", "cross")
FILLS = ("striped", "dotted", "hollow")
TOP = 10
ENTITY = 4
"""Words of a caption that stand before a shape and may be about it."""


def compare(root: Path, encoder: Encoder, split: str = "val", least: int = 3) -> list[tuple[str, float, float]]:
    """For each form: its name, the share of results with the fill, and of those that are wanted and lack it.

    Asked are queries with at least so many pictures that are wanted, with the fill and without it.
    """
    bench = MBeir.open(root)
    pool = [each for each in bench.pool(bench.tasks(split, ["mrbench"], [0])[0]) if each.source]
    captions = [json.loads(each.source or "")["caption"].split() for each in pool]
    pictures = encoder.embed([bench.candidate_item(each) for each in pool]).vectors
    asked = []
    for colour, shape, fill in itertools.product(COLOURS, SHAPES, FILLS):
        wanted = np.array([_shows(each, colour, shape) for each in captions])
        bad = np.array([fill in each for each in captions])
        if (wanted & ~bad).sum() >= least and (wanted & bad).sum() >= least:  # else there is nothing to tell apart
            asked.append((f"a {colour} {shape}", fill, wanted, bad))
    queries, minus, words = (
        encoder.embed([Item(text=text) for text in texts]).vectors
        for texts in ([q for q, *_ in asked], [f for _, f, *_ in asked], [f"{q}, not {f}" for q, f, *_ in asked])
    )
    rows = []
    for name, scores in _forms(queries, minus, words, pictures).items():
        best = np.argsort(-scores, axis=1, kind="stable")[:, :TOP]
        shares = [(bad[b].mean(), (wanted & ~bad)[b].mean()) for (*_, wanted, bad), b in zip(asked, best, strict=True)]
        rows.append((name, *np.mean(shares, axis=0).tolist()))
    return rows


def _forms(queries: Vectors, minus: Vectors, words: Vectors, pictures: Vectors) -> dict[str, Vectors]:
    cosines, against = queries @ pictures.T, minus @ pictures.T
    near = -np.sort(-cosines, axis=1)[:, :100][:, -1:]
    above = np.stack([row - row[own >= least].mean() for row, own, least in zip(against, cosines, near, strict=True)])
    forms = {"the query alone": cosines, "in words: not": words @ pictures.T}
    forms |= {f"the query - {weight} minus": _unit(queries - weight * minus) @ pictures.T for weight in (0.25, 0.5, 1)}
    forms["projection"] = _unit(queries - (queries * minus).sum(1, keepdims=True) * minus) @ pictures.T
    forms["the nearest 100, rescored"] = np.where(cosines >= near, cosines - 2 * np.maximum(0, above), -1)
    return forms


def _shows(caption: list[str], colour: str, shape: str) -> bool:
    return any(word == shape and colour in caption[max(0, at - ENTITY) : at] for at, word in enumerate(caption))


def _unit(vectors: Vectors) -> Vectors:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=-1, keepdims=True), np.float32)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", type=Path)
    parser.add_argument("--model", required=True)
    parser.add_argument("--split", default="val")
    arguments = parser.parse_args()
    from elva.model.embedder import Embedder

    print("| form | with the fill | wanted, without the fill |\n| --- | --- | --- |")
    for name, bad, good in compare(arguments.root, Embedder.load(arguments.model), arguments.split):
        print(f"| {name} | {bad:.2f} | {good:.2f} |")


if __name__ == "__main__":
    main()
