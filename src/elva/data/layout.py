"""Where each file of an M-BEIR tree lies, and the names and numbers the benchmark fixes.

The files of a tree:

    query/{split}/mbeir_{dataset}_task{t}_{split}.jsonl
    query/union_train/mbeir_union_up_train.jsonl
    cand_pool/local/mbeir_{dataset}_task{t}[_{split}]_cand_pool.jsonl
    cand_pool/global/mbeir_union_{split}_cand_pool.jsonl
    qrels/{split}/mbeir_{dataset}_task{t}_{split}_qrels.txt
    instructions/query_instructions.tsv

and our own additions: grains.json (the words for grains) and nli/*.csv (triples for stage 1).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from elva.errors import InputError
from elva.items import Modality

DATASETS = {
    "visualnews": 0,
    "fashion200k": 1,
    "webqa": 2,
    "edis": 3,
    "nights": 4,
    "oven": 5,
    "infoseek": 6,
    "fashioniq": 7,
    "cirr": 8,
    "mscoco": 9,
    "world": 100,
    "mrbench": 101,
    "clips": 102,
}
"""Dataset name -> id; 0 to 9 are M-BEIR's, 100 to 102 ours, imported tables start at 1000."""

FIRST_IMPORTED_ID = 1000

TASKS: dict[int, tuple[Modality, Modality]] = {
    0: ("text", "image"),
    1: ("text", "text"),
    2: ("text", "image,text"),
    3: ("image", "text"),
    4: ("image", "image"),
    6: ("image,text", "text"),
    7: ("image,text", "image"),
    8: ("image,text", "image,text"),
    10: ("text", "video"),
}
"""Task id -> (modality of the query, modality of its positives); M-BEIR leaves 5 unused, and 10 is ours."""

TASK_OF_MODALITIES = {modalities: task for task, modalities in TASKS.items()}

QUERIES = Path("query")
LOCAL_POOLS = Path("cand_pool/local")
GLOBAL_POOLS = Path("cand_pool/global")
QRELS = Path("qrels")
INSTRUCTIONS = Path("instructions/query_instructions.tsv")
LEXICON = Path("grains.json")
TRIPLES = Path("nli")
IMAGES = Path("mbeir_images")
UNION_TRAIN = QUERIES / "union_train" / "mbeir_union_up_train.jsonl"

_NAME = re.compile(r"(?P<dataset>.+)_task(?P<task>\d+)_(?P<split>[^_]+)")


@dataclass(frozen=True, slots=True, order=True)
class TaskName:
    """One task of one dataset in one split; prints as `mrbench_task0_test`."""

    dataset: str
    task: int
    split: str

    def __str__(self) -> str:
        """The name without M-BEIR's prefix."""
        return f"{self.dataset}_task{self.task}_{self.split}"

    @classmethod
    def parse(cls, text: str) -> TaskName:
        """The inverse of `str`; ValueError on anything else."""
        match = _NAME.fullmatch(text)
        if match is None or int(match["task"]) not in TASKS:
            raise ValueError(f"{text!r} is no task name; write it like mrbench_task0_test")
        return cls(match["dataset"], int(match["task"]), match["split"])

    @property
    def query_path(self) -> Path:
        """Its queries, relative to the root."""
        return QUERIES / self.split / f"mbeir_{self}.jsonl"

    @property
    def pool_path(self) -> Path:
        """The pool that all splits of this task share."""
        return LOCAL_POOLS / f"mbeir_{self.dataset}_task{self.task}_cand_pool.jsonl"

    @property
    def split_pool_path(self) -> Path:
        """The pool of this split alone (MSCOCO's test has one); it wins where it exists."""
        return LOCAL_POOLS / f"mbeir_{self}_cand_pool.jsonl"

    @property
    def qrels_path(self) -> Path:
        """Its relevance judgements."""
        return QRELS / self.split / f"mbeir_{self}_qrels.txt"


def union_pool_path(split: str) -> Path:
    """The pool of all datasets together."""
    return GLOBAL_POOLS / f"mbeir_union_{split}_cand_pool.jsonl"


def kept_tasks(tasks: Sequence[int], excluded: Sequence[int]) -> tuple[int, ...]:
    """`tasks` (all when empty) without the excluded ones, as readers take them: empty for all.

    Raises:
        InputError: an excluded id is no task of M-BEIR, or no task is left.
    """
    unknown = [task for task in excluded if task not in TASKS]
    if unknown:
        raise InputError(f"task {unknown[0]} can't be excluded: tasks are {', '.join(map(str, TASKS))}")
    if not excluded:
        return tuple(tasks)
    kept = tuple(task for task in tasks or TASKS if task not in excluded)
    if not kept:
        raise InputError(f"tasks {list(tasks or TASKS)} without {list(excluded)} are none: exclude fewer")
    return kept


def find_tasks(root: Path, split: str) -> list[TaskName]:
    """The tasks that have a query file in this split, sorted by name."""
    names = []
    for path in (root / QUERIES / split).glob("mbeir_*.jsonl"):
        match = _NAME.fullmatch(path.stem.removeprefix("mbeir_"))
        if match and match["split"] == split and int(match["task"]) in TASKS:
            names.append(TaskName(match["dataset"], int(match["task"]), split))
    return sorted(names)
