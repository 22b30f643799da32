"""The door for commands: a tree is looked at row by row before it is opened.

A tree with bad rows is refused or, when asked, opened without them; how many there were is told.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from elva.data.layout import TASKS, TaskName, union_pool_path
from elva.data.mbeir import Choice, MBeir, Scope
from elva.data.rows import Rows
from elva.data.train_set import chosen_files, own_pools
from elva.data.validation import Progress, ValidationReport, validate
from elva.encoding import Watch
from elva.errors import DataError, DataErrors, InputError
from elva.media import DEFAULT_LIMITS, MediaLimits


def open_checked(
    root: Path | str,
    splits: Sequence[str] = (),
    *,
    files: Collection[Path] = (),
    skip_bad_rows: bool = False,
    check_images: bool = True,
    limits: MediaLimits = DEFAULT_LIMITS,
    progress: Progress | None = None,
) -> tuple[MBeir, ValidationReport]:
    """Validate a tree, then open it.

    Args:
        root: the tree.
        splits: as in `validate`.
        files: as in `validate`.
        skip_bad_rows: open the tree without its bad rows; the report counts them.
        check_images: as in `validate`.
        limits: as in `validate`.
        progress: as in `validate`.

    Raises:
        DataErrors: there are bad rows and they aren't to be skipped, or something is wrong with a
            file as a whole.
    """
    report = validate(root, splits, files=files, check_images=check_images, limits=limits, progress=progress)
    whole_files = [error for error in report.errors if error.line is None]
    if whole_files or (report.errors and not skip_bad_rows):
        raise DataErrors(whole_files or report.errors)
    return MBeir(Path(root), Rows(skip_bad_rows, report.bad_rows, dict(report.indexed))), report


def open_tasks(
    root: Path,
    split: str,
    datasets: Sequence[str] = (),
    tasks: Sequence[int] = (),
    *,
    by_task: bool = False,
    scopes: Sequence[Scope] = ("local",),
    skip_bad_rows: bool = False,
    check_images: bool = True,
    watch: Watch | None = None,
) -> tuple[MBeir, list[TaskName], int]:
    """Open a data root for the tasks that fit, after a look at every row and picture of theirs.

    Args:
        root: the tree.
        split: the split of the tasks.
        datasets: names to keep; all when empty.
        tasks: task ids to keep; all when empty.
        by_task: leave out the files that mix tasks, such as the published union file: they belong to no task's name,
            and only `MBeir.train_examples` reads them.
        scopes: which pools are looked at: the tasks' own, the one of all data sets, or both.
        skip_bad_rows: open the tree without its bad rows.
        check_images: decode every image that a row names, once.
        watch: told of the look.

    Returns:
        The data, the names of the tasks, and how many bad rows their files hold.

    Raises:
        InputError: no task fits.
        DataError: the pool of all data sets is asked for, and there is none.
        DataErrors: every bad row of these tasks, unless they are to be left out.
    """
    bench = MBeir.open(root, skip_bad_rows=skip_bad_rows)
    names = bench.tasks(split, datasets, tasks)
    _require_known(bench.tasks(split), root, split, datasets, tasks)
    chosen = chosen_files(bench, split, datasets, tasks)
    kept = [file for file in chosen if file[2] is not None] if by_task else chosen
    if not kept:
        unfit = f"{root} holds no {split} task that fits datasets={list(datasets)} tasks={list(tasks)}"
        split_it = f"split it into mbeir_{{dataset}}_task{{t}}_{split}.jsonl"
        raise InputError(f"{unfit}; {chosen[0][0]} mixes tasks: {split_it}" if chosen else unfit)
    files = {path for path, _, _ in kept}
    if "local" in scopes:
        files.update(own_pools(bench, split, kept))
    if "global" in scopes:
        files.add(_union_pool(root, split))
    files.update(root / name.qrels_path for name in names)
    progress = watch("checking rows and images", None) if watch else None
    checked, report = open_checked(
        root, [split], files=files, skip_bad_rows=skip_bad_rows, check_images=check_images, progress=progress
    )
    return checked, names, report.skipped


@dataclass(frozen=True, slots=True)
class Selection:
    """What of a data root is embedded or judged.

    Attributes:
        split: train, val or test.
        datasets: names to keep; all when empty.
        tasks: task ids to keep; all when empty.
        instruction_choice: which of a task's prompts every query gets, or "qid" for one drawn by the query's id.
        skip_bad_rows: leave bad data rows out and count them instead of refusing the data.
    """

    split: str = "test"
    datasets: Sequence[str] = ()
    tasks: Sequence[int] = ()
    instruction_choice: Choice = 0
    skip_bad_rows: bool = False

    def open(
        self,
        root: Path,
        *,
        scopes: Sequence[Scope] = ("local",),
        check_images: bool = True,
        watch: Watch | None = None,
    ) -> tuple[MBeir, list[TaskName], int]:
        """`open_tasks` of whole tasks."""
        return open_tasks(
            root,
            self.split,
            self.datasets,
            self.tasks,
            by_task=True,
            scopes=scopes,
            skip_bad_rows=self.skip_bad_rows,
            check_images=check_images,
            watch=watch,
        )

    def to_row(self) -> dict[str, Any]:
        """A JSON object; the order of names makes no difference to it."""
        return {**asdict(self), "datasets": sorted(set(self.datasets)), "tasks": sorted(set(self.tasks))}


EVERYTHING = Selection()
"""All tasks of the test split."""


def _union_pool(root: Path, split: str) -> Path:
    path = root / union_pool_path(split)
    if not path.is_file():
        raise DataError(path, None, None, "no pool of all data sets", "download it too, or rank the tasks' own pools")
    return path


def _require_known(
    there: Sequence[TaskName], root: Path, split: str, datasets: Sequence[str], tasks: Sequence[int]
) -> None:
    """Raise InputError for a data set that the split doesn't have, or a task that M-BEIR doesn't.

    Left out silently they would be missed. A task of M-BEIR that these data happen not to have is no error: recipes
    name the tasks they are meant for.
    """
    for wanted, known in ((datasets, {name.dataset for name in there}), (tasks, set(TASKS))):
        unknown = [each for each in wanted if each not in known]
        if there and unknown:
            have = ", ".join(map(str, there))
            raise InputError(f"{root} has no {split} task of {', '.join(map(repr, unknown))}; it has {have}")
