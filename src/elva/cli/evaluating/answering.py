"""What the commands that judge answers share: options, and what they do with a model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from elva.cli.options import Precision, Watching, load_embedder
from elva.evaluation.table import warning

if TYPE_CHECKING:
    from elva.reasoning.asking import Decoding
    from elva.reasoning.sets import Benchmark

MaxNewTokens = Annotated[int, typer.Option(help="Longest response; then it is cut.", min=1)]
Temperature = Annotated[float, typer.Option(help="0: the likeliest token each; above, tokens are drawn.", min=0)]
DrawSeed = Annotated[int, typer.Option("--seed", help="Of the tokens that are drawn.")]
BatchSize = Annotated[int, typer.Option(help="Questions that are answered together, at most.", min=1)]
FramesOption = Annotated[int, typer.Option("--frames", help="The most frames of a video that are looked at.", min=1)]
AnswerMissing = Annotated[
    bool, typer.Option("--skip-missing", help="Judge what the videos that are there allow, and count the rest.")
]


def tell(
    bench: Benchmark,
    model: str,
    out: Path,
    decoding: Decoding,
    *,
    batch_size: int,
    skip_missing: bool,
    image_cache: Path | None,
    device: str,
    precision: Precision,
    threads: int | None,
) -> None:
    """Judge a model, show its table, and on stderr what makes figures not worth reading."""
    from elva.reasoning.asking import Checkpoint
    from elva.reasoning.evaluation import evaluate

    embedder = load_embedder(model, threads, device, image_cache, precision)
    with Watching() as watch:
        row = evaluate(
            bench,
            Checkpoint(embedder, batch_size),
            out=out,
            decoding=decoding,
            skip_missing=skip_missing,
            watch=watch,
        )
    typer.echo((out / "table.md").read_text(encoding="utf-8"))
    for each in row["warnings"]:
        typer.echo(f"warning: {warning(each)}", err=True)
