"""What a training run reads: queries of all tasks and the candidates they name."""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from elva.data.finding import Finding
from elva.data.layout import (
    LOCAL_POOLS,
    QUERIES,
    TASK_OF_MODALITIES,
    TASKS,
    UNION_TRAIN,
    TaskName,
    union_pool_path,
)
from elva.data.reading import read_queries
from elva.data.records import Candidate, Query
from elva.data.stored import Joined, Lookup, Numbers, Stored
from elva.errors import DataError

if TYPE_CHECKING:
    from elva.data.mbeir import MBeir

SubTask = tuple[int, int]
"""Dataset id and task."""


@dataclass(frozen=True, slots=True)
class TrainSet:
    """What a training run reads.

    Attributes:
        queries: every query, each with a known task and candidates that all exist; parsed when asked for.
        candidates: did -> candidate, for every did that the queries or the caller name.
        names: dataset id -> name: by the query files or, where these mix data sets, by instructions and fixed table.
        sub_tasks: the places of the queries of each, int64, ascending; that of the first query comes first.
    """

    queries: Joined[Query]
    candidates: Lookup
    names: Mapping[int, str]
    sub_tasks: Mapping[SubTask, Numbers]


def read_train_set(
    data: MBeir,
    split: str,
    datasets: Sequence[str],
    task_ids: Sequence[int],
    also: Collection[str],
) -> TrainSet:
    """See `MBeir.train_examples`."""
    chosen = chosen_files(data, split, datasets, task_ids)
    finding = Finding(data, own_pools(data, split, chosen))
    finding.look_for(also)
    files = []
    for path, dataset, task in chosen:
        numbers = data.dataset_ids(datasets) if datasets and not dataset else None
        file = _File(read_queries(path, task, data.rows), dataset, numbers, task_ids)
        file.read(finding)
        files.append(file)
    candidates = finding.finish()
    data.rows.leave_out([error for file in files for error in file.settle(candidates, not finding.missing)])
    queries = Joined([file.queries(candidates) for file in files])
    if not len(queries):
        fix = "check the split, datasets and task_ids"
        raise DataError(data.root / QUERIES, None, None, f"no {split} queries for these", fix)
    lost = min((did for did in also if did not in candidates), default=None) if finding.missing else None
    if lost is not None:
        raise DataError(data.root, None, "did", f"no pool holds {lost}", "mine this data again")
    names = {number: file.dataset or data.dataset_name(number) for file in files for number, _ in file.sub_tasks}
    return TrainSet(queries, candidates, names, _places(files))


@dataclass(slots=True)
class _File:
    """The queries of one file that a training run keeps.

    Attributes:
        stored: all of its queries.
        dataset: what its name says; empty where it mixes data sets.
        numbers: only queries of data sets with these ids are kept; all when None.
        task_ids: only queries of these tasks are kept; all when empty.
        sub_tasks: the rows that are kept.
        unsure: the rows that lack a task or an answer.
    """

    stored: Stored[Query]
    dataset: str
    numbers: frozenset[int] | None
    task_ids: Sequence[int]
    sub_tasks: dict[SubTask, array[int]] = field(default_factory=lambda: defaultdict(lambda: array("I")))
    unsure: array[int] = field(default_factory=lambda: array("I"))

    def read(self, finding: Finding) -> None:
        """Go through the file, and look for what its queries name."""
        for row, query in enumerate(self.stored):
            if self.keeps(query, query.task):
                finding.look_for(named_candidates(query))
                is_sure = query.positives and query.task != -1
                (self.sub_tasks[query.dataset_id, query.task] if is_sure else self.unsure).append(row)

    def settle(self, candidates: Lookup, all_found: bool) -> list[DataError]:
        """Look again at rows that lack a task or an answer; at all where a candidate is in no pool.

        Returns:
            What is wrong with those that are dropped.
        """
        again = _ascending([self.unsure, *(() if all_found else self.sub_tasks.values())])
        if not all_found:
            self.sub_tasks.clear()
        errors = []
        for row in again.tolist():
            query = self.stored[row]
            error = _incomplete(self.stored.path, self.stored.line(row), query, candidates)
            if error is not None:
                errors.append(error)
            elif self.keeps(query, task := task_of(query, candidates)):
                self.sub_tasks[query.dataset_id, task].append(row)
        return errors

    def keeps(self, query: Query, task: int) -> bool:
        """Whether a query is of the data sets and tasks that are asked for; an unknown task may be."""
        is_asked = not self.task_ids or task in self.task_ids or task == -1
        return is_asked and (self.numbers is None or query.dataset_id in self.numbers)

    def rows(self) -> Numbers:
        """The rows that are kept, ascending."""
        return _ascending([*self.sub_tasks.values()])

    def queries(self, candidates: Lookup) -> Stored[Query]:
        """The queries that are kept, each with its task."""
        if not self.unsure:
            return self.stored.only(self.rows())
        return self.stored.changed(self.rows(), lambda query: replace(query, task=task_of(query, candidates)))


def _ascending(rows: Sequence[array[int]]) -> Numbers:
    return np.sort(np.concatenate([np.empty(0, np.int64), *rows]))


def _places(files: Sequence[_File]) -> dict[SubTask, Numbers]:
    """`TrainSet.sub_tasks`."""
    places, start = defaultdict[SubTask, list[Numbers]](list), 0
    for file in files:
        rows = file.rows()
        for sub_task, own in file.sub_tasks.items():
            places[sub_task].append(start + np.searchsorted(rows, np.sort(own)))
        start += len(rows)
    joined = {sub_task: np.concatenate(parts) for sub_task, parts in places.items()}
    return dict(sorted(joined.items(), key=lambda entry: int(entry[1][0])))


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
