"""A judge of rules: deterministic, needs no model, and understands nothing.

It compares words, numbers and times. It is for the built-in world, whose sentences always read alike, for tests, and to
see a run through before a model is paid for. Of free text it knows too little: who says the same in other words gets
nothing, and so does every step in another language; who names the right things in the wrong relation gets the point.
Its figures are not those of the published judge and must not be set beside them.

- A step of the reference is matched where one sentence of the response has all of its words and numbers, and no other
  time. Idle words ("the", "video") and endings ("moves", "moving") don't count; times may be 3 seconds off.
- A sentence of the response is matched where one step of the reference has all of its words and no other time, or
  where it gives the right answer. One that was said before, or only repeats the question, is redundant. Any other is
  wrong. So is a description without a time: as published.
- A step that names a time describes, one with "so", "therefore" and the like concludes; of a response, one without
  either is what the step is that it has most words of.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from elva.reasoning.responses import answer_text, chosen_letter
from elva.reasoning.vcr_bench.judging import NOTHING, Answered, Call, Judgement, judged
from elva.reasoning.vcr_bench.overlap import numbers_in
from elva.reasoning.vcr_bench.verdicts import Kind, Step, Verdict
from elva.reasoning.vcr_bench.wording import Sentence, moments, sentence, sentences

_TOLD = re.compile(r"\banswer(?:\s+is\b|\s*:)[\s*:]*(.+)", re.IGNORECASE)
_LIST = re.compile(r"\[[^\[\]]*\]")


class RuleJudge:
    """See above; it is a `Judge`, and its own `Calls`."""

    name = "rules"
    by = "rules"

    def judgements(self, answered: Sequence[Answered]) -> Iterator[tuple[int, Judgement]]:
        """As `Judge.judgements`, in order."""
        for place, each in enumerate(answered):
            yield place, judged(each, self)

    def extract(self, answered: Answered) -> Call[str]:
        """What stands in the answer's tags, or behind "answer:", or else in the last line."""
        told, question = _told(answered.response), answered.question.question
        if question.choices:
            return Call(chosen_letter(f"<answer>{told}</answer>", question.choices) or NOTHING)
        return Call(_place(told, question.answer) or told or NOTHING)

    def score(self, answered: Answered, extracted: str) -> Call[bool]:
        """Whether letters, or words and numbers, are the same."""
        answer = answered.question.answer
        if answered.question.question.choices:
            same = answer == extracted
        else:
            same = sentence(answer).words == sentence(extracted).words and extracted != NOTHING
        return Call(same, str(int(same)))

    def recall(self, answered: Answered) -> Call[tuple[Step, ...]]:
        """Each step of the reference, looked for in the response."""
        said = sentences(answered.response)
        return Call(tuple(_recalled(step, said) for step in answered.question.steps))

    def precision(self, answered: Answered) -> Call[tuple[Step, ...]]:
        """Each sentence of the response, looked for in the reference."""
        reference = [sentence(step) for step in answered.question.steps]
        asked, said = sentence(answered.question.words).words, sentences(answered.response)
        steps = []
        for place, each in enumerate(said):
            again = any((each.words, each.times) == (other.words, other.times) for other in said[:place])
            steps.append(self._verdict(each, reference, answered, asked, again))
        return Call(tuple(steps))

    def _verdict(
        self, said: Sentence, reference: Sequence[Sentence], answered: Answered, asked: frozenset[str], again: bool
    ) -> Step:
        kind, held = _kind(said, reference), any(_holds(step, said) for step in reference)
        if kind is Kind.REASONING and (held or self._answers_right(said, answered)):
            verdict = Verdict.MATCHED
        elif not said.times and said.words <= asked:
            return Step(Kind.BACKGROUND, Verdict.REDUNDANT, said.text)
        else:
            verdict = Verdict.MATCHED if held and said.times else Verdict.WRONG
        return Step(kind, Verdict.REDUNDANT if again else verdict, said.text)

    def _answers_right(self, said: Sentence, answered: Answered) -> bool:
        given = self.extract(Answered(answered.question, said.text)).value
        return given is not None and bool(self.score(answered, given).value)


def _recalled(step: str, said: Sequence[Sentence]) -> Step:
    read = sentence(step)
    matched = any(_holds(each, read) for each in said)
    kind = Kind.PERCEPTION if read.times else Kind.REASONING
    return Step(kind, Verdict.MATCHED if matched else Verdict.UNMATCHED, step)


def _holds(whole: Sentence, part: Sentence) -> bool:
    """Whether a sentence says all that another one says, and no other time."""
    return bool(part.words) and part.words <= whole.words and part.at_the_time_of(whole)


def _kind(said: Sentence, reference: Sequence[Sentence]) -> Kind:
    if said.times:
        return Kind.PERCEPTION
    nearest = max(reference, key=lambda step: len(said.words & step.words))
    described = nearest.times and said.words & nearest.words and not said.infers
    return Kind.PERCEPTION if described else Kind.REASONING


def _told(response: str) -> str:
    """The end of a response, where its answer should stand."""
    if (tagged := answer_text(response)) is not None:
        return tagged
    lines = [line.strip(" *") for line in response.splitlines() if line.strip(" *")]
    named = _TOLD.findall(response)
    return str(named[-1]).strip(" *") if named else lines[-1] if lines else ""


def _place(told: str, answer: str) -> str | None:
    """The span or box that a text ends in, where the answer is one."""
    count = next((count for count in (2, 4) if numbers_in(answer, count)), None)
    if count is None:
        return None
    lists = [each for each in _LIST.findall(told) if numbers_in(each, count)]
    spans = moments(told)[-2:] if count == 2 else []
    return lists[-1] if lists else f"[{spans[0]:g}, {spans[1]:g}]" if len(spans) == 2 else None
