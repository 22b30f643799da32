"""The data card of a benchmark: its README.md."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

HEAD = """\
---
pretty_name: MRBench
task_categories: [feature-extraction]
tags: [multimodal-retrieval, fine-grained-retrieval]
---
# MRBench: queries of several grains

Drawn by `elva mrbench build` after section 6 of *ELVA: Exploring Ranking-Driven Universal Multimodal Retrieval*
(arXiv 2606.20280): queries that carry {min_grains} or more grains, the smallest parts that each say something about
what is wanted.
The layout is M-BEIR's; each query row has the field `grains` beside, a list of {{kind, text, span, masked_txt}}.
`elva evaluate mrbench FOLDER --model MODEL --out FOLDER` scores a model on it.

Texts, pictures and labels are those of the source, whose licences hold. They were written by people for other purposes
and may be wrong or offensive. Queries and pools of the {split} split are in here: don't train on them.
"""


def data_card(row: Mapping[str, Any]) -> str:
    """README.md of what mrbench.json holds; equal rows give equal bytes."""
    tasks = [
        (name, each["queries"], each["pool"], each["there"], each["looked_at"], each["few_grains"], each["rejected"])
        for name, each in row["tasks"].items()
    ]
    columns = ("task", "queries", "candidates", "there", "looked at", "too few grains", "rejected")
    parts = [
        HEAD.format(**row),
        f"## Queries\n\n{_table(columns, tasks)}",
        f"Seed {row['seed']}; source {row['source'][:16]}{_pools(row)}; {row['skipped_rows']} bad rows left out.\n",
        _table(("grains of a query", "queries"), row["queries_by_number_of_grains"].items()),
        _table(("kind of grain", "queries that have one"), row["queries_by_kind"].items()),
        f"## How the grains were found\n\n{_grains(row['grains'])}",
        f"## What people say\n\n{_people(row['decisions'])}",
    ]
    return "\n".join(parts)


def _pools(row: Mapping[str, Any]) -> str:
    return "; whole pools" if row["pool_size"] is None else f"; pools cut to {row['pool_size']:,} candidates"


def _grains(row: Mapping[str, Any]) -> str:
    if row["by"] == "rules":
        sources = _table(("words that were looked at", "queries"), row["sources"].items())
        return f"By rule, without a model (`elva.grains.splitting`).\n\n{sources}"
    asked = "\n".join(f"    {line}" for line in row["question"].splitlines())
    return (
        f"By {row['model']} ({row['identity']}), greedily: {row['answers']:,} answers, {row['unreadable']:,} of them "
        f"unreadable; {row['grains']:,} grains taken, {row['dropped']:,} dropped, being of no known kind, given twice, "
        f"or not in the query's words. It was asked, behind the query:\n\n{asked}\n"
    )


def _people(row: Mapping[str, Any] | None) -> str:
    if row is None or row["acceptance"] is None:
        return "Nobody has looked through it yet: `elva mrbench review`.\n"
    reviewers = "".join(f"- {each['name']}: {each['accepted']} of {each['decided']}\n" for each in row["reviewers"])
    low, high = row["interval"]
    agreed = "" if row["observed_agreement"] is None else f"; they agree on {100 * row['observed_agreement']:.1f} %"
    kappa = "" if row["kappa"] is None else f", kappa {row['kappa']:.2f}"
    return (
        f"Accepted {row['kept']} of {row['samples']} samples: {100 * row['acceptance']:.1f} % (95 % interval "
        f"{100 * low:.1f} to {100 * high:.1f}){agreed}{kappa} ({row['shared']} samples that two or more decided). "
        f"The rejected ones are left out. By person:\n\n{reviewers}"
    )


def _table(header: tuple[str, ...], rows: Any) -> str:
    lines = [header, ("---", *["---:"] * (len(header) - 1)), *rows]
    return "".join("| " + " | ".join(str(cell) for cell in line) + " |\n" for line in lines)
