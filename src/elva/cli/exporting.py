"""`elva export`: a model in the layout of another tool."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from elva.cli.options import Device, load_embedder


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    group = typer.Typer(no_args_is_help=True, help="Write a model in the layout of another tool.")
    group.callback()(_group)
    group.command()(sentence_transformers)
    app.add_typer(group, name="export")


def _group() -> None:
    """Write a model in the layout of another tool."""


def sentence_transformers(
    model: Annotated[str, typer.Argument(help="Checkpoint folder (RUN/model).", show_default=False)],
    out: Annotated[Path, typer.Option(help="Folder to write.", show_default=False)],
    query_prompt: Annotated[str, typer.Option(help="Instruction that encode_query puts before a query.")] = "",
    one_word: Annotated[
        bool, typer.Option("--one-word", help="Also a model trained to write summaries: by its one-word prompt.")
    ] = False,
    device: Device = "auto",
) -> None:
    """Write a one-word model so that SentenceTransformer(FOLDER) loads it, without remote code.

    The export is loaded and compared before the folder appears.

    Example:

        elva export sentence-transformers runs/stage1/model --out runs/stage1/sentence-transformers
    """
    embedder = load_embedder(model, None, device)
    if one_word:
        embedder.read_as("one_word")
    from elva.ecosystem.sentence_transformers import export_sentence_transformers

    difference = export_sentence_transformers(embedder, out, query_prompt=query_prompt)
    typer.echo(f"{out}: the same vectors in sentence-transformers, to {difference:.1g}. Load it with:")
    typer.echo(f'  SentenceTransformer("{out}")')
