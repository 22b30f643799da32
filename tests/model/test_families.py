"""Every family from a folder as transformers saves it: the same states, roll-outs, a step, and back to transformers."""

from __future__ import annotations

import json
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig
from transformers import AutoModelForImageTextToText

from elva.errors import CheckpointError, InputError
from elva.items import Item
from elva.model.backbone import Backbone
from elva.model.embedder import Embedder
from elva.model.inputs import Inputs, Prefix
from elva.model.rollout import given, replay, sample
from elva.model.weights import TRIED
from families import save_family
from plain import plain_inputs


@pytest.fixture(params=TRIED)
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return save_family(request.param, tmp_path / request.param)


@pytest.fixture
def loaded(folder: Path) -> Embedder:
    return Embedder.load(folder)


def prefix_of(embedder: Embedder, items: list[Item]) -> Prefix:
    inputs = Inputs(embedder.backbone, embedder.processor, embedder.features)
    return inputs.collate(inputs.prepare(items, "generative"))


def plain_states(model: Any, embedder: Embedder, item: Item, summary: list[int]) -> torch.Tensor:
    """Last hidden states (S, D) of one item and its summary by transformers' own forward."""
    inputs = plain_inputs(embedder, item, torch.tensor(summary))
    with torch.no_grad():
        output = model.model(attention_mask=torch.ones_like(inputs["input_ids"]), **inputs)
    return output.last_hidden_state[0]


def test_the_state_at_ret_is_that_of_transformers(folder: Path, loaded: Embedder, items: list[Item]) -> None:
    model = AutoModelForImageTextToText.from_pretrained(folder, local_files_only=True).eval()
    model.resize_token_embeddings(loaded.backbone.embedding_table.num_embeddings)
    model.load_state_dict(loaded.backbone.plain.state_dict())  # the row of [RET] is new
    summary = loaded.processor.summary_ids("red circle")
    rollouts = given([summary] * len(items), loaded.dimension)
    read = replay(loaded.backbone, loaded.processor, prefix_of(loaded, items), rollouts)
    for row, item in enumerate(items):
        expected = plain_states(model, loaded, item, summary)[-1]
        found = read.embeddings[row, 0]
        torch.testing.assert_close(found, expected / expected.norm(), atol=2e-5, rtol=0)


def test_rollouts_agree_with_reading_them_again(loaded: Embedder, items: list[Item]) -> None:
    prefix = prefix_of(loaded, items)
    generator = torch.Generator().manual_seed(1)
    written = sample(
        loaded.backbone,
        loaded.processor,
        prefix,
        group_size=3,
        temperature=1.0,
        max_tokens=6,
        generator=generator,
    )
    read = replay(loaded.backbone, loaded.processor, prefix, written, temperature=1.0)
    torch.testing.assert_close(read.embeddings, written.embeddings, atol=2e-5, rtol=0)
    torch.testing.assert_close(read.logprobs, written.logprobs, atol=1e-4, rtol=0)


@pytest.mark.parametrize("extraction", ["one_word", "generative"])
def test_both_extractions_give_unit_vectors_whatever_the_batch(
    loaded: Embedder, items: list[Item], extraction: Any
) -> None:
    together = loaded.embed(items, extraction=extraction).vectors
    assert together.shape == (len(items), 32)
    for row, item in enumerate(items):
        alone = loaded.embed([item], extraction=extraction).vectors[0]
        assert abs(alone - together[row]).max() < 2e-5
        assert abs((alone**2).sum() - 1) < 1e-5


@pytest.mark.parametrize("family", ["qwen2_vl", "qwen2_5_vl"])  # one table to read and write, and two
def test_an_untrained_base_is_as_ready_to_write_ret_as_to_end_its_answer(family: str, tmp_path: Path) -> None:
    base = Embedder.load(save_family(family, tmp_path / family, ret=False))
    ret, end = base.processor.ret_id, base.processor.tokenizer.eos_token_id
    assert base.processor.tokenizer.convert_ids_to_tokens(end) == "<|im_end|>"
    scores = base.backbone.logits(torch.randn(5, base.dimension))
    assert torch.equal(scores[:, ret], scores[:, end])
    assert end in base.processor.banned_ids()


def test_pictures_of_other_content_give_other_vectors(loaded: Embedder, items: list[Item]) -> None:
    vectors = loaded.embed([items[1], items[4]], extraction="one_word").vectors
    assert abs(vectors[0] - vectors[1]).max() > 1e-3


def test_the_order_of_frames_and_each_frame_give_other_vectors(loaded: Embedder, items: list[Item]) -> None:
    frames = items[5].shown
    assert isinstance(frames, tuple)
    clips = [frames, frames[::-1], frames[:4], (*frames[:4], frames[0])]
    vectors = loaded.embed([Item(video=clip) for clip in clips], extraction="one_word").vectors
    for one, other in combinations(vectors, 2):
        assert abs(one - other).max() > 1e-3


@pytest.mark.parametrize("frames", [1, 2])
def test_a_clip_that_stands_still_is_its_picture(loaded: Embedder, items: list[Item], frames: int) -> None:
    picture = items[3].image
    assert picture is not None
    image, clip = Item(text="red", image=picture), Item(text="red", video=[picture] * frames)
    inputs = Inputs(loaded.backbone, loaded.processor, loaded.features)
    (seen,), (moving,) = inputs.prepare([image], "generative"), inputs.prepare([clip], "generative")
    assert seen.visual and torch.equal(moving.visual[0], seen.visual[0])
    pads, others = (loaded.processor.types(one.ids) for one in (seen, moving))
    if loaded.backbone.times_clips:
        assert len(moving) > len(seen), "Qwen3-VL writes a time"
        return
    assert torch.equal(moving.positions, seen.positions)
    assert moving.next_position == seen.next_position
    assert torch.equal(others, 2 * pads)
    assert torch.equal(moving.ids[others == 0], seen.ids[pads == 0])
    summary = loaded.processor.summary_ids("red")
    states = [plain_states(loaded.backbone.plain, loaded, item, summary) for item in (image, clip)]
    torch.testing.assert_close(states[0], states[1], atol=1e-6, rtol=0)
    vectors = loaded.embed([image, clip], extraction="generative").vectors
    assert abs(vectors[0] - vectors[1]).max() < 1e-6
    words = loaded.embed([image, clip], extraction="one_word").vectors
    assert abs(words[0] - words[1]).max() > 1e-3, "its prompt says video"


def test_a_long_clip_that_stands_still_is_its_picture_again_and_again(loaded: Embedder, items: list[Item]) -> None:
    picture = items[3].image
    assert picture is not None
    (once, _), (often, grid) = loaded.features.look([picture, (picture,) * 5])
    assert grid[0] == 3
    torch.testing.assert_close(often, once.repeat(3, 1), atol=1e-5, rtol=0)


def test_a_family_that_was_not_tried_is_shown_no_clip(loaded: Embedder, items: list[Item]) -> None:
    loaded.backbone.plain.config.model_type = "other_vl"
    loaded.embed(items[:5])
    with pytest.raises(InputError, match="'other_vl' can't be shown videos; families that can: qwen2_vl"):
        loaded.embed(items)


def test_a_step_of_lora_saves_a_folder_that_transformers_reads(
    loaded: Embedder, items: list[Item], tmp_path: Path
) -> None:
    ret = loaded.processor.ret_id
    before = loaded.backbone.plain.lm_head.weight[ret].clone()
    target = r".*language_model.*\.(q_proj|v_proj|down_proj)"
    loaded.backbone.open_training("lora", LoraConfig(r=2, lora_alpha=4, target_modules=target), ret)
    parameters = loaded.backbone.trainable_parameters()
    assert parameters and all("visual" not in name for name in parameters)
    optimizer = torch.optim.SGD(parameters.values(), lr=1.0)
    for _ in range(2):  # the first step moves B alone, which starts at zero
        rollouts = given([loaded.processor.summary_ids("blue")] * len(items), loaded.dimension)
        read = replay(loaded.backbone, loaded.processor, prefix_of(loaded, items), rollouts)
        (read.embeddings.sum() - read.logprobs.sum()).backward()
        assert all(p.grad is not None for p in parameters.values())
        optimizer.step()
        optimizer.zero_grad()
    loaded.backbone.merge_adapter()
    assert (loaded.backbone.plain.lm_head.weight[ret] - before).abs().max() > 1e-3, "the row of [RET] trains too"
    trained = loaded.embed(items).vectors
    loaded.save(tmp_path / "saved")
    again = Embedder.load(tmp_path / "saved")
    assert abs(again.embed(items).vectors - trained).max() < 2e-5
    plain = AutoModelForImageTextToText.from_pretrained(tmp_path / "saved", local_files_only=True).eval()
    summary = again.processor.summary_ids("red")
    rollouts = given([summary], again.dimension)
    read = replay(again.backbone, again.processor, prefix_of(again, [items[3]]), rollouts)
    expected = plain_states(plain, again, items[3], summary)[-1]
    torch.testing.assert_close(read.embeddings[0, 0].detach(), expected / expected.norm(), atol=2e-5, rtol=0)


def test_a_layer_that_cannot_share_a_prefix_is_refused(tmp_path: Path) -> None:
    folder = save_family("qwen2_5_vl", tmp_path / "windowed")
    row = json.loads((folder / "config.json").read_text("utf-8"))
    row["text_config"] |= {"layer_types": ["sliding_attention"] * 3, "use_sliding_window": True, "sliding_window": 4}
    (folder / "config.json").write_text(json.dumps(row))
    with pytest.raises(CheckpointError, match="sliding_attention"):
        Backbone.load(folder)
