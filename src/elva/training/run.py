"""`elva train`: one recipe, one folder, one trained checkpoint."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Generator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch
from peft import LoraConfig
from torch import Tensor

from elva.data.mbeir import MBeir
from elva.errors import CheckpointError, InputError, RecipeError, TrainingError
from elva.locks import FolderLock
from elva.model.embedder import Embedder, checkpoint_folder, is_replaceable
from elva.model.settings import Settings
from elva.training.answers import train_answer_grpo, train_answer_sft
from elva.training.captioner import create_embedder, train_captioner
from elva.training.contrast import train_contrast
from elva.training.questions import digest
from elva.training.recipe import Recipe, changed_settings
from elva.training.reinforce import train_reinforce
from elva.training.session import Session
from elva.training.sharding import gathered, shard
from elva.training.team import Team
from elva.training.trackers import check_trackers
from elva.whole import PART, whole_file

FILES: tuple[Literal["triples", "captions", "negatives", "likelihoods"], ...] = (
    "triples",
    "captions",
    "negatives",
    "likelihoods",
)
READING = ("bottleneck", "summaries", "summary_temperature")
"""Settings of a recipe that stay with the model: how its vectors are read, in the run and behind it."""
LOOPS = {
    "base": train_captioner,
    "contrast": train_contrast,
    "reinforce": train_reinforce,
    "answer_sft": train_answer_sft,
    "answer_grpo": train_answer_grpo,
}


@dataclass(frozen=True, slots=True)
class RunResult:
    """What a finished (or stopped) training leaves: RUN/run.json holds the same."""

    model: Path
    updates: int
    train_seconds: float
    processor_seconds: float
    finished: bool


def train(recipe: Recipe, out: Path, resume: bool = False, device: str = "cpu") -> RunResult:
    """Train, and leave RUN/recipe.yaml, metrics.jsonl, checkpoints/, run.json and model/.

    Args:
        recipe: what to do.
        out: the run's folder.
        resume: go on from the newest checkpoint; without one, start from the beginning. Nothing is done where the
            run is finished.
        device: where to compute; a process of a team on one machine's GPUs takes "cuda:{local rank}".

    Raises:
        CheckpointError: the folder holds another run, one of other inputs or something else.
        FolderInUse: one is going on in it.
        TrainingError: a gradient was not finite.
        MissingExtra: `log.to` names a package that isn't installed.
        ElvaError: anything wrong with data, model or recipe, before training starts.
    """
    place = torch.device(device)
    if place.type == "cuda" and place.index is not None:
        torch.cuda.set_device(place)  # what sends between processes takes the current one
    team = Team.join()
    if team.leads:
        _check_out(recipe, out, resume)
    finished = _finished(recipe, out) if resume else None
    team.wait()  # from here on the folder changes
    if finished is not None:
        team.leave()
        return finished
    if team.size > 1 and recipe.stage == "base":
        raise InputError("the base stage trains in one process; start it without torchrun")
    if recipe.model.shard and team.size == 1:
        raise InputError(
            "model.shard spreads the layers over processes; start several with torchrun, or set it to false"
        )
    check_trackers(recipe)
    known = _data(recipe)
    embedder = _embedder(recipe, device)
    _check_nested(recipe, embedder)
    inputs = known | _inputs(recipe, embedder)
    warning = _set_reading(recipe, embedder)
    _open_training(recipe, embedder)
    if recipe.model.shard:
        shard(embedder.backbone, team)
    with FolderLock(out) if team.leads else nullcontext():
        if team.leads:
            _check_out(recipe, out, resume)  # again: another run may have come and gone
        session = Session(recipe, embedder, out, inputs, resume, team)
        for sentence in filter(None, (embedder.processor.told, warning)):
            session.say(sentence)
        for _ in LOOPS[recipe.stage](session):
            pass
        result = RunResult(
            out / "model", session.steps_done, session.seconds, session.processor_seconds, not session.stopped
        )
        trained = gathered(embedder.backbone.trainable_parameters(), team)
        if team.leads:
            _publish(recipe, result, embedder, trained)
    team.leave()
    return result


def updates(recipe: Recipe, out: Path) -> Generator[int, None, None]:
    """The steps of a run one by one, for who advances several runs in turn in one process.

    What `train` does between loading and the last step, on the CPU, without a bar, and nothing is published.

    Args:
        recipe: what to do.
        out: gets metrics.jsonl, and checkpoints where they are due.

    Yields:
        How many updates of the weights the step just done was: loading comes before the first.
    """
    embedder = _embedder(recipe, "cpu")
    _check_nested(recipe, embedder)
    _set_reading(recipe, embedder)
    _open_training(recipe, embedder)
    with open(os.devnull, "w") as nowhere:
        yield from LOOPS[recipe.stage](Session(recipe, embedder, out, {}, resume=False, voice=nowhere))


def _publish(recipe: Recipe, result: RunResult, embedder: Embedder, trained: Mapping[str, Tensor]) -> None:
    """Write run.json and, when the run is finished, the model with its trained weights."""
    if result.finished:
        embedder = _put_together(recipe, trained) if recipe.model.shard else embedder
        _save(_finish(embedder, recipe), result.model)
    row = {"updates": result.updates, "train_seconds": round(result.train_seconds, 2)}
    row |= {"processor_seconds": round(result.processor_seconds, 2), "finished": result.finished}
    with whole_file(result.model.with_name("run.json")) as file:
        file.write(json.dumps(row) + "\n")


def _check_out(recipe: Recipe, out: Path, resume: bool) -> None:
    """Refuse a folder in which a run would overwrite anything but itself."""
    if not (out / "recipe.yaml").exists():
        # A run that was refused or killed before its first step leaves its lock, or half a recipe.
        begun = (FolderLock.FILE, f".recipe.yaml.*{PART}")
        if out.exists() and not (out.is_dir() and all(any(map(path.match, begun)) for path in out.iterdir())):
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
        result = RunResult(out / "model", row["updates"], row["train_seconds"], row.get("processor_seconds", 0.0), True)
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


def _embedder(recipe: Recipe, device: str) -> Embedder:
    """The model that training starts from; weights that don't train are held in the precision of the arithmetic."""
    compute = torch.bfloat16 if recipe.model.precision == "bfloat16" else torch.float32
    if recipe.model.create is not None:
        embedder = create_embedder(recipe)
        embedder.backbone.to(device).compute_dtype = compute
        return embedder
    cache = Path(recipe.data.image_cache) if recipe.data.image_cache else None
    held = compute if recipe.model.trainable == "lora" else torch.float32
    embedder = Embedder.load(recipe.model.path, device=device, dtype=held, compute_dtype=compute, image_cache=cache)
    embedder.features.keep = True
    return embedder


def _put_together(recipe: Recipe, trained: Mapping[str, Tensor]) -> Embedder:
    """The start model with whole trained weights in it: what a team has spread can't be merged where it lies."""
    embedder = _embedder(recipe, "cpu")
    _set_reading(recipe, embedder)
    _open_training(recipe, embedder)
    with torch.no_grad():
        for name, parameter in embedder.backbone.trainable_parameters().items():
            parameter.copy_(trained[name])
    return embedder


def _data(recipe: Recipe) -> dict[str, str]:
    """Digests of the folders that the run reads, by setting: a checkpoint of it goes on with these and no others."""
    folder, caption = recipe.data.folder(), recipe.caption
    if recipe.answers:
        return {"data.root": digest(folder, recipe.data.split)}
    digests = {"data.root": MBeir.open(folder).fingerprint()}
    if recipe.stage == "base" and caption.questions_share:
        digests["caption.questions"] = digest(caption.questions_folder(), caption.questions_file)
    return digests


def _inputs(recipe: Recipe, embedder: Embedder) -> dict[str, str]:
    """As `_data`, of files and of the model."""
    digests = dict[str, str]()
    for name in FILES:
        if getattr(recipe.data, name) is not None:
            with recipe.data.file(name).open("rb") as file:
                digests[f"data.{name}"] = hashlib.file_digest(file, "sha256").hexdigest()[:16]
    if recipe.model.create is None:  # a created one follows from recipe and data
        digests["model.path"] = embedder.fingerprint
    return digests


def _check_nested(recipe: Recipe, embedder: Embedder) -> None:
    """Refuse prefixes that are no shorter than what the model gives."""
    longest, width = max(recipe.nested.lengths, default=0), embedder.backbone.dimension
    if longest >= width:
        raise RecipeError(
            f"nested.lengths has {longest}, but the vectors of {recipe.model.path} have {width} numbers; leave it out"
        )


def _set_reading(recipe: Recipe, embedder: Embedder) -> str:
    """Read vectors as the recipe says; what a user should know where that ends what the model was trained with.

    A stage that embeds nothing leaves this as it is.
    """
    if recipe.answers:
        return ""
    before = embedder.processor.settings
    after = {name: getattr(recipe, name) for name in READING}
    embedder.processor.settings = replace(before, **after)
    had = {name: getattr(before, name) for name in READING if getattr(before, name) != getattr(Settings(), name)}
    ended = {name: value for name, value in had.items() if value != after[name]}
    if not ended:
        return ""
    return (
        f"{recipe.model.path} was trained with {_pairs(ended)}, and this run has "
        f"{_pairs({name: after[name] for name in ended})}; add {_pairs(ended)} to go on as before."
    )


def _pairs(settings: Mapping[str, object]) -> str:
    return " ".join(f"{name}={value}" for name, value in settings.items())


def _open_training(recipe: Recipe, embedder: Embedder) -> None:
    lora = recipe.model.lora
    # The target names occur in the language model only; the vision tower has other ones, and stays frozen.
    targets = rf".*language_model.*\.({'|'.join(lora.targets)})"
    scale: Any = lora.alpha  # peft's annotation says int, but it only divides by the rank
    adapter = LoraConfig(r=lora.rank, lora_alpha=scale, lora_dropout=lora.dropout, target_modules=targets)
    torch.manual_seed(recipe.seed)  # an adapter starts from random numbers
    token = None if recipe.answers else embedder.processor.ret_id  # answers hold no [RET]
    embedder.backbone.open_training(recipe.model.trainable, adapter, token, recipe.model.gradient_checkpointing)


def _finish(embedder: Embedder, recipe: Recipe) -> Embedder:
    """Fold the adapter in and note in the settings what was trained."""
    embedder.backbone.merge_adapter()
    settings, caption = embedder.processor.settings, recipe.caption
    if recipe.stage == "base" and caption.asked_share:
        settings = replace(settings, asked_instruction=caption.asked_instruction)
    trained = (*settings.trained, recipe.name or recipe.stage)
    extraction = settings.extraction if recipe.answers else recipe.extraction
    embedder.processor.settings = replace(settings, extraction=extraction, trained=trained)
    return embedder


def _save(embedder: Embedder, model: Path) -> None:
    try:
        embedder.save(model)
    except CheckpointError as error:
        raise TrainingError(f"{error}; the training itself is done: --resume does nothing but save it") from error
