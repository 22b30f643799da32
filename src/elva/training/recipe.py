"""How a recipe is read: sparse YAML on top of the defaults in `settings.py`.

A recipe names what differs from the defaults. `extends: other.yaml` starts from another recipe, and
`key=value` pairs from the command line lie on top:

    recipe = load_recipe("tiny/stage2", ["data.root=demo/world", "optimizer.lr=3e-4"])

Unknown keys, wrong types and contradictions raise a RecipeError that names file, key and cure.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml

from elva.errors import RecipeError
from elva.strict import Place, build, every_setting, merge, read_layer, typed_layer
from elva.training.answer_settings import Answer, AnswerRewards, AnswerRollouts, Grpo, Sampling
from elva.training.recipe_checks import contradictions
from elva.training.settings import (
    Budget,
    Caption,
    Contrast,
    Create,
    Data,
    Log,
    Lora,
    Model,
    Nested,
    Optimizer,
    Order,
    Policy,
    Recipe,
    Reinforce,
    Reward,
    Rollouts,
    Saving,
    Weights,
)

__all__ = [
    "Answer",
    "AnswerRewards",
    "AnswerRollouts",
    "Budget",
    "Caption",
    "Contrast",
    "Create",
    "Data",
    "Grpo",
    "Log",
    "Lora",
    "Model",
    "Nested",
    "Optimizer",
    "Order",
    "Policy",
    "Recipe",
    "Reinforce",
    "Reward",
    "Rollouts",
    "Sampling",
    "Saving",
    "Weights",
    "changed_settings",
    "check_recipe",
    "chosen_settings",
    "dump_recipe",
    "find_recipe",
    "launch_lines",
    "load_recipe",
    "packaged_files",
    "packaged_recipes",
    "read_yaml",
    "recipe_hash",
]

COMMAND_LINE = "command line"
NOT_LEARNED = (
    "name",
    "checkpoint.",
    "log.",
    # how much memory it takes changes what is learned by rounding only: a run that ran out of it can go on with less
    "model.gradient_checkpointing",
    "data.check_images",
    "data.image_cache",
    "data.picture_memory",
    "answer.items_per_forward",
    "contrast.items_per_forward",
    "reinforce.items_per_forward",
)
"""Settings that a resumed run may change."""


def load_recipe(path: str | Path, overrides: Sequence[str] = ()) -> Recipe:
    """Read a recipe, lay the overrides on top, and check the whole.

    Args:
        path: a YAML file, or the name of a packaged recipe such as "tiny/stage2".
        overrides: "key=value" pairs with dotted keys and YAML values, such as "optimizer.lr=3e-4".

    Raises:
        RecipeError: no such recipe, an unknown key, a wrong type, a contradiction.
    """
    file = find_recipe(path)
    layers = [*_file_layers(file, ()), typed_layer(Recipe, overrides, COMMAND_LINE)]
    merged: dict[str, Any] = {}
    for layer in layers:
        merged = merge(merged, layer)
    recipe = build(Recipe, merged, Place(str(file), Recipe))
    check_recipe(recipe, str(file))
    return recipe


def check_recipe(recipe: Recipe, source: str = "recipe") -> None:
    """Raise a RecipeError that lists every contradiction between settings."""
    found = contradictions(recipe)
    if len(found) == 1:
        raise RecipeError(f"{source}: {found[0]}")
    if found:
        raise RecipeError(f"{source}:\n" + "\n".join(f"  {problem}" for problem in found))


def dump_recipe(recipe: Recipe) -> str:
    """The whole recipe as YAML, every default written out; load_recipe reads it back unchanged."""
    return yaml.safe_dump(_plain(asdict(recipe)), sort_keys=False, allow_unicode=True)


def chosen_settings(recipe: Recipe) -> dict[str, Any]:
    """Dotted key -> value of all that is not at its default: a setting that a later version adds changes nothing."""
    return dict(_chosen(asdict(recipe)))


def recipe_hash(recipe: Recipe) -> str:
    """SHA-256 of all settings that change what is learned: not the name, checkpoints, logs, or how memory is saved.

    Those at their defaults are left out, so that a setting which a later version adds refuses no older run.
    """
    lines = sorted(f"{key}={value!r}" for key, value in _learning_settings(asdict(recipe)))
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def changed_settings(before: str, recipe: Recipe) -> list[str]:
    """What a dumped recipe and this one differ in: "key: old -> new", as recipe_hash sees it."""
    old = dict(_learning_settings(yaml.safe_load(before)))
    new = dict(_learning_settings(asdict(recipe)))
    keys = [key for key in {**old, **new} if old.get(key) != new.get(key)]
    default = _defaults()
    return [f"{key}: {old.get(key, default.get(key))!r} -> {new.get(key, default.get(key))!r}" for key in keys]


def find_recipe(name: str | Path) -> Path:
    """The file of a recipe given as a path or as the name of a packaged one.

    Raises:
        RecipeError: neither a file nor a packaged recipe; names the nearest.
    """
    if Path(name).is_file():
        return Path(name)
    known = packaged_recipes()
    wanted = str(name).removesuffix(".yaml")
    if wanted in known:
        return known[wanted]
    nearest = get_close_matches(wanted, known, n=1, cutoff=0.5)
    hint = f"did you mean '{nearest[0]}'?" if nearest else f"packaged: {', '.join(known)}"
    raise RecipeError(f"no recipe '{name}': no such file, and no packaged recipe; {hint}")


def packaged_recipes() -> dict[str, Path]:
    """Every packaged recipe: its name ("tiny/stage2") and its file."""
    return packaged_files("recipes")


def packaged_files(name: str) -> dict[str, Path]:
    """Every YAML file of a folder that comes with the package: its name without the ending, and the file."""
    package = Path(__file__).parents[1]
    checkout = package.parents[1] / name  # in a checkout the folder lies beside src/
    folder = checkout if package.parent.name == "src" else package / name
    files = sorted(folder.rglob("*.yaml"))
    return {file.relative_to(folder).with_suffix("").as_posix(): file for file in files}


def launch_lines(file: Path) -> list[str]:
    """The commands in a recipe's head: how it is trained, and what must be made before."""
    lines = [line.removeprefix("#").strip() for line in file.read_text("utf-8").splitlines() if line.startswith("#")]
    return [line for line in lines if line.startswith("elva ")]


def _file_layers(file: Path, seen: tuple[Path, ...]) -> list[dict[str, Any]]:
    """The recipe's own layer on top of those it extends, lowest first."""
    if file.resolve() in seen:
        raise RecipeError(f"{file}: extends itself, through {seen[-1]}")
    mapping = read_yaml(file)
    parent = mapping.pop("extends", None)
    layer = read_layer(Recipe, mapping, str(file))
    if parent is None:
        return [layer]
    parent_file = file.parent / str(parent)
    if not parent_file.is_file():
        raise RecipeError(f"{file}: extends {parent}, but there is no file {parent_file}")
    return [*_file_layers(parent_file, (*seen, file.resolve())), layer]


def read_yaml(file: Path) -> dict[Any, Any]:
    """The mapping of a YAML file; RecipeError for anything else."""
    try:
        mapping = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise RecipeError(f"{file}: no valid YAML: {error}") from error
    if not isinstance(mapping, dict):
        raise RecipeError(f"{file}: expected settings as 'key: value', found {mapping!r}")
    return mapping


def _plain(value: Any) -> Any:
    """Tuples as lists, so that YAML stays plain."""
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, tuple) else value


def _learning_settings(recipe: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    return ((key, value) for key, value in _chosen(recipe) if not key.startswith(NOT_LEARNED))


def _chosen(recipe: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Settings that are not at their defaults."""
    default = _defaults()
    return ((key, value) for key, value in _flat(_plain(recipe)) if value != default.get(key))


def _defaults() -> dict[str, Any]:
    """Those of plain settings. A section that may be null has none here: it is null."""
    return {key: _plain(setting.default) for key, setting in every_setting(Recipe)}


def _flat(section: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in section.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value
