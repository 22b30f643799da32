"""Processor: the turn a model sees, and what a user's text may not do to it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from transformers.models.qwen3_vl.processing_qwen3_vl import Qwen3VLProcessor
from transformers.video_utils import VideoMetadata

from elva.errors import CheckpointError
from elva.items import FRAMES_PER_SECOND, Item
from elva.model.embedder import Embedder
from elva.model.processor import IMAGE_PAD, VIDEO_PAD, VISION_END, VISION_START, Processor
from elva.model.settings import Settings
from elva.model.tiny import SPECIAL
from elva.prompts import RET, Prompts
from smallest import smallest_embedder

SHARED = smallest_embedder().processor


@pytest.fixture
def processor(embedder: Embedder) -> Processor:
    return embedder.processor


def turn(processor: Processor, item: Item, extraction: str = "generative", visual: int | None = None) -> str:
    grid = None if visual is None else torch.tensor([1, 1, visual])
    return processor.tokenizer.decode(processor.tokens(item, extraction, grid).ids)


def test_the_turn_is_the_chat_format_around_instruction_text_and_prompt(processor: Processor) -> None:
    item = Item(text="red circle", instruction="find the picture")
    assert turn(processor, item) == (
        "<|im_start|>user\nfind the picture red circle\nSummarize:<|im_end|>\n<|im_start|>assistant\n"
    )
    assert "\nsentence in one word:<|im_end|>" in turn(processor, item, "one_word")


def test_the_one_word_prompt_names_the_modality(processor: Processor) -> None:
    picture = Image.new("RGB", (64, 64))
    assert "image in one word" in turn(processor, Item(image=picture), "one_word", 4)
    assert "image and sentence in one word" in turn(processor, Item(text="red", image=picture), "one_word", 4)
    assert "video in one word" in turn(processor, Item(video=[picture]), "one_word", 4)
    assert "video and sentence in one word" in turn(processor, Item(text="red", video=[picture]), "one_word", 4)


def test_a_picture_stands_before_the_text_as_one_pad_per_visual_token(processor: Processor) -> None:
    item = Item(text="red", image=Image.new("RGB", (64, 64)))
    shown = turn(processor, item, visual=5)
    assert f"<|vision_start|>{IMAGE_PAD * 5}<|vision_end|>red\n" in shown
    types = processor.types(processor.tokens(item, "generative", torch.tensor([1, 1, 5])).ids)
    assert types.tolist().count(1) == 5
    assert types.sum() == 5


def test_a_clip_stands_before_the_text_as_a_picture_does(processor: Processor) -> None:
    item = Item(text="red", video=[Image.new("RGB", (64, 64))] * 4)
    assert f"<|vision_start|>{VIDEO_PAD * 6}<|vision_end|>red\n" in turn(processor, item, visual=6)
    types = processor.types(processor.tokens(item, "generative", torch.tensor([2, 1, 3])).ids)
    assert types.unique().tolist() == [0, 2]
    assert types.sum() == 2 * 6


@pytest.mark.parametrize("frames", [1, 2, 3, 6, 45])
def test_a_timed_clip_is_written_as_transformers_writes_it(processor: Processor, frames: int) -> None:
    item = Item(text="red", video=[Image.new("RGB", (64, 64))] * frames)
    grid = processor.grid((64, 64), frames)
    theirs = object.__new__(Qwen3VLProcessor)
    theirs.video_token, theirs.vision_start_token, theirs.vision_end_token = VIDEO_PAD, VISION_START, VISION_END
    theirs.video_processor = processor.image_processor  # has the three numbers that are asked for
    metadata = VideoMetadata(frames, fps=FRAMES_PER_SECOND, frames_indices=list(range(frames)))
    inputs = {"video_grid_thw": grid[None], "video_metadata": [metadata]}
    blocks = theirs.replace_video_token(inputs, 0)
    written = processor.tokenizer.decode(processor.tokens(item, "generative", grid, timed=True).ids)
    assert f"<|vision_start|>{blocks}<|vision_end|>red\n" in written
    assert processor.tokens(Item(text="red"), "generative", timed=True).ids.tolist(), "words need no time"


def test_a_template_without_videos_is_refused_a_clip(processor: Processor) -> None:
    template = processor.tokenizer.chat_template
    processor.tokenizer.chat_template = template.replace("part.type == 'video'", "false")
    with pytest.raises(CheckpointError, match=r"chat template writes no <\|video_pad\|>"):
        processor.tokens(Item(video=[Image.new("RGB", (64, 64))]), "generative", torch.tensor([1, 1, 4]))


@given(st.lists(st.sampled_from([*SPECIAL, "<|", "|>", "red", " ", "[R", "ET]", "\n"]), max_size=8).map("".join))
def test_no_text_adds_a_control_token_to_the_turn(text: str) -> None:
    counted = [SHARED.tokens(Item(text=words, instruction="find"), "generative").ids for words in ("red", f"red{text}")]
    control = torch.tensor([*SHARED.banned_ids(), SHARED.ret_id])
    plain, hostile = (int(torch.isin(ids, control).sum()) for ids in counted)
    assert hostile == plain


@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=400))
def test_any_text_fits_and_only_long_ones_are_cut(text: str) -> None:
    if not text.strip():
        return
    tokens = SHARED.tokens(Item(text=text), "generative")
    longest = SHARED.settings.max_text
    around = len(SHARED.tokens(Item(text="x"), "generative").ids)
    whole = len(SHARED.tokenizer(text, add_special_tokens=False)["input_ids"])
    assert tokens.truncated <= (whole > longest)
    if not tokens.truncated:
        assert len(tokens.ids) <= longest + around


def test_a_text_of_just_the_limit_is_whole(processor: Processor) -> None:
    longest = processor.settings.max_text
    words = " red" * longest
    per_word = len(processor.tokenizer(" red", add_special_tokens=False)["input_ids"])
    assert per_word == 1
    assert not processor.tokens(Item(text=words), "generative").truncated
    cut = processor.tokens(Item(text=words + " red"), "generative")
    assert cut.truncated
    assert torch.equal(cut.ids, processor.tokens(Item(text=words), "generative").ids)


def test_pixels_and_grids_agree(processor: Processor) -> None:
    pixels, grids = processor.pixels([[Image.new("RGB", (64, 64))], [Image.new("RGB", (30, 120))]])
    assert pixels.dtype == torch.float32
    assert len(pixels) == int(grids.prod(-1).sum())
    merge = processor.image_processor.merge_size
    assert all(processor.visual_tokens(grid) == int(grid.prod()) // merge**2 for grid in grids)


def noise(seed: int, size: tuple[int, int] = (90, 40)) -> Image.Image:
    width, height = size
    return Image.fromarray(np.random.default_rng(seed).integers(0, 255, (height, width, 3), dtype=np.uint8))


@pytest.mark.parametrize("frames", [1, 2, 3, 6])
def test_a_clip_that_stands_still_is_its_picture_once_per_temporal_patch(processor: Processor, frames: int) -> None:
    (picture, _), (clip, grids) = processor.pixels([[noise(0)]]), processor.pixels([[noise(0)] * frames])
    assert torch.equal(clip, picture.repeat(-(-frames // 2), 1))
    assert torch.equal(grids[0], processor.grid((90, 40), frames))


def test_a_temporal_patch_holds_its_frames_side_by_side(processor: Processor) -> None:
    frames = [noise(seed) for seed in range(3)]
    clip, grids = processor.pixels([frames])
    alone = [processor.pixels([[frame]])[0] for frame in frames]
    assert grids[0, 0] == 2
    # (temporal patch, place, colour, frame, pixels); the last frame is shown twice
    found = clip.view(2, len(alone[0]), 3, 2, -1)
    for patch, shown, frame in ((0, 0, 0), (0, 1, 1), (1, 0, 2), (1, 1, 2)):
        assert torch.equal(found[patch, :, :, shown], alone[frame].view(-1, 3, 2, found.shape[-1])[:, :, 0])


def test_frames_of_another_size_are_scaled_as_the_first(processor: Processor) -> None:
    first, other = noise(0, (90, 40)), noise(1, (50, 60))
    clip, grids = processor.pixels([[first, other]])
    alike, grid = processor.pixels([[first, other.resize((90, 40), Image.Resampling.BICUBIC)]])
    assert torch.equal(clip, alike)
    assert torch.equal(grids, grid)


def test_pictures_and_clips_are_cut_side_by_side(processor: Processor) -> None:
    shown = [[noise(0)], [noise(1, (64, 64))] * 3, [noise(2), noise(3)]]
    pixels, grids = processor.pixels(shown)
    alone = [processor.pixels([one]) for one in shown]
    assert torch.equal(pixels, torch.cat([each for each, _ in alone]))
    assert torch.equal(grids, torch.cat([grid for _, grid in alone]))


def test_a_summary_ends_in_ret_and_is_cut_to_the_limit(processor: Processor) -> None:
    ids = processor.summary_ids("red circle")
    assert ids[-1] == processor.ret_id
    assert processor.decode(ids) == "red circle"
    long = processor.summary_ids("red circle " * 50)
    assert len(long) == processor.settings.max_summary
    assert long[-1] == processor.ret_id
    assert processor.summary_ids("") == [processor.ret_id]


def test_a_control_token_that_a_model_spells_out_is_no_text(processor: Processor) -> None:
    spelled = [id for part in ("red ", "[RE", "T]") for id in processor.tokenizer(part)["input_ids"]]
    assert processor.tokenizer.decode(spelled) == f"red {RET}"
    assert processor.decode(spelled) == "red"
    assert processor.summary_ids(f"red {RET} circle {RET}").count(processor.ret_id) == 1


def test_what_a_summary_s_limit_cuts_is_known(processor: Processor) -> None:
    found = set()
    for count in range(1, processor.settings.max_summary + 3):
        text = " ".join(["red"] * count)
        whole = processor.decode(processor.summary_ids(text)) == text
        assert processor.cuts(text) is not whole
        found.add(whole)
    assert found == {True, False}


def test_everything_but_ret_is_banned_from_summaries(processor: Processor) -> None:
    ids = {processor.tokenizer.convert_tokens_to_ids(token) for token in SPECIAL}
    assert set(processor.banned_ids()) == ids - {processor.ret_id}


def test_ret_is_added_once(processor: Processor) -> None:
    assert not processor.add_ret()
    assert processor.tokenizer.convert_ids_to_tokens(processor.ret_id) == RET


def test_a_base_tokenizer_gets_ret_and_keeps_its_other_control_tokens(plain_base: Path) -> None:
    processor = Processor.load(plain_base)
    control = set(processor.tokenizer.all_special_ids)
    assert processor.add_ret()
    assert processor.tokenizer(RET, add_special_tokens=False)["input_ids"] == [processor.ret_id]
    assert set(processor.banned_ids()) == control
    assert RET not in turn(processor, Item(text=f"red {RET}")).split("Analyze")[0]


def test_settings_come_back_from_disk(tmp_path: Path) -> None:
    before = Settings("one_word", Prompts("a", "b"), max_summary=3, max_text=4, trained=("base", "stage1"))
    before.save(tmp_path)
    assert Settings.load(tmp_path) == before


def test_a_folder_without_settings_gets_those_of_the_paper(tmp_path: Path) -> None:
    assert Settings.load(tmp_path) == Settings()
    assert Settings().extraction == "generative"
    assert RET in Settings().prompts.generative


@pytest.mark.parametrize(
    ("name", "value", "wrong", "told"),
    [
        ("asked_instruction", "What for?", 7, "asked_instruction 7, not a text"),
        ("bottleneck", "words", "word", "bottleneck 'word', not one of none, states, words, pictures"),
    ],
)
def test_what_only_some_models_have_is_written_where_it_is_and_checked_where_it_is_read(
    tmp_path: Path, name: str, value: str, wrong: object, told: str
) -> None:
    file = tmp_path / "elva.json"
    Settings().save(tmp_path)
    assert name not in file.read_text()
    Settings(**{name: value}).save(tmp_path)
    assert getattr(Settings.load(tmp_path), name) == value
    file.write_text(json.dumps(json.loads(file.read_text()) | {name: wrong}))
    with pytest.raises(CheckpointError, match=rf"elva\.json.*{told}"):
        Settings.load(tmp_path)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"prompts": {"x": 1}, "trained": []}', "\\xff"])
def test_settings_that_are_none_are_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "elva.json").write_text(content)
    with pytest.raises(CheckpointError, match=r"elva\.json"):
        Settings.load(tmp_path)


def test_other_limits_are_obeyed(embedder: Embedder) -> None:
    embedder.processor.settings = replace(embedder.processor.settings, max_text=3, max_summary=4)
    encoding = embedder.embed([Item(text="a small red triangle")])
    assert encoding.truncated == 1
    assert len(embedder.processor.summary_ids(encoding.summaries[0])) <= 4


def test_a_text_with_more_tokens_than_letters_is_cut() -> None:
    text = "\U0001d564\U0001d567" * 30  # each letter takes up to four tokens
    assert len(text) < SHARED.settings.max_text < len(SHARED.tokenizer(text, add_special_tokens=False)["input_ids"])
    assert SHARED.tokens(Item(text=text), "generative").truncated
