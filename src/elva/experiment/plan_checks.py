"""What an experiment may not say: every contradiction is found before any work."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from elva.errors import RecipeError
from elva.experiment.placeholders import GIVEN, command_words, filled, needed, places
from elva.experiment.plan import Arm, DataPlan, Plan, nearest
from elva.model.settings import Settings
from elva.strict import merge, settings, typed_layer
from elva.training.recipe import load_recipe
from elva.training.settings import Recipe

NAME = re.compile(r"[a-z0-9][a-z0-9_]*").fullmatch
"""Names that may stand in a file's name and before "-s0"."""


def contradictions(plan: Plan) -> list[str]:
    """Each as one sentence that names the key and the cure; empty when sound."""
    found = [*_names(plan), *_seeds(plan), *_commands(plan)]
    for name, arm in plan.arms.items():
        found += _arm(plan, name, arm)
    for name, data in plan.data.items():
        found += _defaults(plan, name)
        found += _uses(plan, [(f"data.{name}.start[{n}].uses", stage.uses) for n, stage in enumerate(data.start)])
    return found or [*_circles(plan), *_recipes(plan)]


def _names(plan: Plan) -> Iterator[str]:
    for key, names in (("data", plan.data), ("prepare", plan.preparations), ("arms", plan.arms)):
        if not names and key != "prepare":
            yield f"{key} is empty; name at least one"
        for name in names:
            if not NAME(name):
                yield f"{key}.{name}: a name is small letters, digits and _, because files are called by it"
    for data, entry in plan.data.items():
        for word in entry.words or {}:
            if word in GIVEN or word in plan.preparations:
                yield f"data.{data}.words.{word} is a placeholder that there is already; call it otherwise"
    for name in plan.preparations:
        if name in GIVEN:
            yield f"prepare.{name} is a placeholder that there is already; call it otherwise"


def _seeds(plan: Plan) -> Iterator[str]:
    if not plan.seeds:
        yield "seeds is empty; give at least one, such as [0, 1, 2]"
    if len(set(plan.seeds)) < len(plan.seeds):
        yield "seeds names one twice; each seed is one run"
    if stray := sorted(set(plan.quick_seeds) - set(plan.seeds)):
        yield f"quick_seeds has {', '.join(map(str, stray))}, which seeds has not; choose among seeds"


def _commands(plan: Plan) -> Iterator[str]:
    given = [(f"prepare.{name}.command", each.command) for name, each in plan.preparations.items()]
    given += [(f"arms.{name}.command", arm.command) for name, arm in plan.arms.items() if arm.command]
    for key, command in given:
        if "out" not in places(command):
            yield f"{key} does not say where to write; add --out {{out}}"
        try:
            command_words(command, {}, {})
        except RecipeError as error:
            yield f"{key}: {error}"
        for name, data in plan.data.items():
            known = (*GIVEN, *plan.preparations, *(data.words or {}))
            for place in places(command):
                if place not in known:
                    yield f"{key}: {{{place}}} stands for nothing on data.{name}; {nearest(place, known)}"


def _arm(plan: Plan, name: str, arm: Arm) -> Iterator[str]:
    key = f"arms.{name}"
    if arm.recipe and arm.command:
        yield f"{key} has a recipe and a command; it is trained or it is a command: leave one out"
    if arm.role is None:
        yield f"{key}.role is missing: baseline, control, candidate or reference"
    if arm.command is not None and arm.role not in (None, "reference"):
        yield f"{key}.role is {arm.role}, but what a command leaves is a reference; set the role to reference"
    if arm.role == "reference" and arm.command is None and not arm.trains:
        yield f"{key}.role is reference, but there is nothing to run; give a command, or a recipe"
    if arm.role == "baseline" and arm.trains:
        yield f"{key} is trained, so it is no baseline; make it a control or a candidate, or leave recipe out"
    if arm.role in ("control", "candidate") and not arm.trains and not arm.read:
        yield f"{key}.role is {arm.role}, but it is the start checkpoint as it is; give a recipe, or role baseline"
    if not arm.trains and arm.settings:
        yield f"{key}.settings are of a training, and it has no recipe; remove them, or give the recipe"
    if not arm.trains and arm.updates:
        yield f"{key}.updates are of a training, and it has no recipe; remove them, or give the recipe"
    if not arm.trains and not arm.command and arm.uses:
        yield f"{key}.uses names preparations, but nothing there reads them; remove it, or give a recipe"
    if arm.command and arm.read:
        yield f"{key}.read is for the start checkpoint, which a command has no copy of; remove it"
    for each in arm.data:
        if each not in plan.data:
            yield f"{key}.data names {each}, which is no data set; {nearest(each, plan.data)}"
    yield from _uses(plan, [(f"{key}.uses", arm.uses)])
    yield from _read(arm, f"{key}.read")


def _read(arm: Arm, key: str) -> Iterator[str]:
    try:
        changes = typed_layer(Settings, arm.read, key)
        Settings.from_row(merge(Settings().to_row(), changes))
    except RecipeError as error:
        yield str(error)
    except ValueError as error:
        yield f"{key}: {error}"
    else:
        if arm.trains and (ruled := sorted(changes.keys() & settings(Recipe).keys())):
            yield f"{key} sets {', '.join(ruled)}, which a recipe sets anew; put it into the arm's settings"


def _uses(plan: Plan, given: Sequence[tuple[str, Sequence[str]]]) -> Iterator[str]:
    for key, uses in given:
        for each in uses:
            if each not in plan.preparations:
                yield f"{key} names {each}, which is no preparation; {nearest(each, plan.preparations)}"


def _defaults(plan: Plan, data: str) -> Iterator[str]:
    defaults = [name for name, arm in plan.arms_on(data).items() if arm.default]
    if len(defaults) > 1:
        yield f"arms {' and '.join(defaults)} are each default on data.{data}; one is recommended"
    if not any(arm.role == "baseline" for arm in plan.arms_on(data).values()):
        yield f"no arm on data.{data} has role baseline; add the start checkpoint: an arm with this role and no recipe"


def _circles(plan: Plan) -> Iterator[str]:
    commands = {name: each.command for name, each in plan.preparations.items()}
    for name in commands:
        try:
            needed([name], commands)
        except RecipeError as error:
            yield f"prepare.{name}: {error}; a preparation needs what can be made before it"
            return
    for name, data in plan.data.items():
        for number, stage in enumerate(data.start):
            for each in needed(stage.uses, commands):
                if "start" in places(commands[each]):
                    key = f"data.{name}.start[{number}].uses"
                    yield f"{key} needs {each}, which is made from {{start}}: nothing is there yet; leave it out"


def _recipes(plan: Plan) -> Iterator[str]:
    """What a recipe says against its settings, as it will be loaded: paths stand for what is not there yet."""
    for name, data in plan.data.items():
        for number, stage in enumerate(data.start):
            key = f"data.{name}.start[{number}]"
            yield from _loads(key, plan, data, stage.recipe, stage.settings, stage.uses)
        for arm_name, arm in plan.arms_on(name).items():
            if arm.recipe is not None:
                settings = (*arm.settings, *of_budget(1))
                yield from _loads(f"arms.{arm_name} on {name}", plan, data, arm.recipe, settings, arm.uses)


def _loads(
    key: str, plan: Plan, data: DataPlan, recipe: str, settings: Sequence[str], uses: Sequence[str]
) -> Iterator[str]:
    words = data.words or {}
    given = [f"{plan.preparations[each].setting}={each}.jsonl" for each in uses]
    values = [filled(each, words) for each in (*data.settings, *settings)]
    yield from _told(key, lambda: load_recipe(filled(recipe, words), [*values, *given]))


def _told(key: str, load: Callable[[], object]) -> Iterator[str]:
    try:
        load()
    except RecipeError as error:
        yield f"{key}: {error}"


def of_budget(steps: int) -> list[str]:
    """The settings that give a training so many updates, whatever its recipe says of its budget."""
    return ["budget.epochs=null", "budget.seconds=null", f"budget.steps={steps}"]
