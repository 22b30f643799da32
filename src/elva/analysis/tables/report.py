"""The paper's tables from evaluations: a page, and the same tables as Markdown, LaTeX and JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from elva.analysis.curves import curves, read_metrics
from elva.analysis.examples import Changes
from elva.analysis.marks import around, insert
from elva.analysis.page import render, standalone
from elva.analysis.tables.contents import Asked, Contents, benchmarks, contents_of
from elva.analysis.tables.distances import distance_chart, note, spread_of
from elva.analysis.tables.evaluations import Measured
from elva.analysis.tables.latex import latex
from elva.analysis.tables.naming import judged_as
from elva.analysis.tables.table import Table
from elva.data.mbeir import MBeir
from elva.data.writing import write_lines
from elva.errors import InputError

SCHEMA = 1
MARK = "tables"
SUFFIXES = (".md", ".tex", ".json")
"""Of the files beside the page."""
COLOURS = 8
"""How many the pages have."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A plot of the page."""

    name: str
    title: str
    note: str
    svg: str


@dataclass(frozen=True, slots=True)
class Written:
    """What a report says, and the files it went to."""

    contents: Contents
    files: Sequence[Path]


def write_tables(
    asked: Asked, out: Path, *, root: Path | None = None, document: Path | None = None, images: Path | None = None
) -> Written:
    """Write the page to `out`, and the tables beside it as Markdown, LaTeX and JSON.

    Args:
        asked: what it is made of.
        out: the page, a .html file.
        root: the data, for the pictures of what was found; none are shown when None.
        document: a Markdown file whose tables between the marks `MARK` are written anew.
        images: a folder for the plots as SVG files.

    Raises:
        InputError: as `contents_of`; `out` is no page; the document has no marks; `root` holds other data than two
            models were judged on.
    """
    if out.suffix != ".html":
        raise InputError(f"--out {out}: give a page, a file that ends in .html; {', '.join(SUFFIXES)} go beside it")
    if document:
        around(document, MARK)
    contents = contents_of(asked)
    tables = [*contents.tables, *contents.against]
    figures = list(_figures(contents.models))
    page = _page(contents, figures, _changes(root, contents) if root else None)
    if images:
        for figure in figures:
            write_lines(images / f"{MARK}-{figure.name}.svg", [standalone(figure.svg)])
    markdown = "\n".join(table.markdown() for table in tables).rstrip()
    texts = (markdown, latex(tables), json.dumps(_summary(contents, tables), indent=1, allow_nan=False))
    files = [out.with_suffix(suffix) for suffix in SUFFIXES]
    for path, text in zip(files, texts, strict=True):
        write_lines(path, [text])
    write_lines(out, [page])
    if document:
        insert(document, MARK, markdown)
    return Written(contents, [out, *files])


def _page(contents: Contents, figures: Sequence[Figure], changes: tuple[str, str, Changes] | None) -> str:
    models = contents.models
    colours = {each.name: i % COLOURS for i, each in enumerate(models)}
    drawn = curves({each.name: read_metrics(each.run) for each in models if each.run}, colours)
    before, after, shown = changes or ("", "", Changes((), (), ()))
    parts = {"Distances": figures, "Examples": shown.spaced, "Training": drawn}
    return render(
        "tables.html.j2",
        colours=colours,
        tables=contents.tables,
        against=contents.against,
        verdicts=contents.verdicts,
        warnings=contents.warnings,
        figures=figures,
        curves=drawn,
        parts=[name for name, there in parts.items() if there],
        provenance=list(_provenance(models)),
        before=before,
        after=after,
        spaced=shown.spaced,
        gains=shown.gains,
        losses=shown.losses,
    )


def _summary(contents: Contents, tables: Sequence[Table]) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "tables": [table.to_row() for table in tables],
        "comparisons": [row for each in contents.comparisons for row in each.to_rows()],
    }


def _figures(models: Sequence[Measured]) -> Iterator[Figure]:
    for benchmark in benchmarks(models):
        spreads = [each for model in models if (each := spread_of(model, benchmark))]
        data = judged_as(
            benchmark, dict.fromkeys(task for each in models for of, task in each.tasks if of == benchmark)
        )
        title = f"Distance of queries to right and wrong candidates: {data}"
        if svg := distance_chart(spreads, title):
            yield Figure(f"distances-{benchmark.replace('@', '-')}", title, note(spreads), svg)


def _changes(root: Path, contents: Contents) -> tuple[str, str, Changes]:
    """What the base and the last of the other models found on `root`, with their names."""
    base, models = contents.base, contents.models
    if base is None:
        raise InputError("--root shows what two models found: give evaluations of two")
    after = next(each for each in reversed(models) if each is not base)
    bench = MBeir.open(root)
    data = bench.fingerprint()
    for one in base.evaluations:
        for other in after.evaluations:
            if one.data == other.data == data:
                return base.name, after.name, Changes.of(bench, (base.name, one), (after.name, other))
    raise InputError(f"--root {root}: {base.name} and {after.name} were not both judged on these data")


def _provenance(models: Sequence[Measured]) -> Iterator[str]:
    """What each figure was measured with."""
    for each in models:
        for evaluated in each.evaluations:
            row = evaluated.results
            model = row["model"]
            versions = ", ".join(f"{name} {number}" for name, number in row.get("versions", {}).items())
            yield (
                f"{each.name}, {row['benchmark']}: model {model['fingerprint']} ({model['extraction']}), data "
                f"{evaluated.data}, split {row.get('split')}, instruction {row.get('instruction_choice')}; {versions}."
            )
