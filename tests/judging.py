"""A data root of coloured shapes and an encoder that reads file names, for tests."""

from __future__ import annotations

import itertools
import json
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from elva.encoding import Encoding, Extraction
from elva.items import Item

GRAINS = {
    "shape": ("circle", "square", "triangle", "diamond"),
    "colour": ("crimson", "green", "blue", "orange"),
    "size": ("small", "large"),
}
_CORNERS = {
    "square": ((-1, -1), (1, -1), (1, 1), (-1, 1)),
    "triangle": ((0, -1), (1, 1), (-1, 1)),
    "diamond": ((0, -1), (0.7, 0), (0, 1), (-0.7, 0)),
}
Thing = tuple[str, str, str]
THINGS: list[Thing] = list(itertools.product(*GRAINS.values()))


class FakeEncoder:
    """Adds up one fixed random vector per word; an image's words are those of its file name.

    Args:
        weights: word -> weight, 1 when absent; a low weight makes the encoder blind to the word.
        noise: standard deviation of a fixed error for every distinct item.
    """

    dimension = 48
    extraction: Extraction = "generative"

    def __init__(self, name: str = "fake", weights: Mapping[str, float] | None = None, noise: float = 0.0) -> None:
        self.name = name
        self.weights = weights or {}
        self.noise = noise
        self.fingerprint = f"{zlib.crc32(repr((name, self.weights, noise)).encode()):08x}"
        self.seen: list[str] = []

    def embed(
        self,
        items: Sequence[Item],
        *,
        extraction: Extraction | None = None,
        batch_size: int = 64,
        progress: Callable[[int], None] | None = None,
    ) -> Encoding:
        words = [self.words(item) for item in items]
        self.seen += [" ".join(each) for each in words]
        if progress:
            progress(len(items))
        vectors = np.stack([self._vector(each) for each in words])
        return Encoding(vectors, [" ".join(each) for each in words], forced_ret=int(len(items) > 3))

    def words(self, item: Item) -> list[str]:
        """What an item says and shows."""
        return _words(item)

    def _vector(self, words: Sequence[str]) -> np.ndarray:
        total = sum(self.weights.get(word, 1.0) * _direction(word) for word in words)
        total = total + self.noise * _direction(f"{self.name} {' '.join(words)}")
        return (total / np.linalg.norm(total)).astype(np.float32)


def _words(item: Item) -> list[str]:
    stem = Path(str(item.image)).stem.split("-")[:3] if item.image is not None else []
    return [*stem, *(item.text or "").lower().replace("tiny", "small").split()]


def _direction(word: str) -> np.ndarray:
    return np.random.default_rng(zlib.crc32(word.encode())).standard_normal(FakeEncoder.dimension)


def draw(thing: Thing, side: int = 64) -> Image.Image:
    """A picture of one thing."""
    shape, colour, size = thing
    image = Image.new("RGB", (side, side), "#f3efe6")
    radius = side * (0.2 if size == "small" else 0.4)
    if shape == "circle":
        corners = [(side / 2 - radius, side / 2 - radius), (side / 2 + radius, side / 2 + radius)]
        ImageDraw.Draw(image).ellipse(corners, fill=colour)
    else:
        points = [(side / 2 + x * radius, side / 2 + y * radius) for x, y in _CORNERS[shape]]
        ImageDraw.Draw(image).polygon(points, fill=colour)
    return image


def write_root(root: Path) -> Path:
    """32 things: text -> image (mrbench task 0) and image -> text (task 3), with near misses."""
    (root / "mbeir_images").mkdir(parents=True)
    for thing in THINGS:
        draw(thing).save(root / _image(thing))
    texts, images = (_pool(offset) for offset in (1000, 0))
    queries = [[_query(i, thing, to) for i, thing in enumerate(THINGS)] for to in ("image", "text")]
    for task, rows, pool in ((0, queries[0], images), (3, queries[1], texts)):
        _lines(root / f"query/test/mbeir_mrbench_task{task}_test.jsonl", rows)
        _lines(root / f"cand_pool/local/mbeir_mrbench_task{task}_cand_pool.jsonl", pool)
        qrels = root / f"qrels/test/mbeir_mrbench_task{task}_test_qrels.txt"
        qrels.parent.mkdir(parents=True, exist_ok=True)
        qrels.write_text("".join(f"{row['qid']} 0 {row['pos_cand_list'][0]} 1 {task}\n" for row in rows))
    _instructions(root / "instructions/query_instructions.tsv")
    return root


def _image(thing: Thing) -> str:
    return f"mbeir_images/{'-'.join(thing)}.png"


def _text(thing: Thing) -> str:
    return " ".join(reversed(thing))


def _pool(offset: int) -> list[dict[str, object]]:
    return [
        {
            "did": f"101:{offset + i}",
            "txt": _text(thing) if offset else None,
            "img_path": None if offset else _image(thing),
            "modality": "text" if offset else "image",
            "src_content": None,
        }
        for i, thing in enumerate(THINGS)
    ]


def _query(number: int, thing: Thing, to: str) -> dict[str, object]:
    offset = 0 if to == "image" else 1000
    near = [
        {"did": f"101:{offset + i}", "kind": kind}
        for i, other in enumerate(THINGS)
        for kind in [_difference(thing, other)]
        if kind
    ]
    shown = to == "image"
    return {
        "qid": f"101:{offset + number}",
        "query_txt": _text(thing) if shown else None,
        "query_img_path": None if shown else _image(thing),
        "query_modality": "text" if shown else "image",
        "query_src_content": None,
        "pos_cand_list": [f"101:{offset + number}"],
        "neg_cand_list": [],
        "grains": [_grain(thing, kind, shown) for kind in GRAINS],
        "near_misses": near,
        "paraphrase_txt": f"{_text(thing)} thing" if shown else None,
    }


def _grain(thing: Thing, kind: str, shown: bool) -> dict[str, object]:
    value = thing[list(GRAINS).index(kind)]
    masked = " ".join("object" if word == value == thing[0] else word for word in _text(thing).split())
    masked = masked if value == thing[0] else " ".join(w for w in masked.split() if w != value)
    return {"kind": kind, "text": value, "span": None, "masked_txt": masked if shown else None}


def _difference(one: Thing, other: Thing) -> str | None:
    kinds = [kind for kind, a, b in zip(GRAINS, one, other, strict=True) if a != b]
    return kinds[0] if len(kinds) == 1 else None


def _lines(path: Path, rows: Iterable[Mapping[str, object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def _instructions(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    names = ["query_modality", "cand_modality", "dataset_name", "dataset_id"]
    prompts = [f"prompt_{i}" for i in range(1, 5)]
    rows = [names + prompts]
    for query, candidate in (("text", "image"), ("image", "text")):
        rows.append([query, candidate, "MRBench", "101", "Find it.", "Look for it.", "Which?", "Search."])
    path.write_text("".join("\t".join(row) + "\n" for row in rows))
