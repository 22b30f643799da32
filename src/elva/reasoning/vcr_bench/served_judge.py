"""A judge that is a served model, asked in words; it sees no video, as published."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from threading import Lock
from typing import TypeVar

from elva.reasoning.vcr_bench import asking
from elva.reasoning.vcr_bench.judging import Answered, Call, Failure, Judgement, judged
from elva.reasoning.vcr_bench.verdicts import PRECISION, RECALL, Step, read_answer, read_score, read_steps
from elva.served.answers import Answers
from elva.served.endpoint import Ask, Endpoint, EndpointError, Messages, NoAnswer

TRIES = 3
"""Replies that are asked for until one can be read."""
REPLY_TOKENS = 4096
"""Length limit of a reply: room for 35 steps with reasons."""
SILENT = 8
"""So many requests without an answer, one after the other, end the work: the server is gone."""

Value = TypeVar("Value")


class EndpointJudge:
    """Asks a served model; it is a `Judge`. Its replies are kept as they come, and none is asked for twice.

    Args:
        endpoint: the model.
        answers: replies that are there already, and where new ones go.
    """

    by = "model"

    @classmethod
    @contextmanager
    def keeping(cls, endpoint: Endpoint, path: Path) -> Iterator[EndpointJudge]:
        """A judge that keeps its replies in a file, as long as it is needed; errors as of `Answers`."""
        with Answers(path) as answers:
            yield cls(endpoint, answers)

    def __init__(self, endpoint: Endpoint, answers: Answers) -> None:
        self._endpoint, self._answers = endpoint, answers

    @property
    def name(self) -> str:
        """The model's name."""
        return self._endpoint.name

    def judgements(self, answered: Sequence[Answered]) -> Iterator[tuple[int, Judgement]]:
        """As `Judge.judgements`.

        Raises:
            EndpointError: the server refuses, or has not answered `SILENT` requests one after the other; what it said
                before is kept.
        """
        silence = _Silence()
        works: list[Callable[[Ask], Judgement]] = [partial(self._judged, each, silence) for each in answered]
        return self._endpoint.each(works)

    def _judged(self, answered: Answered, silence: _Silence, ask: Ask) -> Judgement:
        return judged(answered, _Asking(self._remembering(answered.question.key, silence, ask)))

    def _remembering(self, key: str, silence: _Silence, ask: Ask) -> Callable[[Messages], str]:
        def remembered(messages: Messages) -> str:
            said = json.dumps([self._endpoint.identity, messages, REPLY_TOKENS])
            digest = hashlib.sha256(said.encode()).hexdigest()
            if digest not in self._answers:
                with silence:
                    reply = ask(messages, max_tokens=REPLY_TOKENS)
                self._answers.put(digest, key, reply)
            return self._answers[digest]

        return remembered


@dataclass
class _Silence:
    """Around a request: counts those in a row that got no answer, and ends the work where they are too many."""

    requests: int = 0
    lock: Lock = field(default_factory=Lock)

    def __enter__(self) -> None:
        """Nothing to do before a request."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        with self.lock:
            self.requests = self.requests + 1 if isinstance(error, NoAnswer) else 0
            if self.requests >= SILENT:
                raise EndpointError(f"{SILENT} requests in a row got no answer: {error}") from error


@dataclass(frozen=True, slots=True)
class _Asking:
    """The four calls about one response; a reply that can't be read is answered with what is wrong with it."""

    ask: Callable[[Messages], str]

    def extract(self, answered: Answered) -> Call[str]:
        return self._call(asking.extraction(answered), read_answer, "Write the answer and nothing else.")

    def score(self, answered: Answered, extracted: str) -> Call[bool]:
        return self._call(asking.scoring(answered, extracted), read_score, "Write 1 or 0 and nothing else.")

    def recall(self, answered: Answered) -> Call[tuple[Step, ...]]:
        count = len(answered.question.steps)

        def read(reply: str) -> tuple[Step, ...] | None:
            steps = read_steps(reply, RECALL)
            return steps if steps is not None and len(steps) == count else None

        form = f"Write the JSON list that was asked for, one entry for each of the {count} reference steps."
        return self._call(asking.recalling(answered), read, form)

    def precision(self, answered: Answered) -> Call[tuple[Step, ...]]:
        form = "Write the JSON list that was asked for and nothing else."
        return self._call(asking.dissecting(answered), lambda reply: read_steps(reply, PRECISION), form)

    def _call(self, prompt: str, read: Callable[[str], Value | None], form: str) -> Call[Value]:
        messages, reply = [{"role": "user", "content": prompt}], ""
        for retries in range(TRIES):
            try:
                reply = self.ask(messages)
            except NoAnswer:
                return Call(None, reply, retries, Failure.UNANSWERED)
            if (value := read(reply)) is not None:
                return Call(value, reply, retries)
            again = f"That can't be read. {form}"
            messages = [*messages, {"role": "assistant", "content": reply}, {"role": "user", "content": again}]
        return Call(None, reply, TRIES - 1, Failure.UNREADABLE)
