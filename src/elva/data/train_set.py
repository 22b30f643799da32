"""What a training run reads: queries of all tasks and the candidates they name."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

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
from elva.errors import DataError

if TYPE_CHECKING:
    from elva.data.mbeir import MBeir

Placed = tuple[Path, int, Query]
"""A query with the file and line it came from."""


@dataclass(frozen=True, slots=True)
class TrainSet:
    """What a training run reads.

    Attributes:
        queries: every query, each with a known task and candidates that all exist.
        candidates: did -> candidate, for every did that the queries or the caller name.
        names: dataset id -> name: by the query files or, where these mix data sets, by instructions and fixed table.
    """

    queries: tuple[Query, ...]
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
    placed = [entry for entry in _placed_queries(data, files, datasets) if _kept(entry[2], task_ids)]
    wanted = {did for _, _, query in placed for did in named_candidates(query)}.union(also)
    candidates = find_candidates(data, wanted, own_pools(data, split, files))
    complete = _complete(data, placed, candidates)
    queries = tuple(query for query in complete if _kept(query, task_ids))
    if not queries:
        fix = "check the split, datasets and task_ids"
        raise DataError(data.root / QUERIES, None, None, f"no {split} queries for these", fix)
    lost = sorted(set(also) - candidates.keys())
    if lost:
        raise DataError(data.root, None, "did", f"no pool holds {lost[0]}", "mine this data again")
    named = {path: dataset for path, dataset, _ in files if dataset}
    names = {query.dataset_id: named.get(path) or data.dataset_name(query.dataset_id) for path, _, query in placed}
    return TrainSet(queries, candidates, names)


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


def _placed_queries(
    data: MBeir, files: Sequence[tuple[Path, str, int | None]], datasets: Sequence[str]
) -> Iterator[Placed]:
    ids = data.dataset_ids(datasets)
    for path, dataset, task in files:
        for line, query in read_queries(path, task, data.rows):
            if dataset or not datasets or query.dataset_id in ids:
                yield path, line, query


def _kept(query: Query, task_ids: Sequence[int]) -> bool:
    return not task_ids or query.task in (*task_ids, -1)


def find_candidates(data: MBeir, wanted: Collection[str], first: Sequence[Path] = ()) -> dict[str, Candidate]:
    """The wanted candidates: from the pools `first`, then from all others until none is missing."""
    others = [path for folder in (LOCAL_POOLS, GLOBAL_POOLS) for path in sorted((data.root / folder).glob("*.jsonl"))]
    found: dict[str, Candidate] = {}
    for path in dict.fromkeys([*(path for path in first if path.is_file()), *others]):
        if len(found) == len(wanted):
            break
        found.update((one.did, one) for one in read_pool(path, data.rows) if one.did in wanted)
    return found


def _complete(data: MBeir, placed: Sequence[Placed], candidates: Mapping[str, Candidate]) -> Iterator[Query]:
    errors: list[DataError] = []
    for path, line, query in placed:
        error = _incomplete(path, line, query, candidates)
        if error is None:
            yield replace(query, task=task_of(query, candidates))
        else:
            errors.append(error)
    data.rows.leave_out(errors)


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
