"""An evaluation as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

COLUMNS = ("hit@1", "hit@5", "hit@10", "mrr")
AT_RANK_ONE = {
    "right": "right",
    "twin": "same content, other id",
    "echo": "the query itself",
    "item_elsewhere": "right item, wrong modality",
    "wrong_modality": "wrong modality",
    "other_dataset": "other data set",
    "wrong_item": "wrong item",
}
"""Class of what stands at rank 1 -> what people read."""
GROUPS = (
    ("by_number_of_grains", "By number of grains", "grains of the query", ()),
    ("by_kind_of_grain", "By kind of grain", "kind", ("A query counts for each kind that it has a grain of.\n",)),
)
"""Of MRBench: a part of results.json, its title, the head of its first column, and how to read it."""


def markdown(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table: first column to the left, the others to the right."""
    marks = ["---", *["---:"] * (len(header) - 1)]
    cells = (" | ".join(each.replace("|", "\\|") for each in row) for row in (header, marks, *rows))
    return "\n".join(f"| {row} |" for row in cells) + "\n"


def percent(value: float | None, digits: int = 1) -> str:
    """A rate between 0 and 1 as a percentage without the sign; a dash for none."""
    return "-" if value is None else f"{100 * value:.{digits}f}"


def decimals(value: float | None, digits: int = 3) -> str:
    """A distance or ratio; a dash for none."""
    return "-" if value is None else f"{value:.{digits}f}"


def results_table(row: Mapping[str, Any]) -> str:
    """What table.md says about a results.json."""
    parts = [
        f"# {row['model']['name']}\n",
        *warned(row),
        f"{_means(row)}; rates in percent, ± is one standard error.\n",
        markdown(["task", *COLUMNS, "queries", "pool"], _task_rows(row)),
        *_breakdown(row),
        "\n## Headline figures\n",
        "hit@10 for Fashion200K and FashionIQ, hit@5 for all others, with 95 % bootstrap intervals over queries.\n",
        markdown(["task", "measure", "percent", "from", "to", "chance"], _headline_rows(row)),
        *_rank_one(row),
        "\n## Grains\n",
        f"Paraphrase distance {decimals(row['paraphrase_distance'])} "
        f"({row['paraphrases']} paraphrases); "
        "the ratio is a kind's distance over that of a paraphrase.\n",
        markdown(
            ["kind", "pair accuracy", "pairs", "masked distance", "ratio", "masked"],
            _grain_rows(row),
        ),
        f"\nSummaries without [RET] of their own: {percent(row['missing_ret'], 2)} %; "
        f"texts cut to fit: {row['counts']['truncated']}; near misses outside the pools: "
        f"{row['near_misses_absent']}.\n",
    ]
    return "\n".join(parts)


def _means(row: Mapping[str, Any]) -> str:
    """What was ranked, and by what."""
    choice = row["instruction_choice"]
    instruction = "" if choice is None else f", instruction {'by qid' if choice == 'qid' else choice}"
    how = "a file of scores" if row["model"]["extraction"] == "scores" else f"{row['model']['extraction']} extraction"
    if rerank := row.get("rerank"):
        how = f"the top {rerank['top']} reranked by {rerank['mode']}"
    return f"{how}, {row['split']} split{instruction}"


def warned(row: Mapping[str, Any]) -> list[str]:
    """The doubts of a results.json, as they stand above its table."""
    return [f"> **Warning**: {warning(each)}\n" for each in row["warnings"]]


def warning(row: Mapping[str, Any]) -> str:
    """A doubt of results.json, for people."""
    return str(row["message"]) if row["task"] is None else f"{row['task']}: {row['message']}"


def _task_rows(row: Mapping[str, Any]) -> list[list[str]]:
    tasks = [[name, *_rates(task), str(task["queries"]), str(task["pool"])] for name, task in row["tasks"].items()]
    means = [[f"**{name}**", *_rates(pool["mean"]), "", ""] for name, pool in _pools(row, "mean")]
    before = [["before reranking", *_rates(row["rerank"]["before"]["mean"]), "", ""]] if "rerank" in row else []
    chance = [
        [name, *(percent(pool["chance"][key]) for key in COLUMNS), "", ""] for name, pool in _pools(row, "chance")
    ]
    return [*tasks, *means, *before, *chance]


def _pools(row: Mapping[str, Any], what: str) -> list[tuple[str, Mapping[str, Any]]]:
    """The figures of each kind of pool, by what a line of them is called."""
    several = len(row["pools"]) > 1
    return [(f"{what}, {scope} pools" if several else what, pool) for scope, pool in row["pools"].items()]


def _headline_rows(row: Mapping[str, Any]) -> list[list[str]]:
    tasks = [
        [name, key, *map(percent, (task[key], *task["headline_interval"], task["chance"][key]))]
        for name, task in row["tasks"].items()
        for key in (task["headline"],)
    ]
    means = [
        [f"**{name}**", "", percent(pool["mean"]["headline"]), *map(percent, pool["mean"]["headline_interval"]), ""]
        for name, pool in _pools(row, "mean")
    ]
    average = [
        [f"**{name}**", "", percent(pool["m_beir_average"]), "", "", ""]
        for name, pool in _pools(row, "M-BEIR average of 16")
        if pool["m_beir_average"] is not None
    ]
    return [*tasks, *means, *average]


def _rank_one(row: Mapping[str, Any]) -> list[str]:
    """What stands at rank 1; nothing where nobody looked."""
    tasks = {name: task for name, task in row["tasks"].items() if "rank_1" in task}
    kinds = [kind for kind in AT_RANK_ONE if kind == "right" or any(task["rank_1"][kind] for task in tasks.values())]
    if not tasks:
        return []
    shares = [
        [name, *(percent(task["rank_1"][kind] / task["queries"]) for kind in kinds)] for name, task in tasks.items()
    ]
    return [
        "\n## At rank 1\n",
        "Percent of queries whose first candidate is right, or wrong in which way.\n",
        markdown(["task", *(AT_RANK_ONE[kind] for kind in kinds)], shares),
    ]


def _breakdown(row: Mapping[str, Any]) -> list[str]:
    """MRBench: the queries of all tasks by how many grains they have, and by the kinds of these."""
    return [
        part
        for key, title, head, notes in GROUPS
        for name, pool in _pools(row, title)
        if key in pool
        for part in (f"\n## {name}\n", *notes, _groups(head, pool[key]))
    ]


def _groups(head: str, groups: Mapping[str, Mapping[str, Any]]) -> str:
    rows = [[name, *_rates(each), str(each["queries"])] for name, each in groups.items()]
    return markdown([head, *COLUMNS, "queries"], rows)


def _rates(values: Mapping[str, Any]) -> list[str]:
    first, *others = (percent(values[key]) for key in COLUMNS)
    return [f"{first} ± {percent(values['hit@1_se'])}", *others]


def _grain_rows(row: Mapping[str, Any]) -> list[list[str]]:
    return [
        [
            kind,
            percent(each["pair_accuracy"]),
            str(each["pairs"]),
            decimals(each["grain_distance"]),
            decimals(each["ratio"], 1),
            str(each["masked"]),
        ]
        for kind, each in row["grains"].items()
    ]
