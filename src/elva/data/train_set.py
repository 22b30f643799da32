"""What a training run reads: queries of all tasks and the candidates they name."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from elva.data.layout import (
    GLOBAL_POOLS,
    LOCAL_POOLS,
    QUERIES,
    TASK_OF_MODALITIES,
    TASKS,
    UNION_TRAIN,
    TaskName,
    union_pool_path,
)
from elva.data.reading import read_pool, read_queries
from elva.data.records import Candidate, Query
from elva.data.stored import Joined, Lookup, Stored
from elva.errors import DataError

if TYPE_CHECKING:
    from elva.data.mbeir import MBeir


@dataclass(frozen=True, slots=True)
class TrainSet:
    """What a training run reads.

    Attributes:
        queries: every query, each with a known task and candidates that all exist; parsed when asked for.
        candidates: did -> candidate, for every did that the queries or the caller name.
        names: dataset id -> name: by the query files or, where these mix data sets, by instructions and fixed table.
    """

    queries: Sequence[Query]
    candidates: Mapping[str, Candidate]
    names: Mapping[int, str]


def read_train_set(
    data: MBeir,
    split: str,
    datasets: Sequence[str],
    task_ids: Sequence[int],
    also: Collection[str],
) -> TrainSet:
    """See `MBeir.train_examples`."""
    files = chosen_files(data, split, datasets, task_ids)
    ids = data.dataset_ids(datasets)
    found = Finding(data, own_pools(data, split, files))
    found.look_for(also)
    parts: list[tuple[str, Stored[Query]]] = []
    for path, dataset, task in files:
        stored = read_queries(path, task, data.rows)
        of_these = not datasets or bool(dataset)
        kept = []
        for row, query in enumerate(stored):
            if (of_these or query.dataset_id in ids) and _kept(query.task, task_ids):
                found.look_for(named_candidates(query))
                kept.append(row)
        parts.append((dataset, stored.only(kept)))
    candidates = found.finish()
    errors: list[DataError] = []
    names: dict[int, str] = {}
    queries: list[Stored[Query]] = []
    for dataset, stored in parts:
        rows = []
        for place, query in enumerate(stored):
            error = _incomplete(stored.path, stored.line(place), query, candidates)
            if error is not None:
                errors.append(error)
            elif _kept(task_of(query, candidates), task_ids):
                names[query.dataset_id] = dataset or data.dataset_name(query.dataset_id)
                rows.append(place)
        queries.append(stored.changed(rows, lambda query: replace(query, task=task_of(query, candidates))))
    data.rows.leave_out(errors)
    if not any(map(len, queries)):
        fix = "check the split, datasets and task_ids"
        raise DataError(data.root / QUERIES, None, None, f"no {split} queries for these", fix)
    lost = sorted(did for did in set(also) if did not in candidates)
    if lost:
        raise DataError(data.root, None, "did", f"no pool holds {lost[0]}", "mine this data again")
    return TrainSet(Joined(queries), candidates, names)


def named_candidates(query: Query) -> Iterator[str]:
    """Every did in a query's row."""
    yield from query.positives
    yield from query.negatives
    yield from (miss.did for miss in query.near_misses)


def task_of(query: Query, candidates: Mapping[str, Candidate]) -> int:
    """The query's own task or, where the row lacks it, by its first positive; -1 if neither."""
    if query.task != -1 or not query.positives:
        return query.task
    positive = candidates.get(query.positives[0])
    if positive is None:
        return -1
    return TASK_OF_MODALITIES.get((query.modality, positive.modality), -1)


def train_files(root: Path, split: str) -> list[tuple[Path, str, int | None]]:
    """(file, dataset, task) of a split; dataset "" and task None where the name doesn't say.

    The published union file stands in where the train split has no files of its own.
    """
    files = [
        (path, *_named(path.stem.removeprefix("mbeir_").removesuffix(f"_{split}")))
        for path in sorted((root / QUERIES / split).glob(f"mbeir_*_{split}.jsonl"))
    ]
    if not files and split == "train" and (root / UNION_TRAIN).is_file():
        return [(root / UNION_TRAIN, "", None)]
    return files


def chosen_files(
    data: MBeir, split: str, datasets: Sequence[str], task_ids: Sequence[int]
) -> list[tuple[Path, str, int | None]]:
    """Those of `train_files` that can hold a query of these datasets and tasks; all when empty."""
    return [
        (path, dataset, task)
        for path, dataset, task in train_files(data.root, split)
        if (not datasets or (dataset in datasets if dataset else data.dataset_ids(datasets)))
        and (not task_ids or task is None or task in task_ids)
    ]


def own_pools(data: MBeir, split: str, files: Sequence[tuple[Path, str, int | None]]) -> list[Path]:
    """Where the candidates of query files lie: each task's pool and, for files that mix tasks, the split's union pool.

    Without a union pool these may lie in any local one.
    """
    pools = [data.pool_file(TaskName(dataset, task, split)) for _, dataset, task in files if task is not None]
    if len(pools) < len(files):
        union = data.root / union_pool_path(split)
        pools += [union] if union.is_file() else sorted((data.root / LOCAL_POOLS).glob("*.jsonl"))
    return [*dict.fromkeys(pools)]


def _named(stem: str) -> tuple[str, int | None]:
    dataset, marker, task = stem.rpartition("_task")
    if marker and task.isdecimal() and int(task) in TASKS:
        return dataset, int(task)
    return stem, None


def _kept(task: int, task_ids: Sequence[int]) -> bool:
    return not task_ids or task in (*task_ids, -1)


class Finding:
    """Candidates looked up by did: in the pools `first`, and what is in none of them in all others.

    Held are the places of those that were looked for, not the candidates.
    """

    def __init__(self, data: MBeir, first: Sequence[Path] = ()) -> None:
        folders = (LOCAL_POOLS, GLOBAL_POOLS)
        others = [path for folder in folders for path in sorted((data.root / folder).glob("*.jsonl"))]
        first = [path for path in first if path.is_file()]
        self._data = data
        self._others = [path for path in others if path not in first]
        self._pools = [read_pool(path, data.rows) for path in first]
        self._shown = [np.zeros(len(pool), bool) for pool in self._pools]
        self._missing: set[str] = set()

    def look_for(self, dids: Iterable[str]) -> None:
        """Note dids that are wanted."""
        lookup = Lookup(self._pools)
        for did in dids:
            place = lookup.place(did)
            if place is None:
                self._missing.add(did)
            else:
                self._shown[place[0]][place[1]] = True

    def finish(self) -> Lookup:
        """The wanted ones that some pool holds."""
        for path in self._others:
            if not self._missing:
                break
            pool = read_pool(path, self._data.rows)
            self._pools.append(pool)
            self._shown.append(np.zeros(len(pool), bool))
            missing, self._missing = self._missing, set()
            self.look_for(missing)
        return Lookup(self._pools, self._shown)


def _incomplete(path: Path, line: int, query: Query, candidates: Mapping[str, Candidate]) -> DataError | None:
    lost = next((did for did in named_candidates(query) if did not in candidates), None)
    if lost is not None:
        fix = "add the candidate to a pool, or drop the row"
        return DataError(path, line, "pos_cand_list", f"no pool holds {lost}", fix)
    if not query.positives:
        return DataError(path, line, "pos_cand_list", "no positive", "give one, or drop the row")
    if task_of(query, candidates) == -1:
        fix = "M-BEIR has no task of these modalities; drop the row"
        return DataError(path, line, "query_modality", f"{query.modality} has no task", fix)
    return None
