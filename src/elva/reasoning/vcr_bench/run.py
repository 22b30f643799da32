"""`elva evaluate vcr-bench`: responses written or given, judged, scored and told."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from elva.encoding import Watch
from elva.evaluation.judging import versions
from elva.evaluation.looking import fingerprint
from elva.evaluation.sanity import Doubt
from elva.index.folder import Kind, published, require_free, write_json
from elva.reasoning.asking import Decoding, Model, ask
from elva.reasoning.media import Missing, usable
from elva.reasoning.vcr_bench.judging import CALLS, Answered, Failure, Judge, Judgement
from elva.reasoning.vcr_bench.reading import DIMENSIONS, DURATIONS, FILE, FRAMES, MEDIA, VcrQuestion, read_questions
from elva.reasoning.vcr_bench.responses import judged_row, read_responses
from elva.reasoning.vcr_bench.scores import ItemScore, score, summary
from elva.reasoning.vcr_bench.shown import vcr_table

NAME = "vcr-bench"
FOLDER = Kind(
    "evaluation",
    "results.json",
    {"benchmark": NAME},
    ("results.json", "table.md", "responses.json"),
    f"elva evaluate {NAME}",
)
GROUPS: Mapping[str, Sequence[str]] = {"dimension": DIMENSIONS, "duration": [name for _, name in DURATIONS]}
"""What figures are split by -> the published values, in the order of tables."""
JudgeWith = Callable[[Path], AbstractContextManager[Judge]]
"""Gives a judge that keeps its replies in this file, and ends it."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where responses come from.

    Attributes:
        questions: those that are judged.
        responses: one each; "" where there is none.
        missing: videos that could not be used, and what was left out for them.
        row: what results.json says of model and decoding.
    """

    questions: Sequence[VcrQuestion]
    responses: Sequence[str]
    missing: Missing
    row: Mapping[str, Any]


def evaluate(
    root: Path | str,
    source: Model | Path,
    judge_with: JudgeWith,
    *,
    out: Path | str,
    decoding: Decoding,
    frames: int = FRAMES,
    skip_missing: bool = False,
    watch: Watch | None = None,
) -> dict[str, Any]:
    """Judge a model, or given responses, and write `out`, at once or not at all; gives what results.json holds.

    Responses and the replies of a served judge are kept as they come in OUT.answers.jsonl: a killed command goes on
    where it was.

    Args:
        root: the folder of the download.
        source: the model to ask, or a file of responses: then no video is needed.
        judge_with: gives the judge.
        out: the folder to write; an older evaluation of VCR-Bench there is replaced.
        decoding: how the model writes.
        frames: the most frames of a video that are looked at.
        skip_missing: judge what the videos that are there allow, instead of refusing.
        watch: told of each piece of work and its progress.

    Raises:
        DataError, DataErrors: a file is missing or malformed.
        InputError: videos are missing or damaged.
        MediaError: one turns out to be damaged when it is looked at.
        EndpointError: the judge can't be asked.
        FolderInUse: another process writes to the file of answers.
        FolderError: `out` holds anything but such an evaluation.
    """
    root, out = Path(root), Path(out)
    require_free(out, FOLDER)
    kept = out.with_name(f"{out.name}.answers.jsonl")
    questions = read_questions(root, frames=frames)
    if isinstance(source, Path):
        given = _given(source, questions)
    else:
        given = _written(questions, source, decoding, frames, kept, skip_missing, watch)
    with judge_with(kept) as judge:
        judgements = _judgements(judge, given, watch)
    scores = [score(each) for each in judgements]
    task = _task(given.questions, scores)
    row = {
        "schema": 1,
        "benchmark": NAME,
        "title": "VCR-Bench",
        "tasks": {NAME: task},
        "mean": {key: task[key] for key in ("cot_score", "accuracy")},
        "ranks": {NAME: _ranks(given.questions, scores)},
        "judge": {"name": judge.name, "by": judge.by, "calls": _calls(judgements)},
        "without_response": sum(each is None for each in judgements),
        "warnings": [each.to_row() for each in _doubts(judge, task, given.row.get("truncated", 0))],
        "missing": given.missing.to_row(),
        **given.row,
        "data": {"fingerprint": fingerprint(root, [root / FILE])},
        "versions": versions(),
    }
    judged = zip(given.questions, given.responses, judgements, scores, strict=True)
    with published(out, FOLDER) as folder:
        write_json(folder / "responses.json", [judged_row(*each) for each in judged])
        (folder / "table.md").write_text(vcr_table(row), "utf-8")
        write_json(folder / "results.json", row)
    return row


def _given(path: Path, questions: Sequence[VcrQuestion]) -> Source:
    """Responses of a file."""
    responses = read_responses(path, questions)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    model = {"name": path.stem, "fingerprint": digest, "extraction": "responses", "dimension": 0}
    return Source(questions, responses, Missing(), {"model": model})


def _written(
    questions: Sequence[VcrQuestion],
    model: Model,
    decoding: Decoding,
    frames: int,
    kept: Path,
    skip_missing: bool,
    watch: Watch | None,
) -> Source:
    """Responses of a model."""
    asked, missing = usable(NAME, [each.question for each in questions], MEDIA, skip=skip_missing, watch=watch)
    keys = {each.key for each in asked}
    written = ask(NAME, asked, model, decoding, kept, watch)
    row = {
        "model": model.identity.to_row(),
        "decoding": asdict(decoding),
        "sampling": {"frames": frames},
        "cut": written.cut,
        "truncated": written.truncated,
    }
    return Source([each for each in questions if each.key in keys], written.texts, missing, row)


def _judgements(judge: Judge, given: Source, watch: Watch | None) -> list[Judgement | None]:
    """One per question; None where there is no response."""
    found: list[Judgement | None] = [None] * len(given.questions)
    places = [place for place, response in enumerate(given.responses) if response.strip()]
    answered = [Answered(given.questions[place], given.responses[place]) for place in places]
    progress = watch(f"judged by {judge.name}", len(places)) if watch else None
    for place, judgement in judge.judgements(answered):
        found[places[place]] = judgement
        if progress:
            progress(1)
    return found


def _task(questions: Sequence[VcrQuestion], scores: Sequence[ItemScore]) -> dict[str, Any]:
    whole = summary(scores)
    choices = [len(each.question.choices) for each in questions]
    return {
        **whole,
        "headline": "cot_score",
        "headline_interval": whole["cot_score_interval"],
        "chance": {"accuracy": fmean(1 / count if count else 0.0 for count in choices)},
        "groups": {group: _by(group, order, questions, scores) for group, order in GROUPS.items()},
    }


def _by(
    group: str, order: Sequence[str], questions: Sequence[VcrQuestion], scores: Sequence[ItemScore]
) -> dict[str, dict[str, Any]]:
    """The figures of each value of a group: the published ones first, then others by name."""
    held: dict[str, list[ItemScore]] = {}
    for question, each in zip(questions, scores, strict=True):
        held.setdefault(question.question.groups[group], []).append(each)
    names = [*(name for name in order if name in held), *sorted(held.keys() - set(order))]
    return {name: summary(held[name]) for name in names}


def _ranks(questions: Iterable[VcrQuestion], scores: Sequence[ItemScore]) -> dict[str, list[Any]]:
    """Which answers are right, as models are compared: rank 1 or none."""
    return {
        "qids": [each.key for each in questions],
        "best_positive": [1 if each.right else None for each in scores],
    }


def _calls(judgements: Iterable[Judgement | None]) -> dict[str, dict[str, int]]:
    """How often each thing was asked, asked again, and asked in vain."""
    counts = {name: Counter(asked=0, retries=0, **dict.fromkeys(map(str, Failure), 0)) for name in CALLS}
    for judgement in judgements:
        for name, call in judgement.calls.items() if judgement else ():
            counts[name].update(asked=1, retries=call.retries)
            if call.failure:
                counts[name][str(call.failure)] += 1
    return {name: dict(each) for name, each in counts.items()}


def _doubts(judge: Judge, task: Mapping[str, Any], truncated: int) -> list[Doubt]:
    rules = "judged by rules that compare words: to see a run through, not to be set beside published figures"
    failed = f"{task['failed']:,} of {task['queries']:,} items have no response or could not be judged: they count as 0"
    cut = f"{truncated:,} of {task['queries']:,} prompts were cut to the model's text limit"
    return [
        *([Doubt("judged_by_rules", NAME, rules)] if judge.by == "rules" else []),
        *([Doubt("cut_prompts", NAME, cut)] if truncated else []),
        *([Doubt("not_judged", NAME, failed)] if task["failed"] else []),
    ]
