"""What a judge says about a step, and how its replies are read: JSON, with prose or a fence around it or not."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Kind(StrEnum):
    """What a step is; the names of the published files."""

    PERCEPTION = "Video Description Steps"
    REASONING = "Logical Inference Steps"
    BACKGROUND = "Background Review Steps"


class Verdict(StrEnum):
    """What becomes of a step: of a reference matched or unmatched, of a response matched, wrong or redundant."""

    MATCHED = "Matched"
    UNMATCHED = "Unmatched"
    WRONG = "Wrong"
    REDUNDANT = "Redundant"


RECALL = frozenset({Verdict.MATCHED, Verdict.UNMATCHED})
PRECISION = frozenset({Verdict.MATCHED, Verdict.WRONG, Verdict.REDUNDANT})


@dataclass(frozen=True, slots=True)
class Step:
    """A step that was judged."""

    kind: Kind
    verdict: Verdict
    text: str = ""

    def to_row(self) -> dict[str, str]:
        """As the published files have it."""
        return {"step": self.text, "step_type": str(self.kind), "judgment": str(self.verdict)}


_KINDS = {"video": Kind.PERCEPTION, "perception": Kind.PERCEPTION, "logical": Kind.REASONING, "logic": Kind.REASONING,
          "reasoning": Kind.REASONING, "background": Kind.BACKGROUND}  # fmt: skip
_VERDICTS = {"match": Verdict.MATCHED, **{str(each).lower(): each for each in Verdict}}
_TRAILING = re.compile(r",(?=\s*[\]}])")
_SCORE = re.compile(r"(?:.*\b(?:output|score|answer|judge?ment|verdict)\b)?\W*([01])\W*", re.IGNORECASE)
_FENCED = re.compile(r"```\w*\s*(.*?)\s*```", re.DOTALL)
_LABEL = re.compile(r"\s*(?:your )?(?:output|answer)\s*:\s*", re.IGNORECASE)


def read_steps(reply: str, allowed: frozenset[Verdict]) -> tuple[Step, ...] | None:
    """The judged steps of a reply, whatever stands around the list; None where there is none that can be read.

    A comma too many is forgiven; a list of which any part can't be read is none. An empty list counts where there is no
    other.
    """
    read = [steps for held in _lists(reply) if (steps := _steps(held, allowed)) is not None]
    return max(read, key=len, default=None)


def read_score(reply: str) -> bool | None:
    """Whether a reply says 1 or 0, in its first or last line, be it "1." or "Output: 1"; None where it says neither."""
    lines = [line for line in reply.splitlines() if line.strip(" `*\t")]
    found = [score for line in (*lines[:1], *lines[-1:]) if (score := _SCORE.fullmatch(line.strip()))]
    return found[0][1] == "1" if found else None


def read_answer(reply: str) -> str | None:
    """The answer that a reply extracts, bare of fence, label and quotes; None where there is none."""
    fenced = _FENCED.fullmatch(reply.strip())
    text = _LABEL.sub("", fenced[1] if fenced else reply, count=1).strip()
    if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'`":
        text = text[1:-1].strip()
    return text or None


def _lists(text: str) -> Iterator[list[Any]]:
    """The outermost JSON lists in a text."""
    decoder = json.JSONDecoder()
    for form in (text, _TRAILING.sub("", text)):
        found, place = False, form.find("[")
        while place >= 0:
            try:
                value, end = decoder.raw_decode(form, place)
            except RecursionError:  # no judge nests lists a thousand deep, and each bracket would be tried again
                return
            except ValueError:
                end = place + 1
            else:
                found = found or any(isinstance(each, dict) for each in value)
                yield value
            place = form.find("[", end)
        if found:
            return


def _steps(value: list[Any], allowed: frozenset[Verdict]) -> tuple[Step, ...] | None:
    steps = [_step(each, allowed) if isinstance(each, dict) else None for each in value]
    known = tuple(step for step in steps if step is not None)
    return known if len(known) == len(value) else None


def _step(row: Mapping[str, Any], allowed: frozenset[Verdict]) -> Step | None:
    kind, verdict = _word(row.get("step_type")), _word(row.get("judgment", row.get("judgement")))
    read = _VERDICTS.get(verdict)
    if kind not in _KINDS or read not in allowed or read is None:
        return None
    return Step(_KINDS[kind], read, str(row.get("step", "")))


def _word(value: object) -> str:
    """The first word of a text, in small letters."""
    words = re.findall(r"[a-z]+", value.lower()) if isinstance(value, str) else []
    return words[0] if words else ""
