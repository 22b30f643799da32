"""What a ranked task of a published set comes to, and what the set comes to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from statistics import fmean
from typing import Any

import numpy as np

from elva.data.unseen.sets import Task
from elva.evaluation.metrics import mean_standard_error, standard_error
from elva.evaluation.retrieve import Retrieval
from elva.evaluation.significance import bootstrap_interval, hit_interval
from elva.evaluation.trec import Qrels, Run
from elva.evaluation.unseen.measures import chance, value
from elva.evaluation.unseen.specs import Ask


@dataclass(frozen=True, slots=True)
class JudgedTask:
    """A task, how it was ranked, and its part of results.json.

    Attributes:
        task: what was asked.
        retrieval: the ranked lists.
        row: its part of results.json.
        headlines: the headline measure of every query; none where the answers are withheld.
    """

    task: Task
    retrieval: Retrieval
    row: dict[str, Any]
    headlines: Sequence[float] = ()

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
    def qids(self) -> list[str]:
        """Its queries, in the order of the files."""
        return [each.qid for each in self.task.questions]

    @property
    def dids(self) -> list[str]:
        """All candidates that its queries rank."""
        return list(self.task.candidates)

    @property
    def positives(self) -> dict[str, tuple[str, ...]]:
        """The answers of each query; none where they are withheld."""
        return {each.qid: each.answers for each in self.task.questions}

    @property
    def ranks(self) -> dict[str, list[Any]]:
        """The rank of each query's best answer, for paired comparisons."""
        return {"qids": list(self.run.qids), "best_positive": list(self.retrieval.ranks)}


def judge(task: Task, retrieval: Retrieval, ask: Ask) -> JudgedTask:
    """Measure a task's lists; where the answers are withheld, only count its queries."""
    row: dict[str, Any] = {"queries": len(task.questions), "pool": len(task.candidates)}
    if any(each.among is not None for each in task.questions):
        row["gallery"] = fmean(_ranked(task).values())
    if not all(each.answers for each in task.questions):
        return JudgedTask(task, retrieval, row)
    values = _values(retrieval, {each.qid: each.answers for each in task.questions}, ask.measures)
    headlines = values[ask.headline]
    measured = {
        **{each: fmean(found) for each, found in values.items()},
        "headline": ask.headline,
        "headline_se": standard_error(headlines),
        "headline_interval": list(_interval({task.name: headlines})),
        "chance": _chance(task, ask.measures),
    }
    return JudgedTask(task, retrieval, {**measured, **row}, headlines)


def _values(
    retrieval: Retrieval, answers: Mapping[str, Sequence[str]], measures: Sequence[str]
) -> dict[str, list[float]]:
    """Measure -> its value for every query."""
    lists = [(set(answers[qid]), dids) for qid, dids in zip(retrieval.run.qids, retrieval.run.dids, strict=True)]
    return {each: [value(each, dids, right) for right, dids in lists] for each in measures}


def _chance(task: Task, measures: Sequence[str]) -> dict[str, float]:
    """Measure -> what a random order reaches on average."""
    sizes, by_chance = _ranked(task), cache(chance)
    return {
        each: fmean(by_chance(each, sizes[asked.qid], len(set(asked.answers))) for asked in task.questions)
        for each in measures
    }


def _interval(headlines: Mapping[str, Sequence[float]]) -> tuple[float, float]:
    """The ends of a 95 % bootstrap interval over queries, of the mean over tasks."""
    if all(each in (0, 1) for values in headlines.values() for each in values):
        return hit_interval({name: (round(sum(values)), len(values)) for name, values in headlines.items()})
    return bootstrap_interval({name: np.array(values) for name, values in headlines.items()})


def _ranked(task: Task) -> dict[str, int]:
    """How many candidates each question ranks."""
    return {
        each.qid: len((task.candidates.keys() if each.among is None else set(each.among)) - set(each.without))
        for each in task.questions
    }


def figures(judged: Sequence[JudgedTask]) -> dict[str, Any]:
    """Means, tasks, chance and ranks: what results.json has of every evaluation."""
    of = {each.name: each.headlines for each in judged if each.headlines}
    scored = [each.row for each in judged if each.headlines]
    shared = [key for key in scored[0]["chance"] if all(key in row["chance"] for row in scored)] if scored else []
    return {
        "mean": {**_mean(scored, shared), "headline_interval": list(_interval(of))} if scored else {"headline": None},
        "tasks": {each.name: each.row for each in judged},
        "chance": {key: fmean(row["chance"][key] for row in scored) for key in shared},
        "ranks": {each.name: each.ranks for each in judged if each.headlines},
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
