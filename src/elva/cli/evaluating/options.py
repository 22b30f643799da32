"""Options that several commands of `elva evaluate` share."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from elva.evaluation.unseen.specs import Spec

Out = Annotated[Path, typer.Option(help="Folder to write.", show_default=False)]
Vectors = Annotated[Path | None, typer.Option(help="Folder made by `elva embed`.", show_default=False)]
Depth = Annotated[int, typer.Option(help="Length of the lists in runs/; MRR is 0 below.", min=10)]
Downloaded = Annotated[
    Path, typer.Argument(help="Folder of the download; docs/benchmarks.md has its layout.", show_default=False)
]
SetDepth = Annotated[int, typer.Option("--depth", help="Length of the lists in runs/.", min=1)]
SkipMissing = Annotated[
    bool, typer.Option("--skip-missing", help="Judge what the pictures that are there allow, and count the rest.")
]


def chosen(name: str, specs: Mapping[str, Spec]) -> Spec:
    """The published set that a name means."""
    if name not in specs:
        raise typer.BadParameter(f"there is no set {name!r}; take one of {', '.join(specs)}")
    return specs[name]


def check_kept(vectors: Path | None, cache: Path | None) -> None:
    """Refuse two places to take vectors from."""
    if vectors is not None and cache is not None:
        raise typer.BadParameter("give --vectors or --cache, not both")
