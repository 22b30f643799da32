"""A folder that is no usable checkpoint is refused by what is wrong with it; one without room for [RET] gets some."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    AutoModelForImageTextToText,
    AutoTokenizer,
    CLIPConfig,
    CLIPModel,
    LlamaConfig,
    LlamaForCausalLM,
    LlavaConfig,
    LlavaForConditionalGeneration,
)

from chain import Chain
from elva.errors import CheckpointError
from elva.items import Item
from elva.model.embedder import Embedder
from elva.model.inputs import Inputs
from elva.model.rollout import given, replay
from elva.prompts import RET
from elva.training.session import Session
from families import save_family
from smallest import smallest_embedder


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole checkpoint; copy it."""
    folder = tmp_path_factory.mktemp("good") / "model"
    smallest_embedder().save(folder)
    return folder


@pytest.fixture(scope="module")
def good_shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same in three shards."""
    folder, embedder = tmp_path_factory.mktemp("shards") / "model", smallest_embedder()
    embedder.backbone.plain.save_pretrained(folder, max_shard_size="100KB")
    embedder.processor.save(folder)
    return folder


@pytest.fixture
def folder(good: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(good, tmp_path / "model"))


@pytest.fixture
def shards(good_shards: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(good_shards, tmp_path / "model"))


def refusal(folder: Path) -> str:
    with pytest.raises(CheckpointError) as caught:
        Embedder.load(folder)
    message = str(caught.value)
    assert message.startswith(str(folder))
    return message


# -- another family ----------------------------------------------------------------------------------------------

TEXT: dict[str, Any] = {
    "vocab_size": 99,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
SIGHT: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "image_size": 32,
    "patch_size": 16,
}
FAMILIES: dict[str, Callable[[], Any]] = {
    "llama": lambda: LlamaForCausalLM(LlamaConfig(**TEXT)),
    "clip": lambda: CLIPModel(CLIPConfig(text_config=TEXT, vision_config=SIGHT, projection_dim=16)),
    "llava": lambda: LlavaForConditionalGeneration(
        LlavaConfig(
            text_config={"model_type": "llama", **TEXT}, vision_config={"model_type": "clip_vision_model", **SIGHT}
        )
    ),
}


@pytest.mark.parametrize("family", FAMILIES)
def test_another_family_is_named_with_those_that_work(folder: Path, family: str) -> None:
    for path in (folder / "config.json", folder / "model.safetensors"):
        path.unlink()
    FAMILIES[family]().save_pretrained(folder)
    message = refusal(folder)
    assert f"model_type '{family}' can't be driven" in message
    assert message.endswith("families that work: qwen2_vl, qwen2_5_vl, qwen3_vl")
    assert "\n" not in message


# -- weights -----------------------------------------------------------------------------------------------------


def test_shards_are_one_model(shards: Path, good: Path) -> None:
    assert len(list(shards.glob("*.safetensors"))) == 3
    assert Embedder.load(shards).fingerprint == Embedder.load(good).fingerprint


def test_a_missing_shard_is_named(shards: Path) -> None:
    (shards / "model-00002-of-00003.safetensors").unlink()
    message = refusal(shards)
    assert "model-00002-of-00003.safetensors" in message
    assert message.endswith("copy the checkpoint again")


@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_a_truncated_shard_is_named(shards: Path, share: float) -> None:
    shard = shards / "model-00002-of-00003.safetensors"
    content = shard.read_bytes()
    shard.write_bytes(content[: int(len(content) * share)])
    message = refusal(shards)
    assert f"{shard.name} is damaged" in message
    assert message.endswith("copy the checkpoint again")


def test_pickled_weights_are_refused_and_never_opened(folder: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Callable[..., Any], tuple[str, ...]]:
            return (Path.touch, (folder / "opened",))  # type: ignore[return-value]

    torch.save({"trap": Trap()}, folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    assert "pickled weights (.bin, .pt) are refused" in refusal(folder)
    (folder / "other.safetensors").write_bytes(b"")  # though there is a file of the right kind
    assert "weights can't be loaded" in refusal(folder)
    assert not (folder / "opened").exists()


@pytest.mark.parametrize("ending", ["layers.0.self_attn.q_proj.weight", "embed_tokens.weight", "merger.mlp.0.weight"])
def test_weights_of_another_shape_are_named_with_both(folder: Path, ending: str) -> None:
    tensors = load_file(folder / "model.safetensors")
    name = next(name for name in tensors if name.endswith(ending))
    shape = tuple(tensors[name].shape)
    tensors[name] = tensors[name][:-4].clone()
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    message = refusal(folder)
    assert f"has shape {(shape[0] - 4, *shape[1:])}, which config.json makes {shape}" in message
    assert ending in message


# -- tokenizer and template --------------------------------------------------------------------------------------


@pytest.mark.parametrize("lost", [["tokenizer.json"], ["tokenizer.json", "tokenizer_config.json"]])
def test_a_missing_tokenizer_is_told_and_not_replaced_by_an_empty_one(folder: Path, lost: list[str]) -> None:
    for name in lost:
        (folder / name).unlink()
    assert "tokenizer" in refusal(folder)


def test_a_tokenizer_of_more_tokens_than_the_model_is_refused(folder: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    rows = Embedder.load(folder).backbone.embedding_table.num_embeddings
    tokenizer.add_tokens([f"word{number}" for number in range(9)])
    tokenizer.save_pretrained(folder)
    assert f"the tokenizer knows {len(tokenizer)} tokens and the model {rows}" in refusal(folder)


@pytest.mark.parametrize(
    ("template", "found"),
    [
        (None, "no chat template; use the instruction-tuned checkpoint"),
        ("{% for message in messages %}", "the chat template can't be used"),
        ("{{ raise_exception('text only') }}", r"the chat template can't be used (text only)"),
        ("{{ messages[0].role }}", "have no <|image_pad|> for a picture"),
    ],
)
def test_a_chat_template_that_shows_no_picture_is_refused(folder: Path, template: str | None, found: str) -> None:
    file = folder / "chat_template.jinja"
    file.unlink()
    if template is not None:
        file.write_text(template)
    assert found in refusal(folder)


# -- room for [RET] ----------------------------------------------------------------------------------------------


def widened(folder: Path, rows: int) -> None:
    """Give a checkpoint tables with so many rows more than its vocabulary has tokens."""
    model = AutoModelForImageTextToText.from_pretrained(folder, local_files_only=True)
    model.resize_token_embeddings(model.config.text_config.vocab_size + rows, mean_resizing=False)
    model.save_pretrained(folder)


def state_at_ret(folder: Path, item: Item, embedder: Embedder) -> torch.Tensor:
    """The unit state at [RET] after the summary "red", by transformers alone."""
    model = AutoModelForImageTextToText.from_pretrained(folder, local_files_only=True).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    summary = [*tokenizer("red", add_special_tokens=False)["input_ids"], tokenizer.convert_tokens_to_ids(RET)]
    ids = torch.cat([embedder.processor.tokens(item, "generative").ids, torch.tensor(summary)])[None]
    with torch.no_grad():
        state = model.model(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state[0, -1]
    return state / state.norm()


@pytest.mark.parametrize("family", ["qwen2_vl", "qwen2_5_vl"], ids=["tied", "untied"])
@pytest.mark.parametrize("rows", [0, 16], ids=["full table", "larger table"])
def test_ret_gets_a_row_that_is_saved_and_read_by_transformers(tmp_path: Path, family: str, rows: int) -> None:
    folder = save_family(family, tmp_path / "plain")
    if rows:
        widened(folder, rows)
    vocabulary = len(AutoTokenizer.from_pretrained(folder, local_files_only=True))
    embedder = Embedder.load(folder)
    tables = [embedder.backbone.embedding_table.weight, embedder.backbone.plain.lm_head.weight]
    assert (tables[0] is tables[1]) is (family == "qwen2_vl")
    assert embedder.processor.ret_id == vocabulary
    assert [len(table) for table in tables] == [vocabulary + (rows or 1)] * 2
    assert Embedder.load(folder).fingerprint == embedder.fingerprint, "no chance decides what the row is"
    embedder.save(tmp_path / "saved")
    again = Embedder.load(tmp_path / "saved")
    assert again.fingerprint == embedder.fingerprint
    assert json.loads((tmp_path / "saved/config.json").read_text())["text_config"]["vocab_size"] == len(tables[0])
    item = Item(text="a small red triangle")
    inputs = Inputs(embedder.backbone, embedder.processor, embedder.features)
    prefix = inputs.collate(inputs.prepare([item], "generative"))
    rollouts = given([embedder.processor.summary_ids("red")], embedder.dimension)
    read = replay(embedder.backbone, embedder.processor, prefix, rollouts)
    expected = state_at_ret(tmp_path / "saved", item, again)
    torch.testing.assert_close(read.embeddings[0, 0].detach(), expected, atol=2e-5, rtol=0)


# -- going on with other data ------------------------------------------------------------------------------------


def test_data_that_changed_since_the_checkpoint_is_refused(
    chain: Chain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = Path(shutil.copytree(chain.world, tmp_path / "world"))
    settings = [f"data.root={root}", chain.model("base"), "checkpoint.every_steps=1"]
    update = Session.update

    def interrupted(self: Session, *arguments: Any) -> None:
        if self.steps_done == 2:
            raise KeyboardInterrupt
        update(self, *arguments)

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(Session, "update", interrupted)
        chain.run("stage1", *settings, out=str(tmp_path / "run"))
    instructions = next((root / "instructions").iterdir())
    before = instructions.read_text()
    instructions.write_text(before.replace("matching", "fitting"))
    with pytest.raises(CheckpointError, match=r"other inputs.*\n  data\.root: [0-9a-f]+ -> [0-9a-f]+$"):
        chain.run("stage1", *settings, out=str(tmp_path / "run"), resume=True)
    instructions.write_text(before)
    assert chain.run("stage1", *settings, out=str(tmp_path / "run"), resume=True).finished
