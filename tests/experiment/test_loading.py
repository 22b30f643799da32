"""Plans: what is wrong with one is told with file, key and cure, before any work."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from elva.errors import RecipeError
from elva.experiment.loading import load_plan
from elva.training.recipe import packaged_files
from experiment.small import plan_row, written

Change = Callable[[dict[str, Any]], object]


def put(where: str, value: object) -> Change:
    """Sets one key of a plan, given as a dotted path."""

    def change(row: dict[str, Any]) -> None:
        *path, last = where.split(".")
        for key in path:
            row = row[key]
        row[last] = value

    return change


WRONG: dict[str, tuple[Change, str]] = {
    "an unknown key": (
        put("arms.more.reciep", "x"),
        r"'arms\.more\.reciep'; did you mean 'arms\.more\.recipe'",
    ),
    "an unknown section": (put("arm", {}), r"unknown key 'arm'; did you mean 'arms'"),
    "a key of a list's entry": (put("data.world.start", [{"recipee": "x"}]), r"data\.world\.start\[0\]\.recipee"),
    "a missing key": (put("data.world.start", [{}]), r"data\.world\.start\[0\]\.recipe is missing"),
    "a wrong type": (put("seeds", [0, "one"]), r"seeds\[1\] is 'one'; expected a whole number"),
    "no mapping": (put("arms", ["more"]), r"arms is \['more'\]; expected entries 'name: value'"),
    "a seed twice": (put("seeds", [0, 0]), "seeds names one twice"),
    "quick seeds of its own": (put("quick_seeds", [7]), "quick_seeds has 7, which seeds has not; choose among"),
    "a name that is no file's": (put("arms.a-b", {"role": "baseline"}), r"arms\.a-b: a name is small letters"),
    "no role": (put("arms.more.role", None), r"arms\.more\.role is missing: baseline, control"),
    "a trained baseline": (put("arms.more.role", "baseline"), r"arms\.more is trained, so it is no baseline"),
    "no baseline": (lambda row: row["arms"].pop("stage2"), r"no arm on data\.world has role baseline; add"),
    "a control that is the start": (put("arms.stage2.role", "control"), r"role is control, but it is the start"),
    "a reference that is the start": (put("arms.stage2.role", "reference"), r"there is nothing to run; give a command"),
    "a command that is compared": (
        lambda row: row["arms"].update(x={"role": "control", "command": "elva x {out}"}),
        r"arms\.x\.role is control, but what a command leaves is a reference",
    ),
    "recipe and command": (put("arms.more.command", "elva x {out}"), r"arms\.more has a recipe and a command"),
    "two defaults": (
        lambda row: [arm.update(default=True) for arm in row["arms"].values()],
        "arms stage2 and more and mined are each default",
    ),
    "a preparation that isn't": (put("arms.more.uses", ["caption"]), r"names caption, which .*did you mean 'captions'"),
    "an arm that isn't": (put("arms.mined.extends", "mor"), r"arms\.mined\.extends is mor, .*did you mean 'more'"),
    "an arm that extends itself": (put("arms.more.extends", "mined"), "extends itself"),
    "updates of no training": (put("arms.stage2.updates", 3), r"arms\.stage2\.updates are of a training"),
    "data that aren't": (put("arms.more.data", ["word"]), r"arms\.more\.data names word, .*did you mean 'world'"),
    "no place to write": (put("prepare.captions.command", "elva caption {root}"), r"add --out \{out\}"),
    "a placeholder that isn't": (
        put("prepare.captions.command", "elva caption {rot} --out {out}"),
        r"prepare\.captions\.command: \{rot\} stands for nothing on data\.world; did you mean 'root'",
    ),
    "another program": (put("prepare.captions.command", "rm {out}"), "is no elva command"),
    "a circle": (put("prepare.captions.command", "elva x {captions} {out}"), "needs itself"),
    "a start made from itself": (
        put("prepare.captions.command", "elva x {start} {out}"),
        r"data\.world\.start\[0\]\.uses needs captions, which is made from \{start\}",
    ),
    "a word that is taken": (put("data.world.words", {"root": "x"}), r"words\.root is a placeholder that there is"),
    "a setting that isn't": (put("arms.more.settings", ["optimiser.lr=1"]), r"arms\.more on world: .*unknown key"),
    "a contradiction of settings": (
        put("prepare.negatives.setting", "data.triples"),
        r"arms\.mined on world: .*contrast\.hard_negatives needs data\.negatives",
    ),
    "a recipe that isn't": (put("arms.more.recipe", "tiny/more"), r"arms\.more on world: no recipe 'tiny/more'"),
    "a reading setting that isn't": (put("arms.stage2.read", ["max_sumary=9"]), r"arms\.stage2\.read: .*max_summary"),
    "a reading that can't be": (put("arms.stage2.read", ["summaries=0"]), r"arms\.stage2\.read: summaries 0, not"),
    "a reading that the recipe ends": (
        put("arms.more.read", ["summaries=4", "max_text=9"]),
        r"arms\.more\.read sets summaries, which a recipe sets anew; put it into the arm's settings",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_is_told_with_file_key_and_cure(tmp_path: Path, what: str) -> None:
    change, words = WRONG[what]
    row = plan_row()
    change(row)
    with pytest.raises(RecipeError, match=rf"(?s)small\.yaml.*{words}"):
        load_plan(written(tmp_path, row))


def test_all_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    row = plan_row()
    row["seeds"] = []
    row["arms"]["more"]["uses"] = ["nothing"]
    with pytest.raises(RecipeError, match=r"(?s)seeds is empty.*arms\.more\.uses names nothing"):
        load_plan(written(tmp_path, row))


def test_an_unknown_experiment_names_the_nearest() -> None:
    with pytest.raises(RecipeError, match=r"no experiment 'tny'.*did you mean 'tiny'"):
        load_plan("tny")


def test_an_arm_inherits_what_it_does_not_say(tmp_path: Path) -> None:
    name, plan = load_plan(written(tmp_path, plan_row()))
    assert name == "small"
    arm, other = plan.arms["mined"], plan.arms["more"]
    assert (arm.role, arm.recipe, arm.quick) == ("candidate", other.recipe, False)
    assert arm.settings == (*other.settings, "contrast.hard_negatives=1")
    assert arm.uses == ("captions", "negatives")


def test_an_arm_that_names_its_updates_has_no_pace(tmp_path: Path) -> None:
    row = plan_row()
    row["arms"]["more"]["updates"] = 3
    plan = load_plan(written(tmp_path, row))[1]
    assert [(arm.updates, arm.paced) for arm in plan.arms.values()] == [(None, False), (3, False), (3, False)]


@pytest.mark.parametrize("name", packaged_files("experiments"))
def test_every_packaged_experiment_loads(name: str) -> None:
    assert load_plan(name)[1].question.endswith("?")
