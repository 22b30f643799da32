"""Writing the M-BEIR layout. Every file and folder appears whole or not at all."""

from __future__ import annotations

import csv
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path
from typing import Any

from elva.data.instructions import Key, Prompts, format_instructions
from elva.data.layout import INSTRUCTIONS, TaskName, union_pool_path
from elva.data.records import Candidate, Query, candidate_to_row, query_to_row
from elva.errors import DataError
from elva.whole import whole_file, whole_folder


def write_queries(root: Path, name: TaskName, queries: Iterable[Query]) -> Path:
    """Write the queries of a task; returns the file."""
    return _write_rows(root / name.query_path, map(query_to_row, queries))


def write_pool(root: Path, name: TaskName, candidates: Iterable[Candidate], *, split_only: bool = False) -> Path:
    """Write the pool that all splits of a task share or, on demand, the one of its split alone."""
    path = name.split_pool_path if split_only else name.pool_path
    return _write_rows(root / path, map(candidate_to_row, candidates))


def write_union_pool(root: Path, split: str, candidates: Iterable[Candidate]) -> Path:
    """Write the pool of all datasets together."""
    return _write_rows(root / union_pool_path(split), map(candidate_to_row, candidates))


def write_qrels(root: Path, name: TaskName, queries: Iterable[Query]) -> Path:
    """Write the positives of the queries as five-field judgements of relevance 1."""
    lines = (f"{q.qid} 0 {did} 1 {name.task}" for q in queries for did in q.positives)
    return write_lines(root / name.qrels_path, lines)


def write_instructions(root: Path, prompts: Mapping[Key, Prompts], names: Mapping[int, str]) -> Path:
    """Write the instructions; `names` gives each dataset id its name."""
    return write_lines(root / INSTRUCTIONS, format_instructions(prompts, names))


def write_table(path: Path, header: Sequence[str], rows: Iterable[Sequence[str]]) -> Path:
    """Write a CSV file; returns it."""
    with whole_file(path) as file:
        csv.writer(file, lineterminator="\n").writerows(chain([header], rows))
    return path


def write_lines(path: Path, lines: Iterable[str]) -> Path:
    """Write a text file, one line each; returns it."""
    with whole_file(path) as file:
        file.writelines(line + "\n" for line in lines)
    return path


def check_free(out: Path) -> None:
    """DataError where a folder that is to be made holds something already."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        fix = "give a new folder, or remove this one"
        raise DataError(out, None, None, "the folder holds something already", fix)


@contextmanager
def appearing_whole(out: Path) -> Iterator[Path]:
    """A folder that appears under its name when it is complete, and otherwise not at all; DataError as `check_free`."""
    check_free(out)
    with whole_folder(out) as unfinished:
        yield unfinished


def place_file(source: Path, path: Path, *, link: bool = False) -> None:
    """Copy a file; with `link`, hard-link it where the disk allows that."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if link:
        with suppress(OSError):
            os.link(source.resolve(), path)
            return
    shutil.copyfile(source, path)


def _write_rows(path: Path, rows: Iterable[Mapping[str, Any]]) -> Path:
    return write_lines(path, map(json.JSONEncoder(ensure_ascii=False).encode, rows))
