"""Small random checkpoints of the supported families, in the hub's file layout and without anything of ELVA's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from transformers import (
    AutoModelForImageTextToText,
    AutoTokenizer,
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

# The system turn and the look at `content` are those of the published Qwen2-VL template.
QWEN_TEMPLATE = (
    "{% for message in messages %}{% if loop.first and message['role'] != 'system' %}<|im_start|>system\n"
    "You are a helpful assistant.<|im_end|>\n{% endif %}<|im_start|>{{ message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] }}<|im_end|>\n{% else %}"
    "{% for content in message['content'] %}{% if content['type'] == 'image' or 'image' in content %}"
    "<|vision_start|><|image_pad|><|vision_end|>{% elif 'text' in content %}{{ content['text'] }}{% endif %}"
    "{% endfor %}<|im_end|>\n{% endif %}{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
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


def save_family(family: str, folder: Path, seed: int = 0, ret: bool = False) -> Path:
    """Write such a checkpoint, with [RET] in its vocabulary or without, and return its folder."""
    with mock.patch.object(tiny, "SPECIAL", tuple(token for token in tiny.SPECIAL if ret or token != RET)):
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


LAMRA_CLASSES = {
    "qwen2_vl": "Qwen2VLRetForConditionalGeneration",
    "qwen2_5_vl": "Qwen2_5_VLRetForConditionalGeneration",
}


def save_lamra(family: str, folder: Path, *, token: bool = False, special: bool = False) -> Path:
    """Write what LamRA's merging leaves: a base without [RET], of LamRA's class.

    Args:
        family: qwen2_vl or qwen2_5_vl.
        folder: where.
        token: instead, with `<emb>` in the vocabulary as LamRA's code adds it when it runs, of the base's own class.
        special: that token as a special one.
    """
    save_family(family, folder, ret=False)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.chat_template = QWEN_TEMPLATE
    if token:
        tokenizer.add_tokens(["<emb>"], special_tokens=special)
        model = AutoModelForImageTextToText.from_pretrained(folder)
        model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
        model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    change_json(folder / "preprocessor_config.json", size={"shortest_edge": 56 * 56, "longest_edge": 12845056})
    if not token:
        change_json(folder / "config.json", architectures=[LAMRA_CLASSES[family]])
    return folder


def change_json(path: Path, **fields: Any) -> None:
    """Set fields of a JSON object on disk."""
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | fields), "utf-8")
