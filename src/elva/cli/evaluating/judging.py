"""What every command of `elva evaluate` does with a model, and what it tells beside its table."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import typer

from elva.cli.options import Watching
from elva.evaluation.table import warning

if TYPE_CHECKING:
    from elva.evaluation.judging import Results


class Judge(Protocol):
    """An evaluation that still lacks its model."""

    def __call__(self, encoder: Any, /, *, out: Path, watch: Watching) -> Results:
        """Judge it and write the folder."""


def tell(encoding: AbstractContextManager[Any], judge: Judge, out: Path) -> None:
    """Judge a model, show its table, and on stderr what makes figures not worth reading.

    Args:
        encoding: gives the model, and ends it.
        judge: evaluates it.
        out: the folder to write.
    """
    with encoding as encoder, Watching() as watch:
        results = judge(encoder, out=out, watch=watch)
    typer.echo((out / "table.md").read_text(encoding="utf-8"))
    for each in results.row["warnings"]:
        typer.echo(f"warning: {warning(each)}", err=True)
    _tell_rows(results.row)
    if "rerank" in results.row:
        _tell_reranking(results)


def _tell_rows(row: Mapping[str, Any]) -> None:
    """How many rows and queries were not judged as they stand."""
    without = sum(task.get("without_qrels", 0) for task in row["tasks"].values())
    if without:
        typer.echo(f"{without:,} queries that the qrels files lack were judged by their own positives.")
    skipped = row["counts"]["skipped_rows"]
    if skipped:
        typer.echo(f"{skipped:,} bad rows were left out; results.json says in which files.")
    missing = row.get("queries_without_scores")
    if missing:
        typer.echo(f"{missing:,} queries without scores were ranked by the model alone.")


def _tell_reranking(results: Results) -> None:
    told, seconds = results.row["rerank"], results.rerank_seconds
    queries = sum(task["queries"] for task in results.row["tasks"].values())
    typer.echo(
        f"Reranking took {seconds:.1f} seconds: {told['pairs']:,} candidates of {queries:,} queries, "
        f"{1000 * seconds / max(1, queries):.1f} ms a query."
    )
    if told["queries_left"]:
        typer.echo(f"{told['queries_left']:,} queries had no words to score by and were left as they were.")
