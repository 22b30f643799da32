"""The results of VCR-Bench as Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from elva.evaluation.table import markdown, percent, warned
from elva.reasoning.vcr_bench.scores import PARTS

TITLES = {"dimension": "By dimension", "duration": "By duration", "overall": "both"}
COLUMNS = ("CoT score", "interval", "perception F1", "reasoning F1", "accuracy", "interval", "questions")


def vcr_table(row: Mapping[str, Any]) -> str:
    """What table.md says about a results.json."""
    (task,) = row["tasks"].values()
    parts = [
        f"# {row['title']}: {row['model']['name']}\n",
        *warned(row),
        f"Judged by {row['judge']['name']}{_decoding(row)}. Percent; intervals are 95 %.\n",
        markdown(["", *COLUMNS], [["all", *_figures(task)], _chance(task)]),
        "\n## Steps\n",
        "Means over the items that have such steps (in brackets), and their F1; of both, the CoT score.\n",
        markdown(["steps", "recall", "precision", "F1"], _parts(task)),
        *_groups(task),
        "\n## As the published scripts count\n",
        _published(task),
        "\n## Calls to the judge\n",
        markdown(["asked for", "asked", "again", "unreadable", "no answer"], _calls(row)),
        _left(row),
    ]
    return "\n".join(parts)


def _decoding(row: Mapping[str, Any]) -> str:
    if "decoding" not in row:
        return ""
    decoding, frames = row["decoding"], row["sampling"]["frames"]
    drawn = f"temperature {decoding['temperature']:g}, seed {decoding['seed']}" if decoding["temperature"] else "greedy"
    return f"; {drawn}, at most {decoding['max_new_tokens']} tokens, {frames} frames"


def _figures(values: Mapping[str, Any]) -> list[str]:
    return [
        percent(values["cot_score"]),
        _interval(values["cot_score_interval"]),
        percent(values["perception"]["f1"]),
        percent(values["reasoning"]["f1"]),
        percent(values["accuracy"]),
        _interval(values["accuracy_interval"]),
        f"{values['queries']:,}",
    ]


def _chance(task: Mapping[str, Any]) -> list[str]:
    """Of the options; an open question is not guessed."""
    return ["chance", "", "", "", "", percent(task["chance"]["accuracy"]), "", ""]


def _interval(ends: list[float]) -> str:
    return " to ".join(map(percent, ends))


def _parts(task: Mapping[str, Any]) -> Iterator[list[str]]:
    for part in PARTS:
        values = task[part]
        counted = (f"{percent(values[name])} ({values[f'{name}_items']:,})" for name in ("recall", "precision"))
        yield [TITLES.get(part, part), *counted, percent(values["f1"])]


def _groups(task: Mapping[str, Any]) -> Iterator[str]:
    for group, values in task["groups"].items():
        yield f"\n## {TITLES[group]}\n"
        yield markdown([group, *COLUMNS], ([name, *_figures(each)] for name, each in values.items()))


def _published(task: Mapping[str, Any]) -> str:
    other = task["as_published"]
    return (
        f"They leave out what failed and what has no steps, and count an answer as right only where the judge says "
        f'"1" and nothing else: CoT score {percent(other["cot_score"])}, accuracy {percent(other["accuracy"])}, of '
        f"{other['queries']:,} items. Ours, of all {task['queries']:,}: {percent(task['cot_score'])} and "
        f"{percent(task['accuracy'])}.\n"
    )


def _calls(row: Mapping[str, Any]) -> Iterator[list[str]]:
    for name, counts in row["judge"]["calls"].items():
        yield [name, *(f"{counts[key]:,}" for key in ("asked", "retries", "unreadable", "unanswered"))]


def _left(row: Mapping[str, Any]) -> str:
    """What is not seen in the figures."""
    told = [f"{row['without_response']:,} items without a response"]
    if "cut" in row:
        told += [f"{row['cut']:,} responses cut at the limit", f"{row['truncated']:,} prompts cut to fit"]
    lost = row["missing"]["queries_left_out"]
    left = (
        f" {lost:,} questions were left out for {row['missing']['missing_images']:,} videos that could not be used, so "
        "these figures are no result of the benchmark."
    )
    return f"\n{'; '.join(told)}.{left if lost else ''}\n"
