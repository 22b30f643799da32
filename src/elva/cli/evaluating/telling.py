"""What every benchmark's command tells beside its table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import typer

from elva.evaluation.table import warning


def tell_warnings(row: Mapping[str, Any]) -> None:
    """Tell, on stderr, what makes figures not worth reading; `row` is what results.json holds."""
    for each in row["warnings"]:
        typer.echo(f"warning: {warning(each)}", err=True)
