"""A small model of the real Qwen2-VL classes with a tokenizer trained on the spot: for the demo, tests and laptops.

It is an ordinary checkpoint in the hub's layout, so everything that runs on it runs on Qwen2-VL-2B unchanged.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast, Qwen2VLConfig, Qwen2VLForConditionalGeneration
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from elva.model.backbone import Backbone
from elva.model.processor import IMAGE_PAD, VIDEO_PAD, VISION_END, VISION_START, Processor
from elva.model.settings import Settings
from elva.prompts import RET, Prompts

SPECIAL = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    VISION_START,
    VISION_END,
    IMAGE_PAD,
    VIDEO_PAD,
    RET,
)
CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n"
    "{% for part in message.content %}{% if part.type == 'image' %}<|vision_start|><|image_pad|><|vision_end|>"
    "{% elif part.type == 'video' %}<|vision_start|><|video_pad|><|vision_end|>"
    "{% elif part.type == 'text' %}{{ part.text }}{% endif %}{% endfor %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
VISION_THETA = 10.0
MERGE = 1  # patches per side of a visual token: pictures of 64 pixels have no tokens to spare


@dataclass(frozen=True, slots=True)
class TinySize:
    """Sizes of a model made from scratch; `max_pixels` is both bounds of the picture's area after resizing."""

    hidden_size: int = 128
    intermediate_size: int = 256
    layers: int = 3
    heads: int = 4
    kv_heads: int = 2
    vision_width: int = 128
    vision_layers: int = 4
    vision_heads: int = 4
    patch_size: int = 16
    rope_theta: float = 20.0
    vocabulary: int = 800
    min_pixels: int = 4096
    max_pixels: int = 4096


def make_tokenizer(texts: Iterable[str], vocabulary: int) -> Any:
    """A byte-level BPE of at most `vocabulary` tokens with Qwen2-VL's control tokens and [RET]."""
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=list(SPECIAL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator([*texts, "user\nassistant\n"], trainer)
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=bpe,
        pad_token="<|endoftext|>",
        eos_token="<|im_end|>",
        extra_special_tokens=[t for t in SPECIAL if t not in ("<|endoftext|>", "<|im_end|>")],
        chat_template=CHAT_TEMPLATE,
        clean_up_tokenization_spaces=False,
    )


def make_model(size: TinySize, tokenizer: Any, seed: int) -> Backbone:
    """Random weights of these sizes."""
    token = tokenizer.convert_tokens_to_ids
    head_dim = size.hidden_size // size.heads
    spatial = head_dim // 2 * 3 // 8  # rotary sections of height and width; with time they sum to head_dim / 2
    config = Qwen2VLConfig(
        text_config={
            "vocab_size": len(tokenizer),
            "hidden_size": size.hidden_size,
            "intermediate_size": size.intermediate_size,
            "num_hidden_layers": size.layers,
            "num_attention_heads": size.heads,
            "num_key_value_heads": size.kv_heads,
            "max_position_embeddings": 2048,
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": size.rope_theta,
                "mrope_section": [head_dim // 2 - 2 * spatial, spatial, spatial],
            },
            "bos_token_id": None,
            "eos_token_id": token("<|im_end|>"),
            "pad_token_id": token("<|endoftext|>"),
            "tie_word_embeddings": True,
            "initializer_range": size.hidden_size**-0.5,
        },
        vision_config={
            "depth": size.vision_layers,
            "embed_dim": size.vision_width,
            "hidden_size": size.hidden_size,
            "num_heads": size.vision_heads,
            "mlp_ratio": 2,
            "patch_size": size.patch_size,
            "spatial_merge_size": MERGE,
            "rope_parameters": {"rope_type": "axial", "rope_theta": VISION_THETA},
            "initializer_range": size.vision_width**-0.5,
        },
        image_token_id=token(IMAGE_PAD),
        video_token_id=token(VIDEO_PAD),
        vision_start_token_id=token(VISION_START),
        vision_end_token_id=token(VISION_END),
        tie_word_embeddings=True,
    )
    torch.manual_seed(seed)
    return Backbone(Qwen2VLForConditionalGeneration(config))


def make_processor(tokenizer: Any, size: TinySize, prompts: Prompts, max_summary: int, max_text: int = 96) -> Processor:
    """The processor to `make_model`: fixed picture area, short prompts."""
    images = Qwen2VLImageProcessorPil(
        patch_size=size.patch_size,
        merge_size=MERGE,
        temporal_patch_size=2,
        size={"shortest_edge": size.min_pixels, "longest_edge": size.max_pixels},
    )
    return Processor(tokenizer, images, Settings(prompts=prompts, max_summary=max_summary, max_text=max_text))
