"""What a ranked task of a published set comes to, and what the set comes to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from statistics import fmean
from typing import Any

from elva.data.unseen.sets import Task
from elva.evaluation.metrics import mean_standard_error, standard_error
from elva.evaluation.retrieve import Retrieval
from elva.evaluation.trec import Qrels, Run
from elva.evaluation.unseen.measures import chance, value
from elva.evaluation.unseen.specs import Ask


@dataclass(frozen=True, slots=True)
class JudgedTask:
    """A task, how it was ranked, and its part of results.json."""

    task: Task
    retrieval: Retrieval
    row: dict[str, Any]

    @property
    def name(self) -> str:
        """The task."""
        return self.task.name

    @property
    def run(self) -> Run:
        """Its ranked lists."""
        return self.retrieval.run

    @property
    def qrels(self) -> Qrels:
        """Its judgements; none where the answers are withheld."""
        return {each.qid: dict.fromkeys(each.answers, 1) for each in self.task.questions if each.answers}

    @property
    def ranks(self) -> dict[str, list[Any]]:
        """The rank of each query's best answer, for paired comparisons."""
        return {"qids": list(self.run.qids), "best_positive": list(self.retrieval.ranks)}


def judge(task: Task, retrieval: Retrieval, ask: Ask) -> JudgedTask:
    """Measure a task's lists; where the answers are withheld, only count its queries."""
    row: dict[str, Any] = {"queries": len(task.questions), "pool": len(task.candidates)}
    if any(each.among is not None for each in task.questions):
        row["gallery"] = fmean(_ranked(task).values())
    if all(each.answers for each in task.questions):
        row = {**_measured(task, retrieval, ask), **row}
    return JudgedTask(task, retrieval, row)


def _measured(task: Task, retrieval: Retrieval, ask: Ask) -> dict[str, Any]:
    answers = {each.qid: each.answers for each in task.questions}
    lists = [(set(answers[qid]), dids) for qid, dids in zip(retrieval.run.qids, retrieval.run.dids, strict=True)]
    values = {each: [value(each, dids, right) for right, dids in lists] for each in ask.measures}
    headline, sizes, by_chance = ask.headline, _ranked(task), cache(chance)
    return {
        **{each: fmean(found) for each, found in values.items()},
        "headline": headline,
        "headline_se": standard_error(values[headline]),
        "chance": {
            each: fmean(by_chance(each, sizes[qid], len(right)) for qid, right in answers.items())
            for each in ask.measures
        },
    }


def _ranked(task: Task) -> dict[str, int]:
    """How many candidates each question ranks."""
    return {
        each.qid: len((task.candidates.keys() if each.among is None else set(each.among)) - set(each.without))
        for each in task.questions
    }


def figures(judged: Sequence[JudgedTask]) -> dict[str, Any]:
    """Means, tasks, chance and ranks: what results.json has of every evaluation."""
    scored = [each.row for each in judged if "headline" in each.row]
    shared = [key for key in scored[0]["chance"] if all(key in row["chance"] for row in scored)] if scored else []
    return {
        "mean": _mean(scored, shared) if scored else {"headline": None},
        "tasks": {each.name: each.row for each in judged},
        "chance": {key: fmean(row["chance"][key] for row in scored) for key in shared},
        "ranks": {each.name: each.ranks for each in judged if "headline" in each.row},
    }


def _mean(rows: Sequence[Mapping[str, Any]], shared: Sequence[str]) -> dict[str, float]:
    """Plain means over tasks of the measures that all of them have, and of their headlines."""
    return {
        **{key: fmean(row[key] for row in rows) for key in shared},
        "headline": fmean(row[row["headline"]] for row in rows),
        "headline_se": mean_standard_error([row["headline_se"] for row in rows]),
    }


def columns(row: Mapping[str, Any]) -> list[str]:
    """Every measure that a task of results.json has, in order."""
    return list(dict.fromkeys(key for task in row["tasks"].values() for key in task.get("chance", {})))
