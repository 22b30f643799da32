"""`elva experiment` and `elva pace`: many forms of training at equal budget, and what an update of each takes."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from elva.cli.options import Watching


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.command()(experiment)
    app.command()(pace)


def experiment(
    file: Annotated[
        str, typer.Argument(help="A YAML file, or a packaged experiment: tiny, screen.", show_default=False)
    ],
    out: Annotated[Path, typer.Option(help="Folder for all that is made.", show_default=False)],
    data: Annotated[
        list[str] | None,
        typer.Option(
            help="Only these data: NAME, or NAME=ROOT where the file leaves the root open.", show_default=False
        ),
    ] = None,
    base: Annotated[
        list[str] | None,
        typer.Option(help="NAME=FOLDER: the checkpoint that the start on these data is made from.", show_default=False),
    ] = None,
    seeds: Annotated[
        list[int] | None, typer.Option(help="Training seed, in place of the file's; repeat for more.", min=0)
    ] = None,
    arm: Annotated[list[str] | None, typer.Option(help="Only this arm; repeat for more.", show_default=False)] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Only the arms marked quick, with fewer seeds.")] = False,
    results: Annotated[Path, typer.Option(help="Folder that gets the records.")] = Path("experiments/results"),
    jobs: Annotated[int, typer.Option(help="Jobs at a time, one thread each.", min=1)] = 2,
) -> None:
    """Compare forms of training: arms x seeds, from one start checkpoint per seed, at equal budget.

    The file says what is asked, which data, how the start is made, and the arms; all of it is checked before any work.
    Before the runs, the seconds of an update are measured for all arms in turn; each arm then gets as many updates as
    fit into the budget, less what its own preparation took. Each run leaves RESULTS/NAME/DATA/ARM-sSEED.json.

    Stopped, or after a failure, the same command does what is left. A failed run leaves the others' records alone.

    Examples:

        elva experiment tiny --out lab
        elva experiment tiny --out lab --seeds 0 --arm stage2 --arm elva
        elva experiment my-experiment.yaml --out lab --data shop=shop --base shop=runs/shop-base/model --quick
    """
    from elva.experiment.laboratory import Choice, run_experiment

    choice = Choice(data or (), base or (), seeds or (), arm or (), quick)
    judged, records = run_experiment(file, out, results, choice, at_once=jobs)
    typer.echo(f"{judged} runs are judged; their records lie below {records}. To see what they say:")
    typer.echo(f"  {shlex.join(['elva', 'report', str(records), '--out', str(out / 'report.html')])}")


def pace(
    recipes: Annotated[list[str], typer.Argument(metavar="RECIPE...", help="Recipe files with all settings.")],
    out: Annotated[Path, typer.Option(help="File to write (JSON).", show_default=False)],
    rounds: Annotated[int, typer.Option(help="Steps of each; the first one is not counted.", min=2)] = 9,
) -> None:
    """Measure the seconds that one update of each recipe takes: a step of each in turn, in one process.

    The clock is the processor's, the thread is one. Loading, checkpoints and evaluation are not counted; rollouts, the
    reference, rewards, gradient and optimiser are. A run's recipe.yaml is such a recipe file.

    Example:

        elva pace runs/elva/recipe.yaml runs/more_stage2/recipe.yaml --out pace.json
    """
    from statistics import median

    from elva.training.recipe import load_recipe

    loaded = {_name(recipe): load_recipe(recipe) for recipe in recipes}
    if len(loaded) < len(recipes):
        raise typer.BadParameter("two recipes are called alike; give each file, or its folder, a name of its own")
    from elva.experiment.pace import measure, write_pace

    with Watching() as watch:
        taken = measure(loaded, rounds, watch("steps", rounds * len(loaded)))
    write_pace(out, taken)
    for name, seconds in taken.items():
        typer.echo(f"{name}: {median(seconds):.4f} s per update")


def _name(recipe: str) -> str:
    """What a recipe is called: as its file, and a run's own recipe.yaml as the run."""
    path = Path(recipe)
    return path.resolve().parent.name if path.name == "recipe.yaml" else path.with_suffix("").name
