"""`elva experiment`: arms x seeds from one start checkpoint per seed, at equal budget; a record of each run.

Everything that is made lies in one folder, and a second call does what is left there. Jobs see no GPU and compute on
one thread: a budget is processor seconds.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from elva import __version__
from elva.data.mbeir import MBeir
from elva.data.world.write import FORMAT
from elva.data.writing import write_lines
from elva.errors import InputError
from elva.experiment.budget import charged
from elva.experiment.judging import Judging
from elva.experiment.loading import load_plan
from elva.experiment.plan import Arm, Plan, nearest
from elva.experiment.runs import Runs, Where
from elva.jobs import AT_ONCE, Job, Runner, Start, digest_of, start_elva
from elva.model.embedder import checkpoint_folder

MARK = "experiment.json"
"""Says of which experiment a folder is."""
ONE_THREAD = {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}


@dataclass(frozen=True, slots=True)
class Choice:
    """What of an experiment runs.

    Attributes:
        data: "NAME", or "NAME=ROOT" where the plan leaves the root open; empty: all.
        base: "NAME=FOLDER", checkpoints that starts are made from.
        seeds: in place of the plan's.
        arms: only these; empty: all.
        quick: only the arms marked so, and the plan's seeds for that.
    """

    data: Sequence[str] = ()
    base: Sequence[str] = ()
    seeds: Sequence[int] = ()
    arms: Sequence[str] = ()
    quick: bool = False


def run_experiment(
    name: str | Path,
    out: Path,
    results: Path,
    choice: Choice | None = None,
    *,
    at_once: int = AT_ONCE,
    start: Start | None = None,
) -> tuple[int, Path]:
    """Run what is not done yet, and leave a record of each run.

    Args:
        name: a file, or a packaged experiment.
        out: the experiment's folder.
        results: gets NAME/DATA/ARM-sSEED.json and NAME/pace.json.
        choice: what of it; all by default.
        at_once: how many jobs at a time.
        start: starts a command; a process that sees one thread and no GPU by default.

    Returns:
        How many runs were judged, and the folder of their records.

    Raises:
        RecipeError: the plan can't be run; says all that is wrong.
        InputError: the choice or a folder is wrong; or jobs failed, then it names their logs, and the others' records
            are there.
    """
    experiment, plan = load_plan(name)
    choice = choice or Choice()
    arms, seeds = _arms(plan, choice), _seeds(plan, choice)
    places = _places(plan, choice, out)
    _check_out(out, experiment)
    runner = Runner(
        out,
        Console(stderr=True),
        {"elva": __version__, "world": FORMAT},
        at_once=at_once,
        patient=True,
        start=start or partial(start_elva, environment=ONE_THREAD),
    )
    runs = [Runs(plan, where, _on(plan, where.data, arms), seeds, runner) for where in places]
    judged = [job for each in runs for job in _of(each.where, Judging(each, experiment, results).jobs())]
    jobs = [*judged, *(job for each in runs for job in _of(each.where, each.jobs()))]
    try:
        runner.run(jobs)
    finally:
        _write_paces(results / experiment / "pace.json", runs)
    return len(judged), results / experiment


def _arms(plan: Plan, choice: Choice) -> list[str]:
    _require_known(choice.arms, plan.arms, "--arm")
    chosen = [name for name in plan.arms if not choice.arms or name in choice.arms]
    if choice.quick:
        chosen = [name for name in chosen if plan.arms[name].quick]
    if not chosen:
        raise InputError("no arm is left; mark some with quick: true, or leave --quick or --arm out")
    return chosen


def _seeds(plan: Plan, choice: Choice) -> Sequence[int]:
    quick = plan.quick_seeds or plan.seeds[:1]
    return tuple(dict.fromkeys(choice.seeds)) or (quick if choice.quick else plan.seeds)


def _on(plan: Plan, data: str, chosen: Iterable[str]) -> dict[str, Arm]:
    return {name: arm for name, arm in plan.arms_on(data).items() if name in set(chosen)}


def _places(plan: Plan, choice: Choice, out: Path) -> list[Where]:
    """The chosen data sets with their roots and bases.

    Raises:
        InputError: a name that isn't known, a root or base that is missing or given twice, or nothing to judge there.
    """
    roots, bases = (dict(each.partition("=")[::2] for each in given) for given in (choice.data, choice.base))
    _require_known(roots, plan.data, "--data")
    _require_known(bases, plan.data, "--base")
    places = []
    for name, data in plan.data.items():
        if roots and name not in roots:
            continue
        root, base = roots.get(name, ""), bases.get(name) or data.base
        if data.world is not None and root:
            raise InputError(f"--data {name}={root}: these data are the built-in world, made by the experiment itself")
        if data.world is None and not root:
            raise InputError(f"the data {name} have no root; add --data {name}=ROOT, or choose others with --data")
        if base is None:
            raise InputError(f"the data {name} have no base; add --base {name}=FOLDER")
        checkpoint_folder(base)
        if root:
            _check_root(plan, name, Path(root))
        inputs = {f"base of {name}": digest_of(checkpoint_folder(base))}
        if root:
            inputs[f"root of {name}"] = MBeir.open(root).fingerprint()
        places.append(Where(name, Path(root) if root else out / name / "world", base, out / name, inputs))
    return places


def _check_root(plan: Plan, name: str, root: Path) -> None:
    judge = plan.data[name].judge
    if judge.questions is None and not MBeir.open(root).tasks(judge.split, judge.datasets, judge.tasks):
        raise InputError(
            f"{root} holds no {judge.split} task that fits data.{name}.judge (datasets {list(judge.datasets)}, tasks "
            f"{list(judge.tasks)}); give another root, or change it"
        )


def _require_known(given: Iterable[str], known: Mapping[str, Any], option: str) -> None:
    for each in given:
        if each not in known:
            raise InputError(f"{option} {each}: the experiment has none of this name; {nearest(each, known)}")


def _check_out(out: Path, experiment: str) -> None:
    """Refuse a folder that is something else, and say of the others whose they are."""
    mark = out / MARK
    try:
        held = json.loads(mark.read_text("utf-8"))["experiment"] if mark.exists() else None
    except (ValueError, KeyError, TypeError):
        held = None
    if out.exists() and (not out.is_dir() or any(out.iterdir())) and held != experiment:
        what = f"of the experiment {held}" if held else "no experiment"
        raise InputError(f"{out} exists and is {what}; choose another folder, or empty this one")
    write_lines(mark, [json.dumps({"experiment": experiment})])


def _of(where: Where, jobs: Iterable[Job]) -> list[Job]:
    """The jobs of a data set: each is made from its base and root, and from no other data set's."""
    return [replace(job, inputs=where.inputs) for job in jobs]


def _write_paces(path: Path, runs: Sequence[Runs]) -> None:
    """What was measured and charged, beside the records; other data sets' figures stay."""
    try:
        known = json.loads(path.read_text("utf-8")) if path.exists() else {}
    except ValueError as error:
        raise InputError(f"{path} is damaged ({error}); the records are there. Remove it, and start again") from error
    now = {each.where.data: _budget_row(each) for each in runs if each.paces.to_row()}
    if now:
        write_lines(path, [json.dumps(known | now, indent=1)])


def _budget_row(runs: Runs) -> dict[str, Any]:
    data = runs.where.data
    arms = {name: arm for name, arm in runs.plan.arms_on(data).items() if arm.paced}
    return {
        "budget_seconds": runs.plan.budget(data),
        "clock": "processor seconds of one thread",
        "charged": {name: charged(runs.plan, data, arm) for name, arm in arms.items()},
        "arms": runs.paces.to_row(),
    }
