"""One runner for all published sets: read, look at the pictures, embed, rank, measure, write.

The folder it leaves is that of every evaluation, and for a split whose answers are withheld submission.json:
{query id: [50 picture ids]}, as CIRCO's server takes it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from elva.data.instructions import Choice, Prompts, choice_by_qid, read_instructions
from elva.data.rows import Rows
from elva.data.unseen.sets import EVENLY, Sampling, Task
from elva.encoding import Encoder, ModelIdentity, Watch
from elva.errors import InputError
from elva.evaluation.embed import cached
from elva.evaluation.judging import Results, versions, write
from elva.evaluation.looking import fingerprint
from elva.evaluation.sanity import doubts
from elva.evaluation.store import VectorStore
from elva.evaluation.unseen.judged import JudgedTask, figures, judge
from elva.evaluation.unseen.measures import cutoff
from elva.evaluation.unseen.missing import usable
from elva.evaluation.unseen.ranking import Instructed, embed_task, rank
from elva.evaluation.unseen.shown import set_table
from elva.evaluation.unseen.specs import Ask, Spec
from elva.index.folder import EVALUATION, Kind, require_free

SUBMISSION = "submission.json"
SUBMITTED = 50


def folder_of(benchmark: str) -> Kind:
    """The folder of an evaluation of this kind of benchmark."""
    return replace(EVALUATION, says={"benchmark": benchmark}, files=(*EVALUATION.files, SUBMISSION))


@dataclass(frozen=True, slots=True)
class Instructions:
    """Which instruction a query of each task gets.

    Attributes:
        prompts: task -> those to choose from.
        choice: which of them, counted from 0, or "qid" for one drawn by the query's id.
    """

    prompts: Mapping[str, Prompts]
    choice: Choice

    @classmethod
    def of(cls, spec: Spec, path: Path | None, choice: Choice) -> Instructions:
        """Ours or, where M-BEIR's file is given, those of the data sets that the tasks are like; DataErrors as it."""
        known = read_instructions(path, Rows())[0] if path else {}
        return cls(
            {
                name: known.get(ask.like, (ask.instruction,)) if ask.like else (ask.instruction,)
                for name, ask in spec.asks.items()
            },
            choice,
        )

    def for_task(self, name: str) -> Instructed:
        """The instruction of a query, by its qid."""
        prompts = self.prompts[name]
        return lambda qid: prompts[(choice_by_qid(qid) if self.choice == "qid" else self.choice) % len(prompts)]


def evaluate_set(
    name: str,
    spec: Spec,
    root: Path | str,
    encoder: Encoder,
    *,
    out: Path | str,
    benchmark: str = "unseen",
    split: str | None = None,
    instructions: Path | None = None,
    instruction_choice: Choice = 0,
    depth: int = 100,
    skip_missing: bool = False,
    sampling: Sampling = EVENLY,
    cache: Path | str | None = None,
    watch: Watch | None = None,
) -> Results:
    """Judge a model on a published set and write `out`, at once or not at all.

    Args:
        name: of the set, as the command calls it.
        spec: its row of the table.
        root: the folder it was downloaded to.
        encoder: the model to judge.
        out: the folder to write; an older evaluation of this kind of benchmark there is replaced.
        benchmark: "unseen" or "video"; stands in results.json.
        split: which split; the usual one when None.
        instructions: M-BEIR's query_instructions.tsv, whose sentences the model knows; ours when None.
        instruction_choice: which of a task's prompts every query gets, or "qid".
        depth: length of the lists in the run files; as deep as the measures look, or deeper.
        skip_missing: judge what the pictures that are there allow, instead of refusing the set.
        sampling: which frames of clips are looked at.
        cache: a folder that keeps vectors by what items say and show, as in `elva.evaluation.mbeir.evaluate`.
        watch: told of each piece of work and its progress.

    Raises:
        InputError: there is no such split, the lists are too short, pictures are missing or damaged, or the cache is
            a file.
        DataError: a file is missing or malformed.
        MissingExtra: clips are video files, and PyAV is not installed.
        FolderError: `out` holds anything but such an evaluation.
    """
    root, out, kind = Path(root), Path(out), folder_of(benchmark)
    split = spec.splits[0] if split is None else split
    _require(name, spec, split, depth)
    require_free(out, kind)
    asked = Instructions.of(spec, instructions, instruction_choice)
    published = spec.read(root, split)
    _require_plain(published.tasks)
    tasks, missing = usable(published, name, spec, skip=skip_missing, watch=watch)
    kept = cached(encoder, None if cache is None else Path(cache))
    store = VectorStore(ModelIdentity.of(encoder), instruction_choice, fingerprint(root, published.files), kept=kept)
    judged = []
    for task in tasks:
        embed_task(task, encoder, store, asked.for_task(task.name), sampling, watch)
        judged.append(_judged(task, store, spec.asks[task.name], depth, asked.prompts[task.name]))
    withheld = split in spec.withheld
    row = {
        "schema": 1,
        "benchmark": benchmark,
        "set": name,
        "title": spec.title,
        "split": split,
        **figures(judged),
        "submission": SUBMISSION if withheld else None,
        "warnings": [each.to_row() for each in doubts(judged, store)],
        "missing": missing.to_row(),
        "absent": list(published.absent),
        "missing_ret": store.counts.missing_ret,
        "counts": store.counts.to_row(),
        "model": store.model.to_row(),
        "data": {"fingerprint": store.data},
        "instruction_choice": instruction_choice,
        "sampling": asdict(sampling),
        "run_depth": depth,
        "versions": versions(),
    }
    also = {SUBMISSION: _submission(judged)} if withheld else {}
    write(out, row, judged, store.rows(), table=set_table, kind=kind, also=also)
    return Results(row, {each.name: each.retrieval for each in judged})


def _judged(task: Task, store: VectorStore, ask: Ask, depth: int, prompts: Prompts) -> JudgedTask:
    judged = judge(task, rank(task, store, depth), ask)
    judged.row["instructions"] = list(prompts)
    return judged


def _require(name: str, spec: Spec, split: str, depth: int) -> None:
    """Raise InputError where the request can't be met."""
    if split not in spec.splits:
        raise InputError(f"{name} has no split {split!r} to judge: use {' or '.join(spec.splits)}")
    deepest = max(cutoff(each) for ask in spec.asks.values() for each in ask.measures)
    if depth < (least := max(deepest, SUBMITTED if split in spec.withheld else 1)):
        raise InputError(f"lists of depth {depth} are too short for {name}: give a depth of {least} or more")


def _require_plain(tasks: Sequence[Task]) -> None:
    """Raise InputError for an id that run files can't hold, before the work starts."""
    for task in tasks:
        for each in (*(question.qid for question in task.questions), *task.candidates):
            if each.split() != [each]:
                raise InputError(f"{task.name}: the id {each!r} is empty or holds white space; rename it in the files")


def _submission(judged: Sequence[JudgedTask]) -> dict[str, list[int]]:
    """Query number -> the numbers of its first pictures."""
    found: dict[str, list[Any]] = {
        qid.partition(":")[2]: [int(did) for did in dids[:SUBMITTED]]
        for each in judged
        for qid, dids in zip(each.run.qids, each.run.dids, strict=True)
    }
    return dict(sorted(found.items(), key=lambda pair: int(pair[0])))
