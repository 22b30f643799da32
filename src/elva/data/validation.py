"""Find every bad row of an M-BEIR tree before any work is done with it.

`validate` reports; opening.py acts on the report.
"""

from __future__ import annotations

from array import array
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import TypeVar

import numpy as np

from elva.clips import Clip, Visual, frames_of
from elva.data.instructions import read_instructions
from elva.data.layout import GLOBAL_POOLS, INSTRUCTIONS, LOCAL_POOLS, QUERIES, TRIPLES, TaskName
from elva.data.mbeir import MBeir
from elva.data.nli import read_triples
from elva.data.qrels import parse_judgement
from elva.data.reading import parse_candidate, query_parser
from elva.data.records import Candidate, Query
from elva.data.rows import Rows, located_lines, parsed_lines, repeated
from elva.data.stored import Index, Lookup, Scan, Stored
from elva.data.train_set import named_candidates, task_of, train_files
from elva.errors import DataError, DataErrors, MediaError
from elva.media import DEFAULT_LIMITS, MediaLimits, load_image

Record = TypeVar("Record")

Progress = Callable[[int], None]
"""Called with the number of rows and images checked since the last call."""

PROGRESS_EVERY = 256
SPLITS = ("train", "val", "test")
UNION_VAL = "union_val"
"""A folder of the published tree: val's own files over again."""


@dataclass(frozen=True, slots=True)
class ValidationReport:
    """What a validation found.

    Attributes:
        errors: every bad place, file by file.
        counts: file -> number of good rows.
        images: number of different images and videos that were opened and decoded.
        indexed: file of queries or candidates -> where its good rows lie.
        tasks: sub-task -> number of different good queries, and of candidates in its pool; None for a task that only
            files without a task in their name hold.
    """

    errors: tuple[DataError, ...]
    counts: Mapping[Path, int]
    images: int
    indexed: Mapping[Path, Index]
    tasks: Mapping[TaskName, tuple[int, int | None]]

    @property
    def bad_rows(self) -> dict[Path, frozenset[int]]:
        """File -> the lines that have an error."""
        lines: dict[Path, set[int]] = defaultdict(set)
        for error in self.errors:
            if error.line is not None:
                lines[error.path].add(error.line)
        return {path: frozenset(numbers) for path, numbers in lines.items()}

    @property
    def skipped(self) -> int:
        """How many rows a reader leaves out when it skips the bad ones."""
        return sum(len(lines) for lines in self.bad_rows.values())


def validate(
    root: Path | str,
    splits: Sequence[str] = (),
    *,
    files: Collection[Path] = (),
    check_images: bool = True,
    limits: MediaLimits = DEFAULT_LIMITS,
    progress: Progress | None = None,
) -> ValidationReport:
    """Check a whole tree.

    Checked: encoding, JSON, types, ids (form, repetition, another meaning in another file), modalities
    against contents, images and videos (missing, truncated, too large), dids that no pool holds, positives outside
    the task's pool, judgements, instructions and triples.

    Args:
        root: the tree.
        splits: the splits to check; all that exist when empty.
        files: check only these queries, pools and judgements, all when empty; other local pools are
            read for the dids that they hold, and their own bad rows are passed over, but for a did that is
            another candidate in one of these files.
        check_images: decode every image, and the frames of every video, that a row names, once.
        limits: what an image or a video may cost.
        progress: told how many rows and images were checked.

    Raises:
        DataError: the folder is no M-BEIR tree.
        MissingExtra: a row names a video file, and PyAV is not installed.
    """
    data = MBeir.open(root)
    check = _Check(MBeir(data.root, Rows(skip_bad=True)), frozenset(files), limits if check_images else None, progress)
    found = {path.name for path in (data.root / QUERIES).iterdir() if path.is_dir()}
    check.pools()
    for split in splits or sorted({"train" if name == "union_train" else name for name in found} - {UNION_VAL}):
        check.split(split)
    check.others()
    check.flush()
    return ValidationReport(tuple(check.errors), check.counts, len(check.images), check.indexed, check.sub_tasks())


@dataclass(slots=True)
class _Check:
    data: MBeir
    files: frozenset[Path]
    limits: MediaLimits | None
    progress: Progress | None
    errors: list[DataError] = field(default_factory=list)
    counts: dict[Path, int] = field(default_factory=dict)
    images: set[int] = field(default_factory=set)  # hashed paths: M-BEIR names millions
    bad_images: dict[str, str] = field(default_factory=dict)
    pool_files: dict[Path, Stored[Candidate]] = field(default_factory=dict)
    indexed: dict[Path, Index] = field(default_factory=dict)
    tasks: Counter[TaskName] = field(default_factory=Counter)
    unreported: int = 0

    @property
    def candidates(self) -> Lookup:
        """The good candidates of every pool."""
        return Lookup([*self.pool_files.values()])

    def pools(self) -> None:
        """Read every pool first: queries are checked against the good candidates."""
        everywhere = sorted((self.data.root / GLOBAL_POOLS).glob("*.jsonl"))
        for path in [*sorted((self.data.root / LOCAL_POOLS).glob("*.jsonl")), *filter(self.is_wanted, everywhere)]:
            self.pool_files[path] = self.rows(
                path,
                parse_candidate,
                "did",
                attrgetter("content"),
                partial(self.candidate_is_good, path),
                [*self.pool_files],
            )
            self.counts[path] = len(self.pool_files[path])
        if not self.pool_files:
            fix = "add cand_pool/local/mbeir_{dataset}_task{t}_cand_pool.jsonl"
            self.add(self.data.root / LOCAL_POOLS, None, None, "no candidate pool", fix)

    def rows(
        self,
        path: Path,
        parse: Callable[[str], Record],
        name: str,
        content: Callable[[Record], int],
        is_good: Callable[[int, Record], bool],
        earlier: Sequence[Path],
        repeats: bool = False,
    ) -> Stored[Record]:
        """Check the rows of a file one by one, then their ids among themselves and against those of earlier files.

        An id names one thing: the same row may lie in several files, another one under its id may not.
        """
        before, scan, bad = len(self.errors), Scan(), set[int]()
        errors = self.errors if self.is_wanted(path) else []
        for line, offset, record in located_lines(path, parse, errors):
            self.told(1)
            if not is_good(line, record):
                bad.add(len(scan.lines))
            scan.add(line, offset, getattr(record, name), content(record))
        index = scan.index()
        everything = Stored(path, index, parse)
        twice = index.twice(repeats)
        bad.update(twice)
        found = repeated(everything, twice, name) if errors is self.errors else []
        for other in earlier:
            clashes = [row for row in index.clashes(self.indexed[other]) if row not in bad]
            bad.update(clashes)
            for row in clashes if self.is_wanted(path) or self.is_wanted(other) else ():
                what = {"did": "candidate", "qid": "query"}[name]
                clash = f"{getattr(everything[row], name)} is another {what} in {other}"
                found.append(DataError(path, everything.line(row), name, clash, f"give every {what} its own id"))
        # whose row it is comes before what else is wrong with it
        lines = {error.line for error in found}
        own = [error for error in self.errors[before:] if error.line not in lines]
        self.errors[before:] = sorted([*own, *found], key=lambda error: error.line or 0)
        self.indexed[path] = index.without(bad)
        return Stored(path, self.indexed[path], parse)

    def split(self, split: str) -> None:
        """Check the queries of a split and their judgements."""
        earlier: list[Path] = []
        files = train_files(self.data.root, split)
        if not files:
            fix = f"add {QUERIES}/{split}/mbeir_{{dataset}}_task{{t}}_{split}.jsonl"
            self.add(self.data.root / QUERIES / split, None, None, f"no {split} queries", fix)
        for path, dataset, task in filter(lambda file: self.is_wanted(file[0]), files):
            name = None if task is None else TaskName(dataset, task, split)
            if name is None and split in ("val", "test"):
                fix = f"name it mbeir_{{dataset}}_task{{t}}_{split}.jsonl"
                self.add(path, None, None, "the file name holds no known task", fix)
            self.queries(path, dataset, split, name, earlier)
            earlier.append(path)

    def sub_tasks(self) -> dict[TaskName, tuple[int, int | None]]:
        """What the report says of each sub-task."""
        named = {name for name in self.tasks if (self.data.root / name.query_path).is_file()}
        return {
            name: (count, self.counts.get(self.data.pool_file(name)) if name in named else None)
            for name, count in sorted(self.tasks.items())
        }

    def queries(self, path: Path, dataset: str, split: str, name: TaskName | None, earlier: Sequence[Path]) -> None:
        """Check one query file: `name` is None where it mixes tasks, `dataset` empty where it mixes data sets."""
        pool = self.pool_of(path, name)
        judged = self.judgements(name, pool)
        candidates = self.candidates
        asked: dict[tuple[int, int], array[int]] = defaultdict(lambda: array("q"))  # (dataset id, task) -> hashed qids

        def is_good(line: int, query: Query) -> bool:
            task = task_of(query, candidates)
            problem = self.problem(query, task, pool, candidates, judged)
            if problem is not None:
                self.add(path, line, *problem)
                return False
            asked[query.dataset_id, task].append(hash(query.qid))
            return self.media_are_good(path, line, query, "query_")

        parse = query_parser(None if name is None else name.task)
        good = self.rows(path, parse, "qid", hash, is_good, earlier, repeats=name is None)
        self.counts[path] = len(good)
        if name is not None:
            self.tasks[name] = len(good)
        for (number, task), qids in asked.items() if name is None else ():
            of = dataset or self.data.dataset_name(number)
            # the published union file repeats the queries of small data sets
            self.tasks[TaskName(of, task, split)] += len(np.intersect1d(qids, good.places.keys))

    def pool_of(self, path: Path, name: TaskName | None) -> Lookup:
        """A task's pool; all pools for files that mix tasks."""
        if name is None:
            return self.candidates
        pool = self.pool_files.get(self.data.pool_file(name))
        if pool is None:
            self.add(path, None, None, f"{name} has no pool", f"add {name.pool_path}")
        return Lookup([] if pool is None else [pool])

    def problem(
        self, query: Query, task: int, pool: Lookup, candidates: Lookup, judged: Mapping[str, set[str]]
    ) -> tuple[str, str, str] | None:
        """(field, found, fix) of what is wrong with a query, or None."""
        for did in named_candidates(query):
            if did in pool:
                continue
            if did not in candidates:
                fix = "add the candidate to a pool, or drop the row"
                return _field(query, did), f"no pool holds {did}", fix
            # OVEN and InfoSeek share answers: theirs may lie in the other one's pool.
            shared = not did.startswith(f"{query.dataset_id}:")
            if did in query.positives and not shared:
                fix = "add it to the task's pool, or drop the row"
                return "pos_cand_list", f"positive {did} is not in the task's pool", fix
        if not any(did in pool for did in (*query.positives, *judged.get(query.qid, ()))):
            return "pos_cand_list", "no positive in the task's pool", "give one, or drop the row"
        if task == -1:
            fix = "M-BEIR has no task of these modalities; drop the row"
            return "query_modality", f"{query.modality} has no task", fix
        return None

    def judgements(self, name: TaskName | None, pool: Lookup) -> dict[str, set[str]]:
        """Check a task's qrels; returns qid -> dids judged relevant."""
        relevant: dict[str, set[str]] = defaultdict(set)
        path = None if name is None else self.data.root / name.qrels_path
        if path is None or not path.is_file():
            return relevant
        for line, (qid, did, relevance) in parsed_lines(path, parse_judgement, self.errors):
            if did not in pool and did not in self.candidates:
                fix = "add the candidate to the pool, or drop the line"
                self.add(path, line, "did", f"no pool holds {did}", fix)
            elif relevance > 0:
                relevant[qid].add(did)
        self.counts[path] = sum(map(len, relevant.values()))
        return relevant

    def others(self) -> None:
        """Check instructions, triples and the lexicon."""
        path = self.data.root / INSTRUCTIONS
        self.gather(lambda: read_instructions(path, Rows()) if path.is_file() else None)
        for triples in () if self.files else sorted((self.data.root / TRIPLES).glob("*.*")):
            self.gather(partial(read_triples, triples))
        self.gather(self.data.lexicon)

    def is_wanted(self, path: Path) -> bool:
        """Whether the rows of this file are checked, and not only read for what others name."""
        return not self.files or path in self.files

    def gather(self, read: Callable[[], object]) -> None:
        """Run a reader and keep its errors."""
        try:
            read()
        except DataErrors as errors:
            self.errors += errors.errors
        except DataError as error:
            self.errors.append(error)

    def candidate_is_good(self, path: Path, line: int, candidate: Candidate) -> bool:
        """A candidate is as good as what it shows."""
        return self.media_are_good(path, line, candidate)

    def media_are_good(self, path: Path, line: int, row: Query | Candidate, prefix: str = "") -> bool:
        """Decode the image or video of a row, once however many rows name it; a bad one is an error of each row."""
        if self.limits is None or not self.is_wanted(path):
            return True
        if row.video is not None:
            return self.is_good(path, line, f"{prefix}video_path", row.video, Clip(self.data.root / row.video))
        return row.image is None or self.is_good(path, line, f"{prefix}img_path", row.image, self.data.root / row.image)

    def is_good(self, path: Path, line: int, field: str, name: str, visual: Visual) -> bool:
        """Whether what lies under this name can be shown."""
        assert self.limits is not None
        if (key := hash(name)) not in self.images:
            self.images.add(key)
            if (found := _problem(visual, self.limits)) is not None:
                self.bad_images[name] = found
            self.told(1)
        problem = self.bad_images.get(name)
        if problem is not None:
            self.add(path, line, field, problem, "replace the file, or drop the row")
        return problem is None

    def add(self, path: Path, line: int | None, field: str | None, found: str, fix: str) -> None:
        """Note one error."""
        self.errors.append(DataError(path, line, field, found, fix))

    def told(self, count: int) -> None:
        """Report progress in steps, since a call per row would cost more than the check."""
        self.unreported += count
        if self.unreported >= PROGRESS_EVERY:
            self.flush()

    def flush(self) -> None:
        """Report what is not reported yet."""
        if self.progress is not None and self.unreported:
            self.progress(self.unreported)
        self.unreported = 0


def _field(query: Query, did: str) -> str:
    if did in query.positives:
        return "pos_cand_list"
    return "neg_cand_list" if did in query.negatives else "near_misses"


def _problem(visual: Visual, limits: MediaLimits) -> str | None:
    try:
        for frame in frames_of(visual, limits):
            load_image(frame, limits)
    except MediaError as error:
        # the media error's own advice gives way to the row's
        return str(error).partition("; ")[0]
    return None
