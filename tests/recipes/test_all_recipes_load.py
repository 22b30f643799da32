"""Every recipe of the repository says on top how it is launched, and loads when launched so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from elva.training.recipe import dump_recipe, load_recipe, packaged_recipes

RECIPES = packaged_recipes()


def launch_line(name: str) -> str:
    """What follows `elva train NAME` in the comment on top."""
    comment = re.match(r"(#.*\n)+", RECIPES[name].read_text(encoding="utf-8"))
    assert comment, f"{RECIPES[name]}: begin with a comment"
    line = re.search(rf"elva train {name} (.*--out \S+)", comment.group().replace("\\\n#", ""))
    assert line, f"{RECIPES[name]}: put on top '# elva train {name} data.root=... --out ...'"
    return line.group(1)


@pytest.mark.parametrize("name", RECIPES)
def test_it_loads_with_the_settings_of_its_launch_line(name: str) -> None:
    settings = re.findall(r"\S+=\S+", launch_line(name))
    recipe = load_recipe(name, settings)
    assert recipe == load_recipe(RECIPES[name], settings), "by name and by path"
    assert recipe.data.root, "the launch line names the data"


@pytest.mark.parametrize("name", RECIPES)
def test_a_run_s_own_recipe_file_loads_again(name: str, tmp_path: Path) -> None:
    recipe = load_recipe(name, re.findall(r"\S+=\S+", launch_line(name)))
    (tmp_path / "recipe.yaml").write_text(dump_recipe(recipe), encoding="utf-8")
    assert load_recipe(tmp_path / "recipe.yaml") == recipe


def test_the_recipes_of_this_checkout_are_the_packaged_ones() -> None:
    folder = Path(__file__).parents[2] / "recipes"
    assert RECIPES
    assert {path.resolve() for path in folder.rglob("*.yaml")} == {path.resolve() for path in RECIPES.values()}
