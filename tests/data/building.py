"""Small trees for the tests of the data layer."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image

from elva.data.layout import UNION_TRAIN, TaskName, union_pool_path
from elva.data.mbeir import Candidate, Query, write_instructions, write_pool, write_queries

TEST = TaskName("shop", 0, "test")
TRAIN = TaskName("shop", 0, "train")
PICTURES = tuple(f"mbeir_images/{n}.png" for n in range(4))


def picture(path: Path, shade: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (6, 8), (shade, 10, 20)).save(path)
    return path


def spoil(path: Path, how: str) -> None:
    """Make a picture a bad one: missing, truncated, a bomb of pixels, or no picture at all."""
    if how == "missing":
        path.unlink()
    elif how == "truncated":
        file = BytesIO()
        Image.effect_noise((64, 64), 90).save(file, "JPEG")
        path.write_bytes(file.getvalue()[:-400])
    elif how == "bomb":
        Image.new("1", (13_000, 13_000)).save(path)
    else:
        path.write_bytes(b"no picture")


def rows(path: Path, *lines: Mapping[str, Any] | str | bytes) -> Path:
    """Write a file of rows: objects as JSON, everything else as it is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(_line(line) + b"\n" for line in lines))
    return path


def _line(line: Mapping[str, Any] | str | bytes) -> bytes:
    if isinstance(line, bytes):
        return line
    return (line if isinstance(line, str) else json.dumps(line)).encode()


def query(number: int, **changes: Any) -> dict[str, Any]:
    row: dict[str, Any] = {
        "qid": f"1000:{number}",
        "query_txt": f"thing {number}",
        "query_img_path": None,
        "query_modality": "text",
        "query_src_content": None,
        "pos_cand_list": [f"1000:{number}"],
        "neg_cand_list": [],
    }
    return row | changes


def candidate(number: int, **changes: Any) -> dict[str, Any]:
    row: dict[str, Any] = {
        "did": f"1000:{number}",
        "txt": None,
        "img_path": PICTURES[number % len(PICTURES)],
        "modality": "image",
        "src_content": None,
    }
    return row | changes


def tree(root: Path, queries: Iterable[Any] = (), pool: Iterable[Any] = ()) -> Path:
    """A sound tree of one test task, with these rows instead of the usual ones."""
    for number, path in enumerate(PICTURES):
        picture(root / path, 40 * number)
    rows(root / TEST.query_path, *(queries or [query(n) for n in range(3)]))
    rows(root / TEST.pool_path, *(pool or [candidate(n) for n in range(4)]))
    return root


def union_tree(root: Path, *queries: dict[str, Any] | str) -> Path:
    """Nothing but what is published for training: the union file and the union pool."""
    rows(root / UNION_TRAIN, *queries)
    rows(root / union_pool_path("train"), *(candidate(n) for n in range(4)))
    for number, path in enumerate(PICTURES):
        picture(root / path, 40 * number)
    return root


def text_to_image(root: Path, name: TaskName, count: int = 3) -> list[Query]:
    """A sound task written by the project's own writers; returns its queries."""
    queries = [Query(f"1000:{n}", f"thing {n}", None, "text", (f"1000:{n}",), (), 0) for n in range(count)]
    write_queries(root, name, queries)
    write_pool(root, name, [Candidate(f"1000:{n}", None, PICTURES[n], "image") for n in range(count)])
    write_instructions(root, {(1000, "text", "image"): ("Find it.", "Show it.")}, {1000: "shop"})
    for number, path in enumerate(PICTURES):
        picture(root / path, 40 * number)
    return queries
