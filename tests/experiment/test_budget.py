"""Equal budget: updates, charges and paces against numbers worked by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from elva.errors import InputError
from elva.experiment.budget import Paces, charged, updates_within
from elva.experiment.loading import load_plan
from experiment.small import plan_row, written


def test_updates_are_those_that_fit_whole_into_what_preparation_leaves() -> None:
    assert updates_within(100, 0, 0.3) == 333
    assert updates_within(100, 9.9, 0.3) == 300  # 90.1 / 0.3 = 300.33
    assert updates_within(1, 0, 0.25) == 4
    with pytest.raises(InputError, match=r"100 s less 99\.9 s .* leaves 0\.1 s, and one update takes 0\.300 s; raise"):
        updates_within(100, 99.9, 0.3)


def test_an_arm_pays_for_what_not_all_have_anyway(tmp_path: Path) -> None:
    row = plan_row()
    row["prepare"]["judge"] = {"command": "elva x {negatives} --out {out}", "setting": "data.triples"}
    row["prepare"]["words"] = {"command": "elva x {root} --out {out}", "setting": "data.triples", "shared": True}
    plan = load_plan(written(tmp_path, row))[1]
    arms = plan.arms
    assert charged(plan, "world", arms["more"]) == [], "the start used the captions"
    assert charged(plan, "world", arms["mined"]) == ["negatives"]
    deeper = type(arms["mined"])(role="candidate", recipe="tiny/elva", uses=("judge", "words"))
    assert charged(plan, "world", deeper) == ["negatives", "judge"], "what it needs is paid, too"
    row["arms"]["more"]["uses"] = ["captions", "negatives"]
    row["arms"]["mined"]["uses"] = ["negatives"]
    plan = load_plan(written(tmp_path, row))[1]
    assert charged(plan, "world", plan.arms["mined"]) == [], "every training uses them"


def test_a_pace_is_the_median_of_its_rounds_and_is_kept(tmp_path: Path) -> None:
    recipes = {"a": "1", "b": "2"}
    paces = Paces(tmp_path / "pace.json")
    assert (paces.unknown(recipes), paces.anchor(recipes)) == (["a", "b"], None)
    paces.add({"a": [0.2, 0.1, 9.0], "b": [0.4, 0.5, 0.6]}, recipes, None)
    again = Paces(tmp_path / "pace.json")
    assert (again["a"], again["b"]) == (0.2, 0.5)
    assert (again.unknown(recipes), again.anchor(recipes)) == ([], "a")


def test_an_arm_that_joins_later_is_scaled_by_one_that_was_there(tmp_path: Path) -> None:
    paces = Paces(tmp_path / "pace.json")
    paces.add({"a": [0.2], "b": [0.5]}, {"a": "1", "b": "2"}, None)
    recipes = {"a": "1", "b": "changed", "c": "3"}
    assert (paces.unknown(recipes), paces.anchor(recipes)) == (["b", "c"], "a")
    # the machine is twice as slow today: a takes 0.4 instead of 0.2
    paces.add({"a": [0.4], "b": [0.8], "c": [2.0]}, recipes, "a")
    assert (paces["a"], paces["b"], paces["c"]) == (0.2, 0.4, 1.0)


def test_a_damaged_file_of_paces_is_told(tmp_path: Path) -> None:
    (tmp_path / "pace.json").write_text('{"a": {"seconds": 1}}')
    with pytest.raises(InputError, match=r"pace\.json is damaged .*remove it"):
        Paces(tmp_path / "pace.json")
