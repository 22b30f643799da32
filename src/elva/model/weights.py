"""Transformers' model out of a checkpoint folder, or what is wrong with the folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from transformers import AutoModelForImageTextToText
from transformers.utils import logging as transformers_logging

from elva.errors import CheckpointError

TRIED = ("qwen2_vl", "qwen2_5_vl", "qwen3_vl")
_ANY_FAMILY: Any = AutoModelForImageTextToText
_PARTS = ("visual", "language_model", "get_image_features", "get_rope_index")

transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]  # its bars for a few tensors would tear ours


def read_model(folder: Path, dtype: torch.dtype) -> Any:
    """The model of a checkpoint folder in the hub's layout (config.json, *.safetensors), on the CPU.

    Args:
        folder: the checkpoint.
        dtype: what weights are held in.

    Raises:
        CheckpointError: no such folder, a family that can't be driven, pickled weights, or weights that are missing,
            damaged or of another shape.
    """
    family = str(read_config(folder).get("model_type"))
    if not list(folder.glob("*.safetensors")):
        raise CheckpointError(
            f"{folder}: no *.safetensors; pickled weights (.bin, .pt) are refused, convert them first"
        )
    try:
        model, info = _ANY_FAMILY.from_pretrained(
            folder,
            dtype=dtype,
            local_files_only=True,
            use_safetensors=True,
            ignore_mismatched_sizes=True,  # they are refused below, by name
            output_loading_info=True,
        )
    except Exception as error:  # damaged files surface as many types; the user needs the folder's name
        if family not in TRIED:
            raise unsupported(folder, family, str(error).partition("\n")[0]) from error
        reason = _damaged(folder) or error
        raise CheckpointError(f"{folder}: weights can't be loaded: {reason}; copy the checkpoint again") from error
    if lacks := _lacks(model):
        raise unsupported(folder, family, lacks)
    if info["missing_keys"]:
        raise CheckpointError(
            f"{folder}: weights are missing, e.g. {sorted(info['missing_keys'])[0]}; copy the checkpoint again"
        )
    for name, found, expected in sorted(info["mismatched_keys"]):
        raise CheckpointError(
            f"{folder}: {name} has shape {tuple(found)}, which config.json makes {tuple(expected)}; "
            "copy config.json and weights from one checkpoint"
        )
    return model


def read_config(folder: Path) -> dict[str, Any]:
    """The config.json of a checkpoint folder; empty where it holds no object.

    Raises:
        CheckpointError: it is missing or no JSON.
    """
    config = folder / "config.json"
    if not config.is_file():
        raise CheckpointError(f"{folder}: no config.json here; give a checkpoint folder as transformers saves it")
    try:
        settings = json.loads(config.read_text("utf-8"))
    except ValueError as error:
        raise CheckpointError(f"{config}: not valid JSON ({error}); copy the checkpoint again") from error
    return settings if isinstance(settings, dict) else {}


def unsupported(folder: Path, family: str, why: str) -> CheckpointError:
    """What to raise for a family that can't be driven."""
    return CheckpointError(
        f"{folder}: model_type {family!r} can't be driven ({why}); families that work: {', '.join(TRIED)}"
    )


def _damaged(folder: Path) -> str | None:
    """The first file of weights that can't be opened, and why."""
    for path in sorted(folder.glob("*.safetensors")):
        try:
            with safe_open(path, framework="pt"):
                pass
        except (OSError, SafetensorError) as error:
            return f"{path.name} is damaged ({error})"
    return None


def _lacks(model: Any) -> str | None:
    """Why this model can't be driven, or None."""
    inner = getattr(model, "model", None)
    missing = [part for part in _PARTS if not hasattr(inner, part)]
    if missing:
        return f"it has no {', '.join(missing)}"
    kinds = set(getattr(model.config.text_config, "layer_types", None) or ["full_attention"])
    if kinds != {"full_attention"}:  # a `Sight` knows no other
        return f"its layers use {', '.join(sorted(kinds - {'full_attention'}))}"
    return None
