"""The results of questions with options as Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from elva.evaluation.table import markdown, percent, warned

TITLES = {"domain": "by domain", "kind": "by kind of question", "category": "by category", "duration": "by duration"}


def choices_table(row: Mapping[str, Any]) -> str:
    """What table.md says about a results.json."""
    parts = [
        f"# {row['title']}: {row['model']['name']}\n",
        *warned(row),
        f"{_decoding(row['decoding'])}. Percent of questions; ± is one standard error, the interval 95 %.\n",
        markdown(
            ["", "accuracy", "interval", "questions", "no answer", "cut", "format", "consistent", "told of"],
            _rows(row),
        ),
        "No answer: nothing to read inside the answer tags; it counts as wrong. Consistent: of the responses whose "
        "thinking names an option (told of), those whose answer is the one it names last.\n",
        *_published_rule(row),
        *_truncated(row),
        *_groups(row),
        *_missing(row["missing"]),
    ]
    return "\n".join(parts)


def _decoding(decoding: Mapping[str, Any]) -> str:
    drawn = f"temperature {decoding['temperature']:g}, seed {decoding['seed']}"
    return f"{drawn if decoding['temperature'] else 'Greedy'}, at most {decoding['max_new_tokens']} tokens"


def _rows(row: Mapping[str, Any]) -> Iterator[list[str]]:
    for name, each in row["tasks"].items():
        yield [
            name,
            f"{percent(each['accuracy'])} ± {percent(each['headline_se'])}",
            _interval(each),
            f"{each['queries']:,}",
            percent(each["unparsed"]),
            percent(each["cut"] / each["queries"]),
            percent(each["format"]),
            percent(each["consistency"]),
            f"{each['consistency_told_of']:,}",
        ]
    if len(row["tasks"]) > 1:
        mean = row["mean"]
        accuracy = f"{percent(mean['accuracy'])} ± {percent(mean['headline_se'])}"
        yield ["**mean**", accuracy, _interval(mean), *[""] * 6]
    yield ["chance", percent(row["chance"]["accuracy"]), *[""] * 7]


def _interval(values: Mapping[str, Any]) -> str:
    return " to ".join(map(percent, values["headline_interval"]))


def _published_rule(row: Mapping[str, Any]) -> list[str]:
    """What the published evaluation, which looks at the first character of the answer alone, makes of the same."""
    other = [
        f"{name} {percent(each['published_rule'])}"
        for name, each in row["tasks"].items()
        if each["published_rule"] != each["accuracy"]
    ]
    return [f"By the first character of the answer alone, the published rule: {', '.join(other)}.\n"] if other else []


def _truncated(row: Mapping[str, Any]) -> list[str]:
    count = sum(each["truncated"] for each in row["tasks"].values())
    return [f"Prompts that were cut to fit, options perhaps with them: {count:,}.\n"] if count else []


def _groups(row: Mapping[str, Any]) -> Iterator[str]:
    for name, task in row["tasks"].items():
        for group, values in task["groups"].items():
            yield f"## {name}: {TITLES[group]}\n"
            yield markdown(
                [group, "accuracy", "interval", "questions"],
                [
                    [value, percent(each["accuracy"]), _interval(each), f"{each['queries']:,}"]
                    for value, each in values.items()
                ],
            )


def _missing(missing: Mapping[str, Any]) -> list[str]:
    if not missing["missing_images"]:
        return []
    return [
        f"{missing['missing_images']:,} of {missing['images']:,} videos and pictures could not be used: "
        f"{missing['queries_left_out']:,} questions were left out, so these figures are no result of the benchmark.\n"
    ]
