"""The instruction that goes with a query: instructions/query_instructions.tsv."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from elva.data.records import RowProblem, parse_modality
from elva.data.rows import Rows
from elva.items import Modality

Key = tuple[int, Modality, Modality]
"""(dataset id, modality of the query, modality of the candidate)."""

Prompts = tuple[str, ...]

Choice = int | Literal["qid"]
"""Which of its prompts a query gets: one for all, counted from 0, or "qid" for one drawn by each query's id."""

PROMPTS_PER_ROW = 4
HEADER = (
    "query_modality",
    "cand_modality",
    "dataset_name",
    "dataset_id",
    *(f"prompt_{n + 1}" for n in range(PROMPTS_PER_ROW)),
)


def read_instructions(path: Path, rows: Rows) -> tuple[dict[Key, Prompts], dict[str, int]]:
    """Read the file of instructions; empty prompts are dropped.

    Returns:
        Key -> prompts, and dataset name (lower case) -> dataset id.

    Raises:
        DataErrors: a line is malformed or has no prompt at all, unless bad rows are skipped.
    """
    prompts: dict[Key, Prompts] = {}
    names: dict[str, int] = {}
    for line in rows.read(path, _parse):
        if line is not None:
            key, name, texts = line
            prompts[key] = texts
            names[name] = key[0]
    return prompts, names


def format_instructions(prompts: Mapping[Key, Prompts], names: Mapping[int, str]) -> list[str]:
    """The lines of the file, header first; `names` gives each dataset id its name."""
    lines = ["\t".join(HEADER)]
    for (dataset, query, candidate), texts in prompts.items():
        filled = [*texts, *[""] * (PROMPTS_PER_ROW - len(texts))]
        lines.append("\t".join([query, candidate, names[dataset], str(dataset), *filled]))
    return lines


def choice_by_qid(qid: str) -> int:
    """A number drawn by the query's id, the same in every run: what the choice "qid" takes."""
    return int.from_bytes(hashlib.sha256(qid.encode()).digest()[:4], "big")


def _parse(line: str) -> tuple[Key, str, Prompts] | None:
    cells = line.rstrip("\r\n").split("\t")
    if cells[0] == HEADER[0]:
        return None
    if len(cells) < 5:
        fix = "separate them by tabs: " + ", ".join(HEADER)
        raise RowProblem(None, f"{len(cells)} columns instead of 5 to 8", fix)
    if not cells[3].strip().isdecimal():
        raise RowProblem("dataset_id", f"{cells[3]!r} is no number", "write the dataset's id")
    query = parse_modality(cells[0].strip(), "query_modality")
    candidate = parse_modality(cells[1].strip(), "cand_modality")
    texts = tuple(text.strip() for text in cells[4:] if text.strip())
    if not texts:
        raise RowProblem("prompt_1", "no prompt is left", "write at least one, or drop the row")
    return (int(cells[3]), query, candidate), cells[2].strip().lower(), texts
