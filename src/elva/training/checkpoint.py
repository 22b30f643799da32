"""Atomic, complete checkpoints: everything a training needs to go on as if nothing had happened.

A checkpoint is one folder, RUN/checkpoints/step-000200:

    tensors.safetensors     the trained weights
    optimizer.safetensors   the optimizer's tensors; its numbers lie in state.json
    random.safetensors      torch's random state; those of python and numpy lie in state.json
    state.json              progress, recipe, digests of the inputs, versions
    complete.json           names and sizes of the others, written last

It is written under another name, synced and renamed, so a folder with its final name is whole
whenever the writer was killed. Nothing in it is a pickle.
"""

from __future__ import annotations

import json
import platform
import random
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from elva import __version__
from elva.errors import CheckpointError, TrainingError
from elva.training.recipe import Recipe, changed_settings, dump_recipe, recipe_hash
from elva.whole import is_refusal, remove_leftovers, sync_all, whole_folder

COMPLETE = "complete.json"
NAME = "step-"
DEPENDENCIES = ("torch", "transformers", "peft", "numpy")


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a training has come.

    Attributes:
        step: updates done.
        seconds: seconds trained, over all sessions.
        line: the last update's row of metrics.jsonl, if it is written only where no other follows.
        processor_seconds: of this process, likewise over all sessions.
    """

    step: int
    seconds: float
    line: dict[str, Any] | None = None
    processor_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a checkpoint gives back.

    Attributes:
        tensors: trained weights by name, on the CPU.
        optimizer: a state for `optimizer.load_state_dict`.
        progress: how far the training had come.
        random: random states, for `restore_random`.
        other_versions: what has another version now: "torch 2.12.0 -> 2.13.0".
    """

    tensors: dict[str, Tensor]
    optimizer: dict[str, Any]
    progress: Progress
    random: tuple[dict[str, Tensor], dict[str, Any]]
    other_versions: list[str]

    def restore_random(self) -> None:
        """Set the random states of this process to those of the checkpoint."""
        _restore_random(*self.random)


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

    Raises:
        TrainingError: the system refuses to write; the older checkpoints are as they were.
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
        "versions": _versions(),
    }
    final = folder / f"{NAME}{progress.step:06d}"
    remove_leftovers(folder, f"{NAME}*")
    try:
        with whole_folder(final, replace=True) as unfinished:
            _write_tensors(unfinished / "tensors.safetensors", tensors)
            _write_tensors(unfinished / "optimizer.safetensors", optimizer_tensors)
            _write_tensors(unfinished / "random.safetensors", random_tensors)
            _write_json(unfinished / "state.json", state)
            sizes = {file.name: file.stat().st_size for file in sorted(unfinished.iterdir())}
            _write_json(unfinished / COMPLETE, sizes)
            sync_all(unfinished)
    except Exception as error:
        if not is_refusal(error):
            raise
        raise TrainingError(
            f"{final} can't be written ({error}); {kept(folder)}. "
            "Look at the rights and the space left, then go on with --resume"
        ) from error
    prune(folder, keep or recipe.checkpoint.keep)
    return final


def prune(folder: Path, keep: int) -> None:
    """Remove all but the newest whole checkpoints, `keep` of them: what was damaged counts for nothing."""
    whole = [path for path in _checkpoints(folder) if is_complete(path)]
    for path in set(_checkpoints(folder)) - set(whole[-keep:]):
        shutil.rmtree(path)


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


def kept(folder: Path) -> str:
    """What a failing run leaves to go on from, as a clause for its message."""
    newest = next((path for path in reversed(_checkpoints(folder)) if is_complete(path)), None)
    return f"{folder.name}/{newest.name} is the newest one and whole" if newest else "no checkpoint was due before"


def is_complete(path: Path) -> bool:
    """Whether every file of a checkpoint is there with the size it was written with."""
    try:
        sizes = json.loads((path / COMPLETE).read_text(encoding="utf-8"))
        return all((path / name).stat().st_size == size for name, size in sizes.items())
    except (OSError, ValueError, AttributeError):
        return False


def load_checkpoint(path: Path, recipe: Recipe, inputs: Mapping[str, str]) -> Checkpoint:
    """Read a checkpoint.

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
    return Checkpoint(
        tensors=load_file(path / "tensors.safetensors"),
        optimizer=unflatten_optimizer(load_file(path / "optimizer.safetensors"), state["optimizer"]),
        progress=Progress(**state["progress"]),
        random=(load_file(path / "random.safetensors"), state["random"]),
        other_versions=_other_versions(state.get("versions", {})),
    )


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


def _write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=1, default=_as_list), encoding="utf-8")


def _as_list(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} can't be kept in a checkpoint")


def _versions() -> dict[str, str]:
    """What the numbers of a training depend on beside its recipe and inputs."""
    ours = {"elva": __version__, "python": platform.python_version()}
    return ours | {name: metadata.version(name) for name in DEPENDENCIES}


def _other_versions(before: Mapping[str, str]) -> list[str]:
    now = _versions()
    return [f"{name} {before.get(name, 'unknown')} -> {now[name]}" for name in now if before.get(name) != now[name]]


def _checkpoints(folder: Path) -> list[Path]:
    return sorted(folder.glob(f"{NAME}*"), key=lambda path: int(path.name.removeprefix(NAME)))
