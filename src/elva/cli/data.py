"""`elva world`, `elva data check` and `elva data subset`: getting data, and knowing that it is sound."""

from __future__ import annotations

from collections import Counter
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from elva.cli.options import Datasets, Root, SkipBadRows, Watching

if TYPE_CHECKING:
    from collections.abc import Mapping

    from elva.data.layout import TaskName
    from elva.data.validation import ValidationReport


class WorldSize(StrEnum):
    """How much of the world."""

    demo = "demo"
    large = "large"
    tiny = "tiny"


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.command()(world)
    group = typer.Typer(no_args_is_help=True, help="Look after a data folder.")
    group.callback()(_group)
    group.command()(check)
    group.command()(subset)
    app.add_typer(group, name="data")


def _group() -> None:
    """Look after a data folder."""


def world(
    out: Annotated[Path, typer.Argument(help="Folder to write.", show_default=False)],
    seed: Annotated[int, typer.Option(help="The same seed writes the same bytes.", min=0)] = 0,
    size: Annotated[
        WorldSize, typer.Option(help="large: twice the training data and the pool; tiny is for tests.")
    ] = WorldSize.demo,
    base: Annotated[bool, typer.Option("--base", help="Also the split that trains the tiny base model.")] = False,
    clips: Annotated[
        bool, typer.Option("--clips", help="Also clips in which a thing moves, turns, grows or shrinks (task 10).")
    ] = False,
    questions: Annotated[
        bool, typer.Option("--questions", help="Also questions about clips, as SEED-Bench-R1 and VCR-Bench ask them.")
    ] = False,
) -> None:
    """Write the built-in world: rendered scenes and descriptions, all eight M-BEIR tasks.

    Every query knows its grains (shape, colour, size, fill, pose, relation, background), and its
    near misses, which differ in one of them. The test split holds MRBench-mini. Of clips, what the thing does is
    one of the grains. Questions lie in OUT/reasoning.

    Example:

        elva world demo/world
    """
    from elva.data.world import write_world

    with Watching() as watch:
        parts = {"base": base, "clips": clips, "questions": questions}
        summary = write_world(out, seed=seed, size=size.value, **parts, progress=watch.part)
    queries, candidates = sum(summary.queries.values()), sum(summary.candidates.values())
    asked = sum(summary.questions.values())
    typer.echo(f"{out}: {queries:,} queries, {candidates:,} candidates" + (f", {asked:,} questions" if asked else ""))
    typer.echo("It was there already." if summary.reused else f"Check it: elva data check {out}")


def check(
    root: Root,
    splits: Annotated[
        list[str] | None,
        typer.Option("--split", help="Only this split; repeat for more.", show_default=False),
    ] = None,
    images: Annotated[bool, typer.Option(help="Open every image too.")] = True,
) -> None:
    """Look at every row of a data folder and report each bad one: file, line, field, what to do.

    Exit code 2 when there is a bad row. The counts of M-BEIR's own data sets are compared with the published ones; a
    difference is told and is no error.

    Example:

        elva data check demo/world
    """
    from elva.data.validation import validate

    with Watching() as watch:
        progress = watch("rows and images", None)
        report = validate(root, splits or (), check_images=images, progress=progress)
    _report(root, report)


def subset(
    root: Root,
    out: Annotated[Path, typer.Option(help="Data folder to make.", show_default=False)],
    share: Annotated[float, typer.Option(help="Share of the queries of each task of each data set.")] = 0.01,
    seed: Annotated[int, typer.Option(help="The same seed draws the same queries.", min=0)] = 0,
    splits: Annotated[list[str] | None, typer.Option("--split", help="Split; repeat for more. Default: train.")] = None,
    datasets: Datasets = None,
    pool_size: Annotated[
        int | None,
        typer.Option(
            help="Cut each pool to what its queries name and others drawn up to this size. Default: pools stay whole.",
            min=1,
            show_default=False,
        ),
    ] = None,
    own_images: Annotated[
        bool, typer.Option("--own-images", help="Hard-link the images that rows name, instead of one link to ROOT's.")
    ] = False,
    skip_bad_rows: SkipBadRows = False,
) -> None:
    """Draw a smaller data folder: by default 1 % of the training queries, the paper's set for stage 3.

    Its files are named by task, also where ROOT's mix tasks, so that `elva mine` and stage 3 can read it.

    Example:

        elva data subset M-BEIR --out M-BEIR-1pct --share 0.01 --seed 0
    """
    from elva.data.subset import draw_subset

    with Watching() as watch:
        report = draw_subset(
            root,
            out,
            share=share,
            seed=seed,
            splits=splits or ("train",),
            datasets=datasets or (),
            pool_size=pool_size,
            own_images=own_images,
            skip_bad_rows=skip_bad_rows,
            progress=watch("candidates", None),
        )
    for name, (drawn, there, pool) in report.tasks.items():
        typer.echo(f"{name}: {drawn:,} of {there:,} queries, {pool:,} candidates")
    typer.echo(
        f"{out}: {sum(drawn for drawn, _, _ in report.tasks.values()):,} queries; {report.skipped:,} bad rows left out"
    )


def _report(root: Path, report: ValidationReport) -> None:
    rows: Counter[str] = Counter()
    for file, count in report.counts.items():
        rows[file.relative_to(root).parts[0]] += count
    for folder, count in rows.items():
        typer.echo(f"{count:>9,} good rows in {folder}/")
    _tell_counts(report.tasks)
    if report.errors:
        from elva.errors import DataErrors

        raise DataErrors(report.errors)
    typer.echo(f"{root} is sound; {report.images:,} images were opened")


def _tell_counts(tasks: Mapping[TaskName, tuple[int, int | None]]) -> None:
    """The counts of each sub-task, those of M-BEIR beside the published ones."""
    from elva.data.published_counts import lacking, published_counts

    published = {name: found for name in tasks if (found := published_counts(name)) is not None}
    whole = {name for name, found in published.items() if found.fit(*tasks[name])}
    typer.echo(f"{'queries':>9} {'pool':>10}  sub-task")
    for name, (queries, pool) in tasks.items():
        note = "  published: " if name in whole else "  differs from the published "
        beside = f"{note}{published[name]}" if name in published else ""
        typer.echo(f"{queries:>9,} {'-' if pool is None else format(pool, ','):>10}  {name}{beside}")
    if published:
        doubt = "" if len(whole) == len(published) else "; a subset, or an incomplete download?"
        typer.echo(f"{len(whole)} of {len(published)} sub-tasks have the published counts{doubt}")
    if missing := lacking(tasks):
        typer.echo(f"M-BEIR's sub-tasks that are not here: {', '.join(missing)}")
