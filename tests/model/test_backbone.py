"""Backbone: which folders it reads, which it refuses and how, and what trains."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig
from transformers import LlavaNextConfig, LlavaNextForConditionalGeneration, Qwen2VLForConditionalGeneration
from transformers.models.qwen2_vl.modeling_qwen2_vl import Qwen2VLTextModel

from elva.errors import CheckpointError
from elva.items import Item
from elva.model import backbone
from elva.model.backbone import Backbone
from elva.model.embedder import Embedder
from elva.model.inputs import Inputs
from elva.model.rollout import given, read_prompt, replay

ADAPTER = LoraConfig(r=4, lora_alpha=8, target_modules=r".*language_model.*\.(q_proj|v_proj|down_proj)")


@pytest.fixture
def saved(embedder: Embedder, tmp_path: Path) -> Path:
    embedder.save(tmp_path / "model")
    return tmp_path / "model"


def read(embedder: Embedder, items: list[Item]) -> torch.Tensor:
    inputs = Inputs(embedder.backbone, embedder.processor, embedder.features)
    return read_prompt(embedder.backbone, inputs.collate(inputs.prepare(items, "one_word")))


def logprobs(embedder: Embedder, items: list[Item]) -> torch.Tensor:
    inputs = Inputs(embedder.backbone, embedder.processor, embedder.features)
    summaries = given([embedder.processor.summary_ids("red circle")] * len(items), embedder.dimension)
    prefix = inputs.collate(inputs.prepare(items, "generative"))
    return replay(embedder.backbone, embedder.processor, prefix, summaries).logprobs


def disturb_adapter(backbone: Backbone) -> None:
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for name, parameter in backbone.trainable_parameters().items():
            if "lora_B" in name:
                parameter.copy_(torch.randn(parameter.shape, generator=generator))


# -- folders -----------------------------------------------------------------------------------------------------


def test_plain_transformers_reads_the_same_model(saved: Path, embedder: Embedder, items: list[Item]) -> None:
    plain = Qwen2VLForConditionalGeneration.from_pretrained(saved, local_files_only=True).eval()
    tokens = embedder.processor.tokens(items[0], "generative").ids[None]
    with torch.no_grad():
        expected = embedder.backbone.plain(input_ids=tokens).logits
        torch.testing.assert_close(plain(input_ids=tokens).logits, expected, atol=1e-6, rtol=0)


def refusal(folder: Path) -> str:
    with pytest.raises(CheckpointError) as caught:
        Embedder.load(folder)
    message = str(caught.value)
    assert str(folder) in message
    return message


def test_a_folder_without_config_is_refused(tmp_path: Path) -> None:
    assert "no config.json" in refusal(tmp_path)


def test_a_config_that_is_no_json_is_refused(saved: Path) -> None:
    (saved / "config.json").write_text("{half")
    assert "not valid JSON" in refusal(saved)


def test_another_family_is_named_with_those_that_work(saved: Path) -> None:
    config = json.loads((saved / "config.json").read_text())
    (saved / "config.json").write_text(json.dumps(config | {"model_type": "bert"}))
    message = refusal(saved)
    assert "'bert'" in message
    assert "qwen2_vl" in message


def test_what_lacks_parts_is_refused_for_them_and_not_for_weights_that_are_missing_too(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    text = {"model_type": "mistral", "vocab_size": 100, "hidden_size": 32, "intermediate_size": 48}
    text |= {"num_hidden_layers": 1, "num_attention_heads": 4, "num_key_value_heads": 2}
    vision = {"model_type": "clip_vision_model", "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 1}
    vision |= {"num_attention_heads": 2, "image_size": 28, "patch_size": 14}
    config = LlavaNextConfig(text_config=text, vision_config=vision, image_token_index=99)
    LlavaNextForConditionalGeneration(config).save_pretrained(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    headless = {name: tensor for name, tensor in weights.items() if "lm_head" not in name}  # as MM-Embed is
    save_file(headless, tmp_path / "model.safetensors", metadata={"format": "pt"})
    assert "'llava_next' can't be driven (it has no visual, get_rope_index)" in refusal(tmp_path)


@pytest.mark.parametrize("does", ["refuses", "ignores"])
def test_a_family_whose_attention_goes_its_own_way_is_refused(
    saved: Path, monkeypatch: pytest.MonkeyPatch, does: str
) -> None:
    forward = Qwen2VLTextModel.forward

    def deaf(self: Any, *given: Any, sight: Any = None, **named: Any) -> Any:
        if does == "refuses":
            raise TypeError("forward() got an unexpected keyword argument 'sight'")
        return forward(self, *given, **named)

    monkeypatch.setattr(backbone, "TRIED", ())
    Embedder.load(saved)
    monkeypatch.setattr(Qwen2VLTextModel, "forward", deaf)
    assert "can't be driven (its attention can't be told what to see)" in refusal(saved)


def test_a_config_without_a_family_is_refused(saved: Path) -> None:
    (saved / "config.json").write_text("{}")
    assert "qwen2_vl" in refusal(saved)


@pytest.mark.parametrize("pickled", ["pytorch_model.bin", "model.pt", None])
def test_pickled_or_missing_weights_are_refused(saved: Path, pickled: str | None) -> None:
    (saved / "model.safetensors").unlink()
    if pickled:
        torch.save({}, saved / pickled)
    assert "pickled weights (.bin, .pt) are refused" in refusal(saved)


@pytest.mark.parametrize("keep", [0, 100, 5_000])
def test_damaged_weights_are_refused(saved: Path, keep: int) -> None:
    content = (saved / "model.safetensors").read_bytes()
    (saved / "model.safetensors").write_bytes(content[:keep])
    assert "weights can't be loaded" in refusal(saved)


def test_a_checkpoint_with_a_missing_weight_names_it(saved: Path) -> None:
    from safetensors.torch import load_file, save_file

    tensors = load_file(saved / "model.safetensors")
    lost = next(name for name in tensors if name.endswith("q_proj.weight"))
    del tensors[lost]
    save_file(tensors, saved / "model.safetensors", metadata={"format": "pt"})
    message = refusal(saved)
    assert "weights are missing" in message
    assert "q_proj.weight" in message


@pytest.mark.parametrize("lost", ["tokenizer.json", "preprocessor_config.json"])
def test_a_checkpoint_without_tokenizer_or_image_processor_is_refused(saved: Path, lost: str) -> None:
    (saved / lost).unlink()
    assert "tokenizer or image processor" in refusal(saved)


def test_a_checkpoint_without_chat_template_asks_for_the_instructed_one(saved: Path) -> None:
    for path in saved.glob("chat_template*"):
        path.unlink()
    config = json.loads((saved / "tokenizer_config.json").read_text())
    config.pop("chat_template", None)
    (saved / "tokenizer_config.json").write_text(json.dumps(config))
    assert "chat template" in refusal(saved)


def test_damaged_settings_are_refused(saved: Path) -> None:
    (saved / "elva.json").write_text('{"extraction": "generative"}')
    assert "elva.json" in refusal(saved)


def test_a_moved_checkpoint_keeps_its_fingerprint(saved: Path, embedder: Embedder, tmp_path: Path) -> None:
    shutil.copytree(saved, tmp_path / "elsewhere")
    assert Backbone.load(tmp_path / "elsewhere").fingerprint() == embedder.backbone.fingerprint()


# -- what trains -------------------------------------------------------------------------------------------------


def test_the_language_model_trains_and_the_vision_tower_does_not(embedder: Embedder, items: list[Item]) -> None:
    backbone = embedder.backbone
    backbone.open_training("language_model")
    names = backbone.trainable_parameters()
    assert names
    assert not [name for name in names if "visual" in name]
    read(embedder, items).sum().backward()
    assert all(p.grad is None for p in backbone.plain.model.visual.parameters())


def test_all_trains_the_vision_tower_too_and_none_nothing(embedder: Embedder) -> None:
    embedder.backbone.open_training("all")
    assert [name for name in embedder.backbone.trainable_parameters() if "visual" in name]
    embedder.backbone.open_training("none")
    assert not embedder.backbone.trainable_parameters()


def test_lora_trains_adapters_of_the_language_model_only(embedder: Embedder) -> None:
    embedder.backbone.open_training("lora", ADAPTER)
    names = list(embedder.backbone.trainable_parameters())
    assert len(names) == 2 * 3 * 2  # A and B of three modules in two layers
    assert all("lora_" in name and "language_model" in name and "visual" not in name for name in names)


def test_a_new_adapter_changes_nothing(embedder: Embedder, items: list[Item]) -> None:
    before = logprobs(embedder, items)
    embedder.backbone.open_training("lora", ADAPTER)
    after = logprobs(embedder, items)
    torch.testing.assert_close(after, before, atol=1e-6, rtol=0)
    with embedder.backbone.without_adapter():
        assert torch.equal(logprobs(embedder, items), after), "KL to the reference is exactly 0 before the first step"


def test_without_its_adapter_the_model_is_the_base(embedder: Embedder, items: list[Item]) -> None:
    base = read(embedder, items).detach()
    embedder.backbone.open_training("lora", ADAPTER)
    disturb_adapter(embedder.backbone)
    assert (read(embedder, items) - base).abs().max() > 1e-3
    with embedder.backbone.without_adapter() as reference:
        torch.testing.assert_close(read(embedder, items), base, atol=1e-6, rtol=0)
        assert reference is embedder.backbone
    assert (read(embedder, items) - base).abs().max() > 1e-3


def test_merging_keeps_what_the_adapter_says(embedder: Embedder, items: list[Item]) -> None:
    embedder.backbone.open_training("lora", ADAPTER)
    disturb_adapter(embedder.backbone)
    with torch.no_grad():
        adapted = read(embedder, items)
        embedder.backbone.merge_adapter()
        merged = read(embedder, items)
    assert not embedder.backbone.has_adapter
    torch.testing.assert_close(merged, adapted, atol=1e-5, rtol=0)


def test_a_saved_adapter_is_merged_and_plain_transformers_reads_it(
    embedder: Embedder, items: list[Item], tmp_path: Path
) -> None:
    embedder.backbone.open_training("lora", ADAPTER)
    disturb_adapter(embedder.backbone)
    adapted = read(embedder, items).detach()
    embedder.save(tmp_path / "merged")
    again = Embedder.load(tmp_path / "merged")
    torch.testing.assert_close(read(again, items).detach(), adapted, atol=1e-5, rtol=0)
    plain = Qwen2VLForConditionalGeneration.from_pretrained(tmp_path / "merged", local_files_only=True)
    assert set(plain.state_dict()) == set(again.backbone.plain.state_dict())


def test_the_next_stage_opens_a_new_adapter_on_the_merged_model(embedder: Embedder, items: list[Item]) -> None:
    embedder.backbone.open_training("lora", ADAPTER)
    disturb_adapter(embedder.backbone)
    embedder.backbone.merge_adapter()
    merged = read(embedder, items).detach()
    embedder.backbone.open_training("lora", ADAPTER)
    torch.testing.assert_close(read(embedder, items).detach(), merged, atol=1e-6, rtol=0)


# -- positions ---------------------------------------------------------------------------------------------------


def test_positions_of_text_count_and_those_of_a_picture_are_a_grid(embedder: Embedder, items: list[Item]) -> None:
    backbone, processor = embedder.backbone, embedder.processor
    ids = processor.tokens(items[0], "generative").ids
    positions, following = backbone.positions(processor.types(ids), None)
    assert torch.equal(positions, torch.arange(len(ids)).expand(3, -1))
    assert following == len(ids)

    _, grid = processor.pixels([[items[1].image]])
    ids = processor.tokens(items[1], "generative", grid[0]).ids
    seen = processor.types(ids) == 1
    positions, following = backbone.positions(seen.int(), grid[0])
    merge = processor.image_processor.merge_size
    height, width = int(grid[0, 1]) // merge, int(grid[0, 2]) // merge
    assert int(seen.sum()) == height * width
    assert positions[1, seen].unique().numel() == height
    assert positions[2, seen].unique().numel() == width
    assert following == int(positions.max()) + 1 < len(ids)
