"""Atomic, complete checkpoints: everything a training needs to go on as if nothing had happened.

A checkpoint is one folder, RUN/checkpoints/step-000200:

    tensors.safetensors     the trained weights
    optimizer.safetensors   the optimizer's tensors; its numbers lie in state.json
    random.safetensors      torch's random state; those of python and numpy lie in state.json
    state.json              progress, recipe, digests of the inputs, versions
    complete.json           names and sizes of the others, written last

It is written to a temporary folder, synced and renamed, so a folder with its final name is whole
whenever the writer was killed. Nothing in it is a pickle.
"""

from __future__ import annotations

import json
import os
import platform
import random
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from elva.errors import CheckpointError
from elva.training.recipe import Recipe, changed_settings, dump_recipe, recipe_hash

TEMPORARY = ".writing-"
COMPLETE = "complete.json"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a training has come.

    Attributes:
        step: updates done.
        seconds: seconds trained, over all sessions.
    """

    step: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a checkpoint gives back.

    Attributes:
        tensors: trained weights by name, on the CPU.
        optimizer: a state for `optimizer.load_state_dict`.
        progress: how far the training had come.
    """

    tensors: dict[str, Tensor]
    optimizer: dict[str, Any]
    progress: Progress


def save_checkpoint(
    folder: Path,
    *,
    tensors: Mapping[str, Tensor],
    optimizer: Mapping[str, Any],
    progress: Progress,
    recipe: Recipe,
    inputs: Mapping[str, str],
    keep: int | None = None,
) -> Path:
    """Write a checkpoint, the random states of this process with it, and prune older ones.

    Args:
        folder: RUN/checkpoints; made if missing.
        tensors: trained weights by name.
        optimizer: `optimizer.state_dict()`.
        progress: how far the training has come; its step names the checkpoint.
        recipe: the recipe that is being trained.
        inputs: digests of what the training reads (data, files, the model it starts from), by setting.
        keep: how many of the newest checkpoints stay; None: recipe.checkpoint.keep.

    Returns:
        The folder of the checkpoint.
    """
    optimizer_tensors, optimizer_numbers = flatten_optimizer(optimizer)
    random_tensors, random_numbers = _random_state()
    state = {
        "progress": asdict(progress),
        "recipe": dump_recipe(recipe),
        "recipe_hash": recipe_hash(recipe),
        "inputs": dict(inputs),
        "optimizer": optimizer_numbers,
        "random": random_numbers,
        "versions": {"python": platform.python_version(), "torch": str(torch.__version__)},
    }
    remove_leftovers(folder)
    temporary = folder / f"{TEMPORARY}{progress.step:06d}"
    temporary.mkdir(parents=True)
    _write_tensors(temporary / "tensors.safetensors", tensors)
    _write_tensors(temporary / "optimizer.safetensors", optimizer_tensors)
    _write_tensors(temporary / "random.safetensors", random_tensors)
    _write_json(temporary / "state.json", state)
    sizes = {file.name: file.stat().st_size for file in sorted(temporary.iterdir())}
    _write_json(temporary / COMPLETE, sizes)
    _sync(temporary)
    final = folder / f"step-{progress.step:06d}"
    _put_in_place(temporary, final)
    _prune(folder, keep or recipe.checkpoint.keep)
    return final


def latest_checkpoint(folder: Path) -> Path | None:
    """The newest complete checkpoint of RUN/checkpoints, passing over incomplete ones; None where there are none.

    Raises:
        CheckpointError: there are some, all incomplete: a run that began again would not be the one asked for.
    """
    paths = _checkpoints(folder)
    newest = next((path for path in reversed(paths) if is_complete(path)), None)
    if paths and newest is None:
        raise CheckpointError(f"{folder}: no checkpoint is complete; remove the folder to begin this run again")
    return newest


def is_complete(path: Path) -> bool:
    """Whether every file of a checkpoint is there with the size it was written with."""
    try:
        sizes = json.loads((path / COMPLETE).read_text(encoding="utf-8"))
        return all((path / name).stat().st_size == size for name, size in sizes.items())
    except (OSError, ValueError):
        return False


def load_checkpoint(path: Path, recipe: Recipe, inputs: Mapping[str, str]) -> Checkpoint:
    """Read a checkpoint and set the random states of this process to those saved in it.

    Raises:
        CheckpointError: incomplete, or made with another recipe or from other inputs; says what differs.
    """
    if not is_complete(path):
        raise CheckpointError(f"{path} is incomplete; remove it and resume from an older one")
    state = json.loads((path / "state.json").read_text(encoding="utf-8"))
    if state["recipe_hash"] != recipe_hash(recipe):
        changes = "\n".join(f"  {change}" for change in changed_settings(state["recipe"], recipe))
        raise CheckpointError(
            f"{path} was trained with another recipe; undo these changes, "
            f"or start a new run in another folder:\n{changes}"
        )
    before = state.get("inputs", {})
    changed = [name for name in {**before, **inputs} if before.get(name) != inputs.get(name)]
    if changed:
        lines = "\n".join(f"  {name}: {before.get(name, 'none')} -> {inputs.get(name, 'none')}" for name in changed)
        raise CheckpointError(
            f"{path} was trained from other inputs (setting: digest then -> now); restore them, "
            f"or start a new run in another folder:\n{lines}"
        )
    _restore_random(load_file(path / "random.safetensors"), state["random"])
    return Checkpoint(
        tensors=load_file(path / "tensors.safetensors"),
        optimizer=unflatten_optimizer(load_file(path / "optimizer.safetensors"), state["optimizer"]),
        progress=Progress(**state["progress"]),
    )


def remove_leftovers(folder: Path) -> int:
    """Remove what a killed writer left behind in RUN/checkpoints; returns how many folders."""
    leftovers = list(folder.glob(f"{TEMPORARY}*"))
    for leftover in leftovers:
        shutil.rmtree(leftover)
    return len(leftovers)


def flatten_optimizer(state: Mapping[str, Any]) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Split `optimizer.state_dict()` into tensors by name and numbers that JSON can hold."""
    tensors: dict[str, Tensor] = {}
    numbers: dict[str, Any] = {}
    for parameter, entries in state["state"].items():
        for name, value in entries.items():
            if isinstance(value, Tensor):
                tensors[f"{parameter}.{name}"] = value
            else:
                numbers[f"{parameter}.{name}"] = value
    return tensors, {"state": numbers, "param_groups": state["param_groups"]}


def unflatten_optimizer(tensors: Mapping[str, Tensor], numbers: Mapping[str, Any]) -> dict[str, Any]:
    """Put together again what `flatten_optimizer` took apart."""
    state: dict[int, dict[str, Any]] = {}
    for key, value in {**tensors, **numbers["state"]}.items():
        parameter, name = key.split(".", 1)
        state.setdefault(int(parameter), {})[name] = value
    # JSON has no tuples; the optimizer would take a list, but a resumed state should equal the old
    groups = [
        {name: tuple(value) if name == "betas" else value for name, value in group.items()}
        for group in numbers["param_groups"]
    ]
    return {"state": state, "param_groups": groups}


def _random_state() -> tuple[dict[str, Tensor], dict[str, Any]]:
    tensors = {"torch": torch.get_rng_state()}
    if torch.cuda.is_available():
        for device, device_state in enumerate(torch.cuda.get_rng_state_all()):
            tensors[f"cuda.{device}"] = device_state
    numpy_state = np.random.get_state(legacy=False)
    return tensors, {"python": random.getstate(), "numpy": numpy_state}


def _restore_random(tensors: Mapping[str, Tensor], numbers: Mapping[str, Any]) -> None:
    version, words, gauss = numbers["python"]
    random.setstate((version, tuple(words), gauss))
    np.random.set_state(numbers["numpy"])
    torch.set_rng_state(tensors["torch"])
    devices = torch.cuda.device_count() if torch.cuda.is_available() else 0
    for device in range(devices):
        if f"cuda.{device}" in tensors:
            torch.cuda.set_rng_state(tensors[f"cuda.{device}"], device)


def _write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    # cloned, because safetensors refuses tensors that share memory, as tied embeddings do
    save_file({name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}, path)
    _sync(path)


def _write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=1, default=_as_list), encoding="utf-8")
    _sync(path)


def _as_list(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} can't be kept in a checkpoint")


def _sync(path: Path) -> None:
    """Wait until a file's content, or a folder's entries, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _put_in_place(temporary: Path, final: Path) -> None:
    """Rename; a checkpoint of the same step makes way, and is removed with the leftovers."""
    if final.exists():
        final.rename(final.with_name(f"{TEMPORARY}replaced-{final.name}"))
    temporary.rename(final)
    _sync(final.parent)
    remove_leftovers(final.parent)


def _checkpoints(folder: Path) -> list[Path]:
    return sorted(folder.glob("step-*"), key=lambda path: int(path.name.removeprefix("step-")))


def _prune(folder: Path, keep: int) -> None:
    for old in _checkpoints(folder)[:-keep]:
        shutil.rmtree(old)
