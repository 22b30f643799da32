"""`elva evaluate BENCHMARK`: how good a model is. One command per benchmark, each with its own options."""

from __future__ import annotations

import typer

from elva.cli.evaluating import longvideobench, mbeir, mrbench, seed_bench_r1, unseen, vcr_bench, video


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    group = typer.Typer(no_args_is_help=True, rich_markup_mode="markdown")
    group.callback()(evaluate)
    for module in (mbeir, mrbench, unseen, video, seed_bench_r1, vcr_bench, longvideobench):
        module.add_to(group)
    app.add_typer(group, name="evaluate")


def evaluate() -> None:
    """Judge a model on a benchmark.

    Every benchmark leaves results.json and table.md, and prints the table. Those of retrieval leave ranked lists in
    runs/ and judgements in qrels/, those of reasoning what the model wrote.
    """
