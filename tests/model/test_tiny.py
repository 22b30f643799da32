"""The small model of the real classes."""

from __future__ import annotations

import pytest
import torch

from elva.model.tiny import SPECIAL, TinySize, make_model, make_processor, make_tokenizer
from elva.prompts import RET, Prompts
from smallest import SIZE, TEXTS


def test_every_text_survives_the_tokenizer() -> None:
    tokenizer = make_tokenizer(TEXTS, 400)
    for text in (*TEXTS, "Ünïcode 猫 🙂\ttabs\n\nlines", "  spaces  "):
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        assert tokenizer.decode(ids, clean_up_tokenization_spaces=False) == text
    assert len(tokenizer) <= 400


def test_control_tokens_are_single_tokens() -> None:
    tokenizer = make_tokenizer(TEXTS, 400)
    for token in SPECIAL:
        assert len(tokenizer(token, add_special_tokens=False)["input_ids"]) == 1
    assert tokenizer.eos_token == "<|im_end|>"
    assert RET in tokenizer.all_special_tokens


def test_the_same_texts_give_the_same_tokenizer() -> None:
    one, other = make_tokenizer(TEXTS, 400), make_tokenizer(iter(TEXTS), 400)
    assert one.get_vocab() == other.get_vocab()


def test_the_same_seed_gives_the_same_weights() -> None:
    tokenizer = make_tokenizer(TEXTS, 400)
    a, b, c = (make_model(SIZE, tokenizer, seed).fingerprint() for seed in (0, 0, 1))
    assert a == b != c


@pytest.mark.parametrize("hidden, heads", [(32, 2), (64, 2), (128, 4), (192, 4), (256, 4)])
def test_rotary_sections_fill_half_a_head_at_every_size(hidden: int, heads: int) -> None:
    tokenizer = make_tokenizer(TEXTS, 400)
    size = TinySize(hidden_size=hidden, heads=heads, kv_heads=1, layers=1, vision_layers=1)
    config = make_model(size, tokenizer, seed=0).plain.config.text_config
    sections = config.rope_parameters["mrope_section"]
    assert sum(sections) == hidden // heads // 2
    assert min(sections) > 0


def test_the_head_is_the_embedding_table() -> None:
    model = make_model(SIZE, make_tokenizer(TEXTS, 400), seed=0)
    assert model.plain.lm_head.weight is model.embedding_table.weight
    assert model.embedding_table.num_embeddings == len(make_tokenizer(TEXTS, 400))


def test_pictures_are_scaled_to_the_area_of_the_size() -> None:
    from PIL import Image

    processor = make_processor(make_tokenizer(TEXTS, 400), TinySize(), Prompts(), max_summary=7)
    _, grids = processor.pixels([[Image.new("RGB", (64, 64))], [Image.new("RGB", (640, 640))]])
    assert torch.equal(grids[0], grids[1])
    assert processor.settings.max_summary == 7
