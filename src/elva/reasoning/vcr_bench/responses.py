"""The published array with responses: read, to be judged; written, judged, under the names of the published scripts."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from elva.data.unseen.files import read_json
from elva.errors import DataError, DataErrors
from elva.reasoning.vcr_bench.judging import Call, Judgement, share
from elva.reasoning.vcr_bench.reading import VcrQuestion, row_key
from elva.reasoning.vcr_bench.scores import OVERALL, ItemScore
from elva.reasoning.vcr_bench.verdicts import Kind, Step, Verdict

NAMES = {"perception": "Video", "reasoning": "logic", OVERALL: "overall"}
"""What the published scripts call the parts of the score."""


def read_responses(path: Path, questions: Sequence[VcrQuestion]) -> list[str]:
    """What a model wrote about each question; "" where the file has no response.

    Args:
        path: a JSON list of objects with "id" and "response"; other fields are passed over.
        questions: those of the benchmark.

    Raises:
        DataError: no such file, or no JSON list.
        DataErrors: a row without an id, of no question, or of one that came before.
    """
    known, found, errors = {each.key for each in questions}, dict[str, str](), list[DataError]()
    for row in read_json(path).items():
        try:
            key = row_key(row["id"])
            if key in found or key not in known:
                problem = "comes twice" if key in found else "is of no question"
                raise row["id"].wrong(f"{key} {problem}", "give the responses to the questions of this folder")
            response = row.value.get("response")
            if response is not None and not isinstance(response, str):
                raise row["response"].wrong(f"{response!r} is not a text", "give what the model wrote, or leave it out")
            found[key] = response or ""
        except DataError as error:
            errors.append(error)
    if errors:
        raise DataErrors(errors)
    return [found.get(each.key, "") for each in questions]


def judged_row(
    question: VcrQuestion, response: str, judgement: Judgement | None, score: ItemScore
) -> Mapping[str, Any]:
    """A row of the published output.

    The scripts that add up such rows arrive at our figures: what failed is 0 in them, and the score of an answer is
    "1" or "0" whatever the judge wrote around it. What it wrote is in "replies".
    """
    row: dict[str, Any] = {**question.row, "response": response, "answer_scoring": str(int(score.right))}
    for part, name in NAMES.items():
        row[f"{name}_recall"] = _told(score.recall[part])
        row[f"{name}_precision"] = _told(score.precision[part])
    row["efficiency"] = _told(score.efficiency)
    if judgement is None:
        return row | {"failed": ["no response"]}
    row["extract_answer"] = judgement.extract.value or ""
    for name, call, against in (
        ("recall", judgement.recall, Verdict.UNMATCHED),
        ("precision", judgement.precision, Verdict.WRONG),
    ):
        background = [step for step in call.value or () if step.kind is Kind.BACKGROUND]
        row[f"background_{name}"] = _told(share(background, against))
        row[f"{name}_eval"] = _listed(call)
    row["replies"] = {name: call.reply for name, call in judgement.calls.items() if call.reply}
    row["failed"] = [f"{name}: {call.failure}" for name, call in judgement.calls.items() if call.failure]
    return row


def _told(value: float | None) -> float | str:
    """A share as the published scripts write it: "" where there is none."""
    return "" if value is None else value


def _listed(call: Call[tuple[Step, ...]]) -> str:
    """The steps that were judged, in the fence that the published scripts look for."""
    rows = [step.to_row() for step in call.value or ()]
    return f"```json\n{json.dumps(rows, ensure_ascii=False, indent=1)}\n```"
