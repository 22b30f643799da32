"""The M-BEIR layout on disk: one reader for the real benchmark, the built-in world and imports."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal

from elva.clips import Clip
from elva.data.instructions import Choice, Key, Prompts, choice_by_qid, read_instructions
from elva.data.layout import (
    DATASETS,
    GLOBAL_POOLS,
    INSTRUCTIONS,
    LEXICON,
    LOCAL_POOLS,
    QRELS,
    QUERIES,
    TASKS,
    TRIPLES,
    TaskName,
    find_tasks,
    union_pool_path,
)
from elva.data.qrels import Qrels, read_qrels
from elva.data.reading import read_pool, read_queries
from elva.data.records import Candidate, NearMiss, Query
from elva.data.rows import Rows
from elva.data.stored import Stored
from elva.data.train_set import TrainSet, read_train_set
from elva.data.writing import (
    write_instructions,
    write_pool,
    write_qrels,
    write_queries,
    write_union_pool,
)
from elva.errors import DataError
from elva.grains import Lexicon
from elva.items import Item

__all__ = [
    "DATASETS",
    "TASKS",
    "Candidate",
    "Choice",
    "MBeir",
    "NearMiss",
    "Query",
    "TaskName",
    "TrainSet",
    "choice_by_qid",
    "write_instructions",
    "write_pool",
    "write_qrels",
    "write_queries",
    "write_union_pool",
]

Scope = Literal["local", "global"]


@dataclass(frozen=True)
class MBeir:
    """An M-BEIR tree. Files are read when asked for; rows are held as places in them, not as objects.

    Attributes:
        root: the folder; image paths in the files are relative to it.
        rows: how bad rows are treated; its `skipped` counts those left out.
    """

    root: Path
    rows: Rows = field(default_factory=Rows)

    @classmethod
    def open(cls, root: Path | str, *, skip_bad_rows: bool = False) -> MBeir:
        """Open a tree without reading it.

        Raises:
            DataError: the folder is no M-BEIR tree.
        """
        root = Path(root)
        if not (root / QUERIES).is_dir() or not (root / "cand_pool").is_dir():
            fix = "give a folder that holds query/ and cand_pool/, such as `elva world DIR` writes"
            raise DataError(root, None, None, "this is no M-BEIR folder", fix)
        return cls(root, Rows(skip_bad_rows))

    def tasks(self, split: str, datasets: Sequence[str] = (), task_ids: Sequence[int] = ()) -> list[TaskName]:
        """The tasks of a split, sorted by name; empty filters let everything pass."""
        return [
            name
            for name in find_tasks(self.root, split)
            if (not datasets or name.dataset in datasets) and (not task_ids or name.task in task_ids)
        ]

    def queries(self, name: TaskName) -> Stored[Query]:
        """The queries of a task, in file order; each is parsed whenever it is asked for.

        Raises:
            DataErrors: every bad row or repeated qid, unless bad rows are skipped.
        """
        return read_queries(self.root / name.query_path, name.task, self.rows)

    def pool(self, name: TaskName, scope: Scope = "local") -> Stored[Candidate]:
        """The candidates of a task, in file order; each is parsed whenever it is asked for.

        Args:
            name: the task.
            scope: "local" for the task's own pool (the one of its split where there is one),
                "global" for the pool of all datasets.

        Raises:
            DataErrors: every bad row or repeated did, unless bad rows are skipped.
            DataError: there is no such pool.
        """
        return read_pool(self.pool_file(name, scope), self.rows)

    def pool_file(self, name: TaskName, scope: Scope = "local") -> Path:
        """The file that `pool` reads."""
        if scope == "global":
            return self.root / union_pool_path(name.split)
        own = self.root / name.split_pool_path
        return own if own.is_file() else self.root / name.pool_path

    def qrels(self, name: TaskName) -> Qrels:
        """Relevance by qid and did; without a qrels file, the positives of the queries.

        Raises:
            DataErrors: every bad line, unless bad rows are skipped.
        """
        path = self.root / name.qrels_path
        if path.is_file():
            return read_qrels(path, self.rows)
        return {query.qid: dict.fromkeys(query.positives, 1) for query in self.queries(name)}

    def instructions(self) -> Mapping[Key, Prompts]:
        """(dataset id, query modality, candidate modality) -> prompts; empty without the file."""
        return self._instructions[0]

    def dataset_ids(self, datasets: Iterable[str]) -> frozenset[int]:
        """The ids of those of these datasets that are known: from the instructions, else from the fixed table."""
        known = {**DATASETS, **self._instructions[1]}
        return frozenset(known[name] for name in datasets if name in known)

    def dataset_name(self, number: int) -> str:
        """The name of a dataset id, the other way round; "dataset7" where none is known."""
        return self._dataset_names.get(number, f"dataset{number}")

    def instruction(self, query: Query, choice: Choice = 0) -> str | None:
        """The instruction that goes with a query, if its data set has any.

        Args:
            query: the query.
            choice: which of the prompts, counted modulo their number. The first by default, so
                that scores don't wander; "qid" draws one by the query's id.
        """
        prompts = self.instructions().get((query.dataset_id, query.modality, TASKS[query.task][1]))
        number = choice_by_qid(query.qid) if choice == "qid" else choice
        return prompts[number % len(prompts)] if prompts else None

    def query_item(self, query: Query, masked_txt: str | None = None, choice: Choice = 0) -> Item:
        """The query as an item, with its instruction; `masked_txt` replaces its text."""
        text = query.text if masked_txt is None else masked_txt
        return Item(text, self._path(query.image), self.instruction(query, choice), self._clip(query.video))

    def candidate_item(self, candidate: Candidate) -> Item:
        """The candidate as an item; candidates get no instruction."""
        return Item(candidate.text, self._path(candidate.image), video=self._clip(candidate.video))

    def lexicon(self) -> Lexicon:
        """The words for grains (grains.json), or an empty lexicon.

        Raises:
            DataError: the file is malformed.
        """
        return read_lexicon(self.root)

    def train_examples(
        self,
        split: str = "train",
        datasets: Sequence[str] = (),
        task_ids: Sequence[int] = (),
        also: Collection[str] = (),
    ) -> TrainSet:
        """Everything a training run needs.

        Reads the query files of the split or, where there are none, the published union file.
        Task ids that rows lack follow from the modalities of the query and its first positive.

        Args:
            split: "train", or another split that has query files.
            datasets: names to keep; all when empty.
            task_ids: tasks to keep; all when empty.
            also: further dids to look up, such as mined negatives.

        Raises:
            DataErrors: every bad row, and every did that no pool holds.
            DataError: there are no queries for these filters.
        """
        return read_train_set(self, split, datasets, task_ids, also)

    def fingerprint(self) -> str:
        """sha256 in hex over the names and contents of all data files; images and videos are not read."""
        digest = hashlib.sha256()
        for path in self._data_files():
            with path.open("rb") as file:
                content = hashlib.file_digest(file, "sha256").hexdigest()
            digest.update(f"{path.relative_to(self.root).as_posix()} {content}\n".encode())
        return digest.hexdigest()

    def _data_files(self) -> Iterator[Path]:
        folders = (QUERIES, LOCAL_POOLS, GLOBAL_POOLS, QRELS, TRIPLES, INSTRUCTIONS.parent)
        for folder in folders:
            paths = (self.root / folder).rglob("*")
            yield from sorted(path for path in paths if path.is_file())
        if (self.root / LEXICON).is_file():
            yield self.root / LEXICON

    @cached_property
    def _instructions(self) -> tuple[dict[Key, Prompts], dict[str, int]]:
        path = self.root / INSTRUCTIONS
        return read_instructions(path, self.rows) if path.is_file() else ({}, {})

    @cached_property
    def _dataset_names(self) -> dict[int, str]:
        return {number: name for name, number in {**DATASETS, **self._instructions[1]}.items()}

    def _path(self, path: str | None) -> Path | None:
        return None if path is None else (self.root / path).absolute()

    def _clip(self, path: str | None) -> Clip | None:
        return None if path is None else Clip((self.root / path).absolute())


def read_lexicon(root: Path) -> Lexicon:
    """The words for grains in a data folder (grains.json), or an empty lexicon; DataError on a malformed file."""
    path = root / LEXICON
    if not path.is_file():
        return Lexicon()
    try:
        return Lexicon.load(path)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        fix = "write it again with `elva world` or `elva import`"
        raise DataError(path, None, None, f"malformed ({error})", fix) from error
