"""Small random checkpoints of the supported families, in the hub's file layout and without anything of ELVA's."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from transformers import (
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2VLConfig,
    Qwen2VLForConditionalGeneration,
    Qwen3VLConfig,
    Qwen3VLForConditionalGeneration,
)
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from elva.model import tiny
from elva.prompts import RET

TEXTS = ["a small red triangle left of a large blue circle", "Summarize the sentence and image in one word: "] * 4
CLASSES: dict[str, Any] = {
    "qwen2_vl": (Qwen2VLConfig, Qwen2VLForConditionalGeneration),
    "qwen2_5_vl": (Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration),
    "qwen3_vl": (Qwen3VLConfig, Qwen3VLForConditionalGeneration),
}
VISION: dict[str, dict[str, Any]] = {
    "qwen2_vl": {"embed_dim": 32, "hidden_size": 32, "mlp_ratio": 2, "patch_size": 14},
    "qwen2_5_vl": {
        "hidden_size": 32,
        "intermediate_size": 48,
        "out_hidden_size": 32,
        "patch_size": 14,
        "window_size": 56,
        "fullatt_block_indexes": [1],
    },
    "qwen3_vl": {
        "hidden_size": 32,
        "intermediate_size": 48,
        "out_hidden_size": 32,
        "patch_size": 16,
        "num_position_embeddings": 64,
        "deepstack_visual_indexes": [0, 1],
    },
}


def save_family(family: str, folder: Path, seed: int = 0) -> Path:
    """Write such a checkpoint and return its folder."""
    with patch.object(tiny, "SPECIAL", tuple(token for token in tiny.SPECIAL if token != RET)):
        tokenizer = tiny.make_tokenizer(TEXTS, 500)
    token = tokenizer.convert_tokens_to_ids
    rope: dict[str, Any] = {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [2, 1, 1]}
    text = {
        "vocab_size": len(tokenizer),
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 2048,
        "rope_parameters": rope,
        "bos_token_id": None,
        "eos_token_id": token("<|im_end|>"),
        "pad_token_id": token("<|endoftext|>"),
        "initializer_range": 0.2,
    }
    if family == "qwen3_vl":
        text |= {"head_dim": 8, "rope_parameters": rope | {"mrope_interleaved": True}}
    vision = {"depth": 2, "num_heads": 2, "spatial_merge_size": 2, "initializer_range": 0.2} | VISION[family]
    config_class, model_class = CLASSES[family]
    config = config_class(
        text_config=text,
        vision_config=vision,
        image_token_id=token("<|image_pad|>"),
        video_token_id=token("<|video_pad|>"),
        vision_start_token_id=token("<|vision_start|>"),
        vision_end_token_id=token("<|vision_end|>"),
        tie_word_embeddings=family != "qwen2_5_vl",
    )
    torch.manual_seed(seed)
    model_class(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    side = VISION[family]["patch_size"]
    Qwen2VLImageProcessorPil(
        patch_size=side,
        merge_size=2,
        temporal_patch_size=2,
        size={"shortest_edge": (4 * side) ** 2, "longest_edge": (8 * side) ** 2},
    ).save_pretrained(folder)
    return folder
