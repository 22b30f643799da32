"""`elva train`: one recipe, one folder, one trained checkpoint."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from peft import LoraConfig

from elva.data.mbeir import MBeir
from elva.errors import CheckpointError
from elva.model.embedder import Embedder, checkpoint_folder, is_replaceable
from elva.training.captioner import create_embedder, train_captioner
from elva.training.contrast import train_contrast
from elva.training.recipe import Recipe, changed_settings
from elva.training.reinforce import train_reinforce
from elva.training.running import RunLock
from elva.training.session import Session

LOOPS = {"base": train_captioner, "contrast": train_contrast, "reinforce": train_reinforce}


@dataclass(frozen=True, slots=True)
class RunResult:
    """What a finished (or stopped) training leaves: RUN/run.json holds the same."""

    model: Path
    updates: int
    train_seconds: float
    finished: bool


def train(recipe: Recipe, out: Path, resume: bool = False) -> RunResult:
    """Train, and leave RUN/recipe.yaml, metrics.jsonl, checkpoints/, run.json and model/.

    Args:
        recipe: what to do.
        out: the run's folder.
        resume: go on from the newest checkpoint; without one, start from the beginning. Nothing is done where the
            run is finished.

    Raises:
        CheckpointError: the folder holds another run or something else, or one is going on in it.
        ElvaError: anything wrong with data, model or recipe, before training starts.
    """
    _check_out(recipe, out, resume)
    finished = _finished(recipe, out) if resume else None
    if finished is not None:
        return finished
    data = MBeir.open(recipe.data.folder())
    embedder = _embedder(recipe)
    with RunLock(out):
        session = Session(recipe, embedder, out, data.fingerprint(), resume)
        LOOPS[recipe.stage](session)
        result = RunResult(out / "model", session.steps_done, session.seconds, not session.stopped)
        if result.finished:
            _finish(embedder, recipe).save(result.model)
        row = {"updates": result.updates, "train_seconds": round(result.train_seconds, 2), "finished": result.finished}
        (out / "run.json").write_text(json.dumps(row) + "\n", "utf-8")
    return result


def _check_out(recipe: Recipe, out: Path, resume: bool) -> None:
    """Refuse a folder in which a run would overwrite anything but itself."""
    if not (out / "recipe.yaml").exists():
        # A run that was refused before its first step leaves its lock.
        if out.exists() and (not out.is_dir() or any(path.name != RunLock.FILE for path in out.iterdir())):
            raise CheckpointError(f"{out} exists and is no run of training; choose another folder, or empty this one")
    elif not resume:
        raise CheckpointError(f"{out} holds a run already; add --resume to go on with it, or choose another folder")
    model = out / "model"
    if not is_replaceable(model):
        raise CheckpointError(f"{model} holds something that is no checkpoint; choose another folder for the run")
    if recipe.model.create is None and checkpoint_folder(recipe.model.path).resolve() == model.resolve():
        raise CheckpointError(f"{model} is the model that training starts from; choose another folder for the run")


def _finished(recipe: Recipe, out: Path) -> RunResult | None:
    """What a run that was completed before left, so that resuming it does nothing."""
    if not (out / "run.json").is_file() or not (out / "model" / "config.json").is_file():
        return None
    try:
        row = json.loads((out / "run.json").read_text("utf-8"))
        result = RunResult(out / "model", row["updates"], row["train_seconds"], True)
        if not row["finished"]:
            return None
    except (ValueError, KeyError, TypeError) as error:
        raise CheckpointError(
            f"{out / 'run.json'} is damaged ({error}); remove it to go on from the newest checkpoint"
        ) from error
    changes = changed_settings((out / "recipe.yaml").read_text("utf-8"), recipe)
    if changes:
        raise CheckpointError(
            f"{out} was trained with another recipe; undo these changes, or start a new run in another folder:\n"
            + "\n".join(f"  {change}" for change in changes)
        )
    return result


def _embedder(recipe: Recipe) -> Embedder:
    cache = Path(recipe.data.image_cache) if recipe.data.image_cache else None
    if recipe.model.create is not None:
        embedder = create_embedder(recipe)
    else:
        embedder = Embedder.load(recipe.model.path, image_cache=cache)
        embedder.features.keep = True
    lora = recipe.model.lora
    # The target names occur in the language model only; the vision tower has other ones, and stays frozen.
    targets = rf".*language_model.*\.({'|'.join(lora.targets)})"
    adapter = LoraConfig(r=lora.rank, lora_alpha=int(lora.alpha), lora_dropout=lora.dropout, target_modules=targets)
    torch.manual_seed(recipe.seed)  # an adapter starts from random numbers
    embedder.backbone.open_training(recipe.model.trainable, adapter)
    return embedder


def _finish(embedder: Embedder, recipe: Recipe) -> Embedder:
    """Fold the adapter in and note in the settings what was trained."""
    embedder.backbone.merge_adapter()
    settings = embedder.processor.settings
    trained = (*settings.trained, recipe.name or recipe.stage)
    embedder.processor.settings = replace(settings, extraction=recipe.extraction, trained=trained)
    return embedder
