"""The results of a published set as Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from elva.evaluation.table import markdown, percent, warned
from elva.evaluation.unseen.judged import columns


def set_table(row: Mapping[str, Any]) -> str:
    """What table.md says about a results.json."""
    measures = columns(row)
    how = f"{row['model']['extraction']} extraction, {row['split']} split, instruction {row['instruction_choice']}"
    parts = [
        f"# {row['title']}: {row['model']['name']}\n",
        *warned(row),
        f"{how}; rates in percent. Of the headline figure, ± is one standard error, and the interval 95 %.\n",
        markdown(["task", *measures, "interval", "queries", "ranked"], _rows(row, measures)),
        *(f"{note}\n" for note in _notes(row)),
    ]
    return "\n".join(parts)


def _rows(row: Mapping[str, Any], measures: list[str]) -> list[list[str]]:
    tasks = [
        [name, *_rates(task, task.get("headline"), measures), _interval(task), f"{task['queries']:,}", _ranked(task)]
        for name, task in row["tasks"].items()
    ]
    if not row["chance"]:
        return tasks
    headlines = _headlines(row)
    mean = ["**mean**", *_rates(row["mean"], headlines[0], measures), _interval(row["mean"]), "", ""]
    chance = ["chance", *(percent(row["chance"].get(key)) for key in measures), "", "", ""]
    return [*tasks, mean, chance] if len(tasks) > 1 and len(headlines) == 1 else [*tasks, chance]


def _headlines(row: Mapping[str, Any]) -> list[str]:
    """The measures that papers report of the tasks, each once."""
    return list(dict.fromkeys(task["headline"] for task in row["tasks"].values() if "headline" in task))


def _rates(values: Mapping[str, Any], headline: str | None, measures: list[str]) -> list[str]:
    return [
        percent(values.get(key)) + (f" ± {percent(values['headline_se'])}" if key == headline else "")
        for key in measures
    ]


def _interval(values: Mapping[str, Any]) -> str:
    return " to ".join(map(percent, values["headline_interval"])) if "headline_interval" in values else percent(None)


def _ranked(task: Mapping[str, Any]) -> str:
    return f"{task['gallery']:.0f} each" if "gallery" in task else f"{task['pool']:,}"


def _notes(row: Mapping[str, Any]) -> list[str]:
    missing, notes, headlines = row["missing"], [], _headlines(row)
    if len(headlines) > 1:
        mean, error = percent(row["mean"]["headline"]), percent(row["mean"]["headline_se"])
        notes.append(f"Mean of the tasks' headline figures ({', '.join(headlines)}): {mean} ± {error}.")
    if row["submission"]:
        notes.append(f"The answers of this split are withheld: hand {row['submission']} in at the authors' server.")
    if missing["missing_images"]:
        notes.append(
            f"{missing['missing_images']:,} of {missing['images']:,} images could not be used: "
            f"{missing['queries_left_out']:,} queries and {missing['candidates_left_out']:,} candidates were left out, "
            "so these figures are no result of the benchmark."
        )
    if row["absent"]:
        notes.append(f"Left out, since their files are not there: {', '.join(row['absent'])}.")
    notes.append(
        f"Summaries without [RET] of their own: {percent(row['missing_ret'], 2)} %; "
        f"texts cut to fit: {row['counts']['truncated']}."
    )
    return notes
