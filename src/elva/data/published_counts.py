"""How many queries and candidates M-BEIR has, to tell whether a download is whole.

The counts of train and val stand in thousands in the table of UniIR (arXiv 2311.17136); the train column adds up to the
1,150,203 rows of the published train files. Those of test and of the pools are exact: MTEB counts them in its copies,
Anserini the same queries in the qrels, and the pools add up to the 5,609,079 candidates of the published union pool.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from elva.data.layout import TaskName

COUNTS = {
    ("visualnews", 0): ("99K", "20K", "19,995", "542,246"),
    ("mscoco", 0): ("100K", "24.8K", "24,809", "5,000"),
    ("fashion200k", 0): ("15K", "1.7K", "1,719", "201,824"),
    ("webqa", 1): ("16K", "1.7K", "2,455", "544,457"),
    ("edis", 2): ("26K", "3.2K", "3,241", "1,047,067"),
    ("webqa", 2): ("17K", "1.7K", "2,511", "403,196"),
    ("visualnews", 3): ("100K", "20K", "20,000", "537,568"),
    ("mscoco", 3): ("113K", "5K", "5,000", "24,809"),
    ("fashion200k", 3): ("15K", "4.8K", "4,889", "61,707"),
    ("nights", 4): ("16K", "2K", "2,120", "40,038"),
    ("oven", 6): ("150K", "50K", "50,004", "676,667"),
    ("infoseek", 6): ("141K", "11K", "11,323", "611,651"),
    ("fashioniq", 7): ("16K", "2K", "6,003", "74,381"),
    ("cirr", 7): ("26K", "2K", "4,170", "21,551"),
    ("oven", 8): ("157K", "14.7K", "14,741", "335,135"),
    ("infoseek", 8): ("143K", "17.6K", "17,593", "481,782"),
}
"""(data set, task) -> the queries of train, val and test, and the pool that test is judged with."""

SPLITS = ("train", "val", "test")
OWN_TEST_POOL = "mscoco"
"""Its pool is that of its test; those of the other data sets serve val too, and train is drawn from other ones."""


@dataclass(frozen=True, slots=True)
class PublishedCounts:
    """What is published of a sub-task in one split: its queries, and its pool where that is known; as in `COUNTS`."""

    queries: str
    pool: str | None

    def __str__(self) -> str:
        """Both, for people."""
        return self.queries if self.pool is None else f"{self.queries}, pool {self.pool}"

    def fit(self, queries: int, pool: int | None) -> bool:
        """Whether these are the counts of a whole download; a pool that is not known on either side fits."""
        return _fits(self.queries, queries) and (self.pool is None or pool is None or _fits(self.pool, pool))


def published_counts(name: TaskName) -> PublishedCounts | None:
    """What is published of a sub-task; None for data that is not M-BEIR's, or a split of our own."""
    counts = COUNTS.get((name.dataset, name.task))
    if counts is None or name.split not in SPLITS:
        return None
    pool = name.split == "test" or (name.split == "val" and name.dataset != OWN_TEST_POOL)
    return PublishedCounts(counts[SPLITS.index(name.split)], counts[-1] if pool else None)


def lacking(names: Collection[TaskName]) -> list[str]:
    """What M-BEIR has beside these sub-tasks, in the splits of theirs; nothing where none of these is M-BEIR's.

    Returns:
        `cirr_task7` where all of these splits lack it, `cirr_task7_val` where one does.
    """
    there = {name for name in names if published_counts(name) is not None}
    splits = {name.split for name in there}
    found = []
    for dataset, task in COUNTS if there else ():
        gone = [split for split in SPLITS if split in splits and TaskName(dataset, task, split) not in there]
        whole = len(gone) == len(splits)
        found += [f"{dataset}_task{task}"] if whole else [str(TaskName(dataset, task, split)) for split in gone]
    return found


def _fits(printed: str, count: int) -> bool:
    """Whether a count may be printed so: of the paper's figures in thousands some are rounded and some cut."""
    digits, thousands, _ = printed.replace(",", "").partition("K")
    unit = 1000 // 10 ** len(digits.partition(".")[2]) if thousands else 1
    return int(digits.replace(".", "")) in (count // unit, (count + unit // 2) // unit)
