"""A LamRA folder gives LamRA's vectors: those of its procedure, written out with plain transformers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import AutoModelForImageTextToText, AutoTokenizer
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil, smart_resize

from elva.errors import CheckpointError
from elva.items import Item
from elva.model.embedder import Embedder
from elva.model.processor import IMAGE_PAD, Processor
from elva.model.rollout import sample
from elva.model.settings import Settings
from elva.prompts import PAPER_GENERATIVE
from families import LAMRA_CLASSES, change_json, save_family, save_lamra

RNG = np.random.default_rng(0)
SMALL, WIDE, LARGE = (
    Image.fromarray(RNG.integers(0, 255, (h, w, 3), dtype=np.uint8)) for h, w in ((64, 64), (40, 90), (500, 700))
)
TURNS = [
    (Item("a small red triangle"), "A small red triangle.\nSummarize above sentence in one word: "),
    (
        Item('"is it red?"\r', instruction="find the picture"),
        'Find the picture. "is it red?\nSummarize above sentence in one word: ',
    ),
    (Item(image=SMALL), "\nSummarize above image in one word: "),
    (Item(image=LARGE), "\nSummarize above image in one word: "),
    (
        Item(image=WIDE, instruction="Find a caption."),
        "Find a caption.\nSummarize above image and sentence in one word: ",
    ),
    (Item("blue", WIDE, "find it"), "Find it. blue.\nSummarize above image and sentence in one word: "),
]
ITEMS = [item for item, _ in TURNS]


@pytest.fixture(params=LAMRA_CLASSES)
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return save_lamra(request.param, tmp_path / "LamRA-Ret")


def by_lamra(folder: Path, words: str, picture: Image.Image | None) -> torch.Tensor:
    """The unit vector (D,) of one turn: `<emb>` is added to the vocabulary, and the state before it is read."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_tokens(["<emb>"])
    model = AutoModelForImageTextToText.from_pretrained(folder).eval()
    model.resize_token_embeddings(len(tokenizer))
    content: list[dict[str, str]] = [{"type": "image"}] if picture else []
    asked = {"role": "user", "content": [*content, {"type": "text", "text": words}]}
    answered = {"role": "assistant", "content": [{"type": "text", "text": "<emb>."}]}
    turn = tokenizer.apply_chat_template([asked, answered], tokenize=False, add_generation_prompt=True)
    seen: dict[str, Any] = {}
    if picture:
        height, width = smart_resize(picture.height, picture.width, 28, 4 * 28 * 28, 300 * 28 * 28)
        cut = Qwen2VLImageProcessorPil.from_pretrained(folder)
        seen = dict(cut(images=[picture.resize((width, height))], return_tensors="pt"))
        turn = turn.replace(IMAGE_PAD, IMAGE_PAD * (int(seen["image_grid_thw"].prod()) // 4))
    ids = tokenizer(turn, add_special_tokens=False, return_tensors="pt")["input_ids"]
    if model.config.model_type == "qwen2_vl":  # its code leaves positions out, and then they count along the line
        seen["position_ids"] = torch.arange(ids.shape[1])[None, None].expand(3, 1, -1)
    seen["mm_token_type_ids"] = (ids == tokenizer.convert_tokens_to_ids(IMAGE_PAD)).int()
    with torch.no_grad():
        states = model.model(input_ids=ids, attention_mask=torch.ones_like(ids), **seen).last_hidden_state[0]
    place = ids[0].tolist().index(tokenizer.convert_tokens_to_ids("<emb>"))
    return torch.nn.functional.normalize(states[place - 1], dim=-1)


def test_its_vectors_are_those_of_lamra_s_own_procedure(folder: Path) -> None:
    embedder = Embedder.load(folder)
    assert embedder.extraction == "one_word"
    found = embedder.embed(ITEMS)
    assert (found.truncated, found.summaries) == (0, [""] * len(ITEMS))
    for (item, words), vector in zip(TURNS, found.vectors, strict=True):
        expected = by_lamra(folder, words, item.image)
        np.testing.assert_allclose(vector, expected.numpy(), atol=2e-5)


def test_a_folder_with_emb_in_its_vocabulary_is_known_too(tmp_path: Path) -> None:
    folder = save_lamra("qwen2_vl", tmp_path / "LamRA-Ret", token=True)
    embedder = Embedder.load(folder)
    assert "its vocabulary holds <emb>" in embedder.processor.told
    for (item, words), vector in zip(TURNS, embedder.encode(ITEMS), strict=True):
        np.testing.assert_allclose(vector, by_lamra(folder, words, item.image).numpy(), atol=2e-5)


def test_where_positions_are_on_a_line_a_grid_would_give_other_vectors(tmp_path: Path) -> None:
    embedder = Embedder.load(save_lamra("qwen2_vl", tmp_path / "LamRA-Ret"))
    on_a_line = embedder.encode(ITEMS)
    embedder.processor.settings = Settings("one_word", embedder.processor.settings.prompts)
    on_a_grid = embedder.encode(ITEMS)
    np.testing.assert_array_equal(on_a_grid[:2], on_a_line[:2])
    assert (np.abs(on_a_grid - on_a_line)[2:].max(1) > 1e-3).all()


def test_what_it_is_read_as_is_told(folder: Path, tmp_path: Path) -> None:
    told = Embedder.load(folder).processor.told
    assert f"{folder} is read as LamRA (config.json names Qwen2" in told
    assert "pictures of at most 235,200 pixels" in told
    assert "plain base model" in Embedder.load(save_family("qwen2_vl", tmp_path / "base")).processor.told
    assert Embedder.load("tiny-base").processor.told == ""


def test_elva_json_may_just_name_the_layout(tmp_path: Path) -> None:
    folder = save_lamra("qwen2_vl", tmp_path / "LamRA-Ret")
    expected = Embedder.load(folder).fingerprint
    change_json(folder / "config.json", architectures=["Qwen2VLForConditionalGeneration"])
    assert Embedder.load(folder).extraction == "generative", "nothing tells it from its base"
    (folder / "elva.json").write_text('{"layout": "lamra"}')
    named = Embedder.load(folder)
    assert named.fingerprint == expected
    assert "elva.json says so" in named.processor.told


@pytest.mark.parametrize("layout", ["puma", ["lamra"], None])
def test_a_layout_that_is_none_is_refused(tmp_path: Path, layout: Any) -> None:
    folder = save_family("qwen2_vl", tmp_path / "base")
    (folder / "elva.json").write_text(json.dumps({"layout": layout}))
    with pytest.raises(CheckpointError, match=r"elva\.json: no layout .* there is lamra for qwen2_vl, qwen2_5_vl"):
        Processor.load(folder)


def test_a_layout_of_another_family_is_refused(tmp_path: Path) -> None:
    folder = save_family("qwen3_vl", tmp_path / "base")
    (folder / "elva.json").write_text('{"layout": "lamra"}')
    with pytest.raises(CheckpointError, match="no layout 'lamra' for model_type 'qwen3_vl'"):
        Processor.load(folder)


def test_settings_of_its_own_win_and_carry_all_that_the_layout_said(folder: Path, tmp_path: Path) -> None:
    embedder = Embedder.load(folder)
    embedder.save(tmp_path / "saved")
    again = Embedder.load(tmp_path / "saved")
    assert again.processor.told == ""
    assert again.processor.settings == embedder.processor.settings
    assert again.processor.settings.trained == ("LamRA",)
    assert again.fingerprint == embedder.fingerprint
    np.testing.assert_array_equal(again.encode(ITEMS), embedder.encode(ITEMS))


def test_it_can_be_asked_for_a_summary_too(folder: Path) -> None:
    embedder = Embedder.load(folder)
    assert embedder.processor.settings.prompts.generative == PAPER_GENERATIVE
    both = [embedder.embed(ITEMS[:3], extraction=how).vectors for how in ("one_word", "generative")]
    assert np.abs(both[0] - both[1]).max() > 1e-3


@pytest.mark.parametrize("special", [False, True])
def test_emb_is_never_written_and_never_read_from_a_user(
    tmp_path: Path, special: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    embedder = Embedder.load(save_lamra("qwen2_vl", tmp_path / "LamRA-Ret", token=True, special=special))
    processor = embedder.processor
    emb = processor.tokenizer.convert_tokens_to_ids("<emb>")
    assert processor.tokenizer("<emb>", add_special_tokens=False)["input_ids"] == [emb]
    assert processor.tokenizer.added_tokens_decoder[emb].special is special
    for item in (Item("red <emb> circle"), Item("red", instruction="find <emb><emb> it"), Item("<em<emb>b>")):
        assert emb not in processor.tokens(item, "generative").ids.tolist()
        assert emb not in processor.tokens(item, "one_word").ids.tolist()
    assert emb not in processor.summary_ids("red <emb> circle")
    logits = embedder.backbone.logits
    wanted = torch.zeros(embedder.backbone.embedding_table.num_embeddings).index_fill(0, torch.tensor(emb), 100.0)
    monkeypatch.setattr(embedder.backbone, "logits", lambda hidden: logits(hidden) + wanted)
    assert "<emb>" not in embedder.embed(ITEMS, extraction="generative").summaries[0]
    prefix = embedder._inputs.collate(embedder._inputs.prepare([Item("red")], "generative"))
    written = sample(embedder.backbone, processor, prefix, group_size=8, temperature=1.0, max_tokens=8)
    assert not (written.tokens == emb).any()
