"""How an experiment is read.

    name, plan = load_plan("tiny")      # a packaged experiment, or a file

Unknown keys, wrong types and contradictions raise a RecipeError that names file, key and cure, before any work.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from elva.errors import RecipeError
from elva.experiment.plan import Arm, Plan, nearest
from elva.experiment.plan_checks import contradictions
from elva.strict import Place, build, read_layer
from elva.training.recipe import packaged_files, read_yaml


def load_plan(name: str | Path) -> tuple[str, Plan]:
    """Read an experiment and check it.

    Args:
        name: a YAML file, or the name of a packaged experiment such as "tiny".

    Returns:
        Its name (that of the file), and what it says.

    Raises:
        RecipeError: no such experiment, an unknown key, a wrong type, or contradictions: all of them.
    """
    file = find_plan(name)
    place = Place(str(file), Plan)
    plan = build(Plan, read_layer(Plan, read_yaml(file), str(file)), place)
    plan = replace(plan, arms=_inherited(plan.arms, place))
    found = contradictions(plan)
    if found:
        raise RecipeError(f"{file}:\n" + "\n".join(f"  {each}" for each in found))
    return file.stem, plan


def find_plan(name: str | Path) -> Path:
    """The file of an experiment given as a path or by its packaged name; RecipeError names the nearest."""
    if Path(name).is_file():
        return Path(name)
    known = packaged_files("experiments")
    wanted = str(name).removesuffix(".yaml")
    if wanted in known:
        return known[wanted]
    raise RecipeError(f"no experiment '{name}': no such file, and no packaged one; {nearest(wanted, known)}")


def _inherited(arms: Mapping[str, Arm], place: Place) -> dict[str, Arm]:
    """Every arm with what it gets from the arm it extends."""

    def whole(name: str, below: tuple[str, ...]) -> Arm:
        arm = arms[name]
        if arm.extends is None:
            return arm
        key = f"arms.{name}.extends"
        if arm.extends not in arms:
            raise place.error(f"{key} is {arm.extends}, which is no arm; {nearest(arm.extends, arms)}")
        if arm.extends in (*below, name):
            raise place.error(f"{key}: the arm extends itself, through {' and '.join((*below, name))}")
        return _on_top(arm, whole(arm.extends, (*below, name)))

    return {name: whole(name, ()) for name in arms}


def _on_top(arm: Arm, other: Arm) -> Arm:
    return replace(
        arm,
        role=arm.role or other.role,
        recipe=arm.recipe or other.recipe,
        command=arm.command or other.command,
        below=arm.below or other.below,
        settings=(*other.settings, *arm.settings),
        uses=tuple(dict.fromkeys((*other.uses, *arm.uses))),
        updates=arm.updates or other.updates,
        read=(*other.read, *arm.read),
        data=arm.data or other.data,
    )
