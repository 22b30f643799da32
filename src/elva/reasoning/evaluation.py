"""A model judged on questions with options: SEED-Bench-R1 and LongVideoBench."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from elva.encoding import Watch
from elva.evaluation.judging import versions
from elva.evaluation.looking import fingerprint
from elva.evaluation.metrics import mean_standard_error
from elva.evaluation.sanity import Doubt
from elva.evaluation.significance import hit_interval
from elva.index.folder import Kind, published, require_free, write_json, write_jsonl
from elva.reasoning.asking import Decoding, Model, ask
from elva.reasoning.choices import HEADLINE, Response, judged, ranks
from elva.reasoning.media import Missing, usable
from elva.reasoning.questions import Question
from elva.reasoning.sets import Benchmark, Part
from elva.reasoning.shown import choices_table


@dataclass(frozen=True, slots=True)
class Judged:
    """A part and what came of it."""

    part: Part
    responses: Sequence[Response]
    row: Mapping[str, Any]


def folder_of(benchmark: str) -> Kind:
    """The kind of folder that holds such an evaluation."""
    return Kind(
        "evaluation",
        "results.json",
        {"benchmark": benchmark},
        ("results.json", "table.md", "responses/*.jsonl"),
        f"elva evaluate {benchmark}",
    )


def evaluate(
    bench: Benchmark,
    model: Model,
    *,
    out: Path | str,
    decoding: Decoding,
    skip_missing: bool = False,
    watch: Watch | None = None,
) -> dict[str, Any]:
    """Judge a model and write `out`, at once or not at all; gives what results.json holds.

    Answers are kept as they come in OUT.answers.jsonl: a killed command goes on where it was.

    Args:
        bench: what is asked.
        model: who is asked.
        out: the folder to write; an older evaluation of this benchmark there is replaced.
        decoding: how responses are written.
        skip_missing: judge what the videos and pictures that are there allow, instead of refusing the set.
        watch: told of each piece of work and its progress.

    Raises:
        InputError: videos or pictures are missing or damaged.
        MediaError: one of them turns out to be damaged, or too large, when it is looked at.
        DataError, FolderInUse: of the file of answers, as `elva.reasoning.asking.ask`.
        FolderError: `out` holds anything but such an evaluation.
    """
    out, kind = Path(out), folder_of(bench.name)
    require_free(out, kind)
    there = [(part, *_usable(bench, part, skip_missing, watch)) for part in bench.parts]
    kept = out.with_name(out.name + ".answers.jsonl")
    found = []
    for part, questions, _ in there:
        written = ask(part.name, questions, model, decoding, kept, watch)
        responses = [Response.of(*each) for each in zip(questions, written.texts, strict=True)]
        row = judged(part.name, responses) | {"cut": written.cut, "truncated": written.truncated}
        found.append(Judged(part, responses, row))
    row = _row(bench, model, decoding, found, [each for _, _, each in there])
    with published(out, kind) as folder:
        (folder / "responses").mkdir()
        for each in found:
            write_jsonl(folder / "responses" / each.part.file.with_suffix(".jsonl").name, _rows(each))
        (folder / "table.md").write_text(choices_table(row), "utf-8")
        write_json(folder / "results.json", row)
    return row


def _usable(bench: Benchmark, part: Part, skip: bool, watch: Watch | None) -> tuple[list[Question], Missing]:
    return usable(
        f"{bench.name} {part.name}",
        part.questions,
        bench.media,
        skip=skip,
        otherwise="or leave out with --skip-missing the questions that need them",
        watch=watch,
    )


def _row(
    bench: Benchmark, model: Model, decoding: Decoding, found: Sequence[Judged], missing: Sequence[Missing]
) -> dict[str, Any]:
    files = [each.part.file for each in found]
    return {
        "schema": 1,
        "benchmark": bench.name,
        "title": bench.title,
        "mean": _mean(found),
        "tasks": {each.part.name: each.row for each in found},
        "chance": {HEADLINE: fmean(each.row["chance"][HEADLINE] for each in found)},
        "ranks": {each.part.name: ranks(each.responses) for each in found},
        "warnings": [each.to_row() for each in _doubts(found)],
        "missing": sum(missing, Missing()).to_row(),
        "model": model.identity.to_row(),
        "data": {"fingerprint": fingerprint(bench.root, files)},
        "decoding": asdict(decoding),
        "sampling": dict(bench.sampling),
        "versions": versions(),
    }


def _mean(found: Sequence[Judged]) -> dict[str, Any]:
    """The plain mean over parts."""
    hits = {each.part.name: (sum(one.right for one in each.responses), len(each.responses)) for each in found}
    accuracy = fmean(each.row[HEADLINE] for each in found)
    return {
        HEADLINE: accuracy,
        "headline": accuracy,
        "headline_se": mean_standard_error([each.row["headline_se"] for each in found]),
        "headline_interval": list(hit_interval(hits)),
    }


def _doubts(found: Sequence[Judged]) -> list[Doubt]:
    """Where the interval of the accuracy reaches down to chance, or lies below."""
    return [
        Doubt(
            "at_chance",
            each.part.name,
            f"accuracy is {each.row[HEADLINE]:.1%} (interval {low:.1%} to {high:.1%}), and a guess is right in "
            f"{chance:.1%}: nothing shows that the model sees what is asked",
        )
        for each in found
        for (low, high), chance in [(each.row["headline_interval"], each.row["chance"][HEADLINE])]
        if low <= chance
    ]


def _rows(judged: Judged) -> list[dict[str, Any]]:
    """The published rows in their order, with what the model wrote, and what was read of it."""
    return [
        {**judged.part.rows[each.question.key], "response": each.text, "chosen": each.chosen, "correct": each.right}
        for each in judged.responses
    ]
