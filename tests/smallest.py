"""The smallest model of the real classes, for tests."""

from __future__ import annotations

from elva.model.embedder import Embedder
from elva.model.tiny import TinySize, make_model, make_processor, make_tokenizer
from elva.prompts import Prompts

TEXTS = ["a small red triangle left of a large blue circle", "Summarize: find the picture in one word"] * 4
SIZE = TinySize(
    hidden_size=32,
    intermediate_size=48,
    layers=2,
    heads=2,
    kv_heads=1,
    vision_width=16,
    vision_layers=1,
    vision_heads=2,
)
CREATE = (
    "model.create={hidden_size: 32, intermediate_size: 48, layers: 2, heads: 2, kv_heads: 1, vision_width: 16, "
    "vision_layers: 1, vision_heads: 2, vocabulary: 400, max_summary: 6, generative_prompt: 'Summarize:', "
    "one_word_prompt: '{modality} in one word:'}"
)
"""The same as an override of a base recipe."""


def smallest_embedder(seed: int = 0) -> Embedder:
    """Random weights, of a size that a test can train."""
    tokenizer = make_tokenizer(TEXTS, 400)
    processor = make_processor(tokenizer, SIZE, Prompts("Summarize:", "{modality} in one word:"), max_summary=8)
    return Embedder(make_model(SIZE, tokenizer, seed).eval(), processor, "random")
