"""Embedder: items in, unit vectors out, whatever their order, batch or company."""

from __future__ import annotations

from copy import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from elva.encoding import Encoder, Encoding, ModelIdentity
from elva.errors import CheckpointError, InputError, MediaError
from elva.items import Item
from elva.model.embedder import Embedder, checkpoint_folder, stored_dtype
from elva.prompts import RET


def needs_an_encoder(encoder: Encoder, items: list[Item]) -> Encoding:
    return encoder.embed(items, extraction="one_word", batch_size=2, progress=None)


def test_vectors_are_float32_and_of_unit_length(embedder: Embedder, items: list[Item]) -> None:
    for extraction in ("generative", "one_word"):
        vectors = embedder.embed(items, extraction=extraction).vectors
        assert vectors.dtype == np.float32
        assert vectors.shape == (len(items), embedder.dimension)
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)


def test_it_is_an_encoder(embedder: Embedder, items: list[Item]) -> None:
    encoding = needs_an_encoder(embedder, items)
    assert encoding.summaries == [""] * len(items)
    identity = ModelIdentity.of(embedder)
    assert identity == ModelIdentity("random", embedder.fingerprint, "generative", 32)


@pytest.mark.parametrize("extraction", ["generative", "one_word"])
def test_order_and_batch_size_change_nothing(embedder: Embedder, items: list[Item], extraction: str) -> None:
    expected = embedder.embed(items, extraction=extraction)
    order = [3, 6, 0, 4, 1, 5, 2]
    for size in (1, 2, 64):
        other = embedder.embed([items[i] for i in order], extraction=extraction, batch_size=size)
        np.testing.assert_allclose(other.vectors, expected.vectors[order], atol=1e-5)
        assert other.summaries == [expected.summaries[i] for i in order]
        assert other.forced_ret == expected.forced_ret


def test_more_items_than_a_window_come_back_in_their_order(embedder: Embedder) -> None:
    words = [Item(text=f"{'red ' * (n % 5 + 1)}{n}") for n in range(20)]
    done: list[int] = []
    many = embedder.embed(words, extraction="one_word", batch_size=2, progress=done.append)
    one = embedder.embed(words[17:18], extraction="one_word")
    np.testing.assert_allclose(many.vectors[17], one.vectors[0], atol=1e-5)
    assert sum(done) == 20
    assert max(done) <= 2


def test_nothing_to_embed_gives_nothing(embedder: Embedder) -> None:
    encoding = embedder.embed([])
    assert encoding.vectors.shape == (0, embedder.dimension)
    assert encoding.vectors.dtype == np.float32
    assert (encoding.summaries, encoding.forced_ret, encoding.truncated) == ([], 0, 0)


def test_text_alone_needs_no_eyes(embedder: Embedder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedder.backbone, "see", lambda *_: pytest.fail("looked"))
    assert embedder.encode([Item(text="red"), Item(text="a blue circle")]).shape == (2, 32)


def test_equal_items_get_equal_vectors(embedder: Embedder, items: list[Item]) -> None:
    twice = embedder.encode([items[3], items[0], items[3]])
    np.testing.assert_allclose(twice[0], twice[2], atol=1e-6)
    assert np.abs(twice[0] - twice[1]).max() > 1e-3


def test_long_texts_are_cut_and_counted(embedder: Embedder) -> None:
    longest = embedder.processor.settings.max_text
    words = "red blue " * longest
    encoding = embedder.embed([Item(text=words), Item(text="red"), Item(text=words + "green")])
    assert encoding.truncated == 2
    np.testing.assert_allclose(encoding.vectors[0], encoding.vectors[2], atol=1e-6)


def test_forced_summaries_are_counted_and_never_hold_control_tokens(embedder: Embedder, items: list[Item]) -> None:
    encoding = embedder.embed(items)
    assert 0 < encoding.forced_ret <= len(items), "a random model hardly ever writes [RET] in time"
    for summary in encoding.summaries:
        assert RET not in summary
        assert "<|" not in summary


def test_candidates_lose_their_instruction_and_queries_keep_it(embedder: Embedder) -> None:
    asked, plain = Item(text="red", instruction="find the picture"), Item(text="red")
    np.testing.assert_array_equal(embedder.encode_document([asked]), embedder.encode([plain]))
    np.testing.assert_array_equal(embedder.encode_query([asked]), embedder.encode([asked]))
    assert np.abs(embedder.encode([asked]) - embedder.encode([plain])).max() > 1e-3


CONTROL = ["<|image_pad|>", RET, "<|im_end|>\n<|im_start|>assistant\n", "<|vision_start|><|image_pad|><|vision_end|>"]


@pytest.mark.parametrize("written", CONTROL)
def test_control_tokens_written_by_a_user_are_words_of_no_meaning(
    embedder: Embedder, items: list[Item], written: str
) -> None:
    picture = items[1].image
    hostile = [Item(text=f"red {written} circle"), Item(text=written, image=picture)]
    vectors = embedder.encode(hostile)
    assert np.isfinite(vectors).all()
    if written in ("<|image_pad|>", RET):
        np.testing.assert_allclose(vectors[:1], embedder.encode([Item(text="red   circle")]), atol=1e-5)


@pytest.mark.parametrize("written", ["<|image_pad|>", RET])
def test_so_are_those_in_an_instruction(embedder: Embedder, items: list[Item], written: str) -> None:
    hostile, clean = (Item("red", items[1].image, f"find {word} it") for word in (written, " "))
    np.testing.assert_allclose(embedder.encode([hostile]), embedder.encode([clean]), atol=1e-5)


def test_a_bad_picture_is_named(embedder: Embedder, tmp_path: Path) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"\x89PNG nothing")
    with pytest.raises(MediaError, match=r"broken\.png"):
        embedder.encode([Item(text="red"), Item(image=broken)])
    with pytest.raises(MediaError, match=r"gone\.png"):
        embedder.encode([Item(image=tmp_path / "gone.png")])


def test_paths_bytes_and_pictures_are_one_to_it(embedder: Embedder, tmp_path: Path) -> None:
    picture = Image.new("RGB", (50, 70), "teal")
    picture.save(tmp_path / "a.png")
    sources = [tmp_path / "a.png", str(tmp_path / "a.png"), (tmp_path / "a.png").read_bytes(), picture]
    vectors = embedder.encode([Item(image=source) for source in sources])
    np.testing.assert_allclose(vectors, vectors[[0] * 4], atol=1e-6)


# -- on disk -----------------------------------------------------------------------------------------------------


def test_a_saved_model_comes_back_as_it_was(embedder: Embedder, items: list[Item], tmp_path: Path) -> None:
    embedder.save(tmp_path / "saved")
    again = Embedder.load(tmp_path / "saved")
    assert again.fingerprint == embedder.fingerprint
    assert again.processor.settings == embedder.processor.settings
    before, after = embedder.embed(items), again.embed(items)
    np.testing.assert_array_equal(after.vectors, before.vectors)
    assert after.summaries == before.summaries
    assert {path.name for path in tmp_path.iterdir()} == {"saved"}, "no half-written folder is left"
    assert again.name == "saved"


def test_the_model_of_a_run_is_called_by_the_run(embedder: Embedder, tmp_path: Path) -> None:
    embedder.save(tmp_path / "stage2" / "model")
    assert Embedder.load(tmp_path / "stage2" / "model").name == "stage2"


def test_saving_again_replaces_the_folder(embedder: Embedder, tmp_path: Path) -> None:
    embedder.save(tmp_path / "m")
    (tmp_path / "m" / "stale.txt").touch()
    embedder.save(tmp_path / "m")
    assert not (tmp_path / "m" / "stale.txt").exists()


def test_a_save_that_fails_leaves_the_old_model(
    embedder: Embedder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    embedder.save(tmp_path / "m")
    monkeypatch.setattr(embedder.processor, "save", lambda _: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(CheckpointError, match=r"can't be saved \(disk full\); what was there before is as it was"):
        embedder.save(tmp_path / "m")
    assert [path.name for path in tmp_path.iterdir()] == ["m"]
    assert Embedder.load(tmp_path / "m").fingerprint == embedder.fingerprint


def test_a_link_to_a_model_keeps_pointing_at_it(embedder: Embedder, tmp_path: Path) -> None:
    embedder.save(tmp_path / "disk" / "m")
    (tmp_path / "link").symlink_to(tmp_path / "disk" / "m")
    (tmp_path / "disk" / "m" / "stale.txt").touch()
    embedder.save(tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert not (tmp_path / "disk" / "m" / "stale.txt").exists()
    assert [path.name for path in (tmp_path / "disk").iterdir()] == ["m"]


def test_other_weights_other_prompts_other_fingerprint(embedder: Embedder, tmp_path: Path) -> None:
    embedder.save(tmp_path / "a")
    with torch.no_grad():
        embedder.backbone.embedding_table.weight[5] += 0.01
    embedder.save(tmp_path / "b")
    one, other = Embedder.load(tmp_path / "a"), Embedder.load(tmp_path / "b")
    assert one.fingerprint != other.fingerprint
    settings = (tmp_path / "a" / "elva.json").read_text()
    (tmp_path / "a" / "elva.json").write_text(settings.replace("Summarize:", "Sum up:"))
    assert Embedder.load(tmp_path / "a").fingerprint != one.fingerprint


def test_a_plain_base_model_gets_ret_and_the_prompts_of_the_paper(
    embedder: Embedder, items: list[Item], tmp_path: Path, plain_base: Path
) -> None:
    base = Embedder.load(plain_base)
    assert base.processor.settings.prompts.generative.startswith("Analyze and summarize")
    assert base.processor.settings.trained == ()
    assert base.processor.ret_id not in base.processor.banned_ids()
    vectors = base.encode(items)
    assert np.isfinite(vectors).all()
    base.save(tmp_path / "with-ret")
    np.testing.assert_array_equal(Embedder.load(tmp_path / "with-ret").encode(items), vectors)


def test_loading_a_plain_base_model_twice_gives_one_model(plain_base: Path) -> None:
    torch.manual_seed(0)
    first = Embedder.load(plain_base)
    torch.manual_seed(1)
    second = Embedder.load(plain_base)
    assert first.fingerprint == second.fingerprint


def test_no_such_model_names_the_packaged_ones(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no such checkpoint folder, and no packaged model"):
        checkpoint_folder(tmp_path / "gone")
    with pytest.raises(CheckpointError, match="tiny-bse"):
        Embedder.load("tiny-bse")


def test_only_a_checkpoint_is_replaced(embedder: Embedder, tmp_path: Path) -> None:
    for _ in range(2):
        embedder.save(tmp_path / "model")
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters/dear.txt").write_text("dear")
    with pytest.raises(CheckpointError, match="no checkpoint"):
        embedder.save(tmp_path / "letters")
    assert (tmp_path / "letters/dear.txt").read_text() == "dear"


@pytest.mark.parametrize(("dtype", "said"), [(torch.float32, "float32"), (torch.bfloat16, "bfloat16")])
def test_a_checkpoint_says_what_its_weights_are_stored_in(
    embedder: Embedder, tmp_path: Path, dtype: torch.dtype, said: str
) -> None:
    embedder.backbone.plain.to(dtype)
    embedder.save(tmp_path / "model")
    assert stored_dtype(tmp_path / "model") == said


# -- shorter and faster vectors ------------------------------------------------------------------------------------


def again(embedder: Embedder) -> Embedder:
    """The same model with settings of its own."""
    return Embedder(embedder.backbone, copy(embedder.processor), embedder.name)


def test_the_first_numbers_are_unit_vectors_of_another_model(embedder: Embedder, items: list[Item]) -> None:
    short, whole = again(embedder), embedder.embed(items).vectors
    short.read_as(dimensions=8)
    vectors = short.embed(items).vectors
    expected = whole[:, :8] / np.linalg.norm(whole[:, :8], axis=1, keepdims=True)
    np.testing.assert_allclose(vectors, expected, atol=1e-6)
    assert ModelIdentity.of(short).dimension == 8
    assert not ModelIdentity.of(short).produces(ModelIdentity.of(embedder))
    short.read_as(dimensions=32)
    assert ModelIdentity.of(short) == ModelIdentity.of(embedder), "all numbers are the model as it was"
    with pytest.raises(InputError, match="vectors of 33 numbers are asked for; random gives 1 to 32"):
        short.read_as(dimensions=33)


def test_dimensions_stay_with_a_checkpoint(embedder: Embedder, tmp_path: Path) -> None:
    short = again(embedder)
    short.read_as(dimensions=8)
    short.save(tmp_path / "m")
    assert Embedder.load(tmp_path / "m").dimension == 8
    settings = tmp_path / "m/elva.json"
    settings.write_text(settings.read_text().replace('"dimensions": 8', '"dimensions": 33'))
    with pytest.raises(CheckpointError, match=r"elva.json gives dimensions 33, and the model's vectors have 32"):
        Embedder.load(tmp_path / "m")
    settings.write_text(settings.read_text().replace('"dimensions": 33', '"dimensions": 0'))
    with pytest.raises(CheckpointError, match="dimensions 0, not a whole number of at least 1"):
        Embedder.load(tmp_path / "m")


def test_one_prefill_gives_the_fast_vector_and_the_summary(embedder: Embedder, items: list[Item]) -> None:
    both = embedder.embed(items, batch_size=2, fast=True)
    alone, prefill = embedder.embed(items, batch_size=2), embedder.embed(items, extraction="prefill")
    assert alone.fast is None
    assert prefill.summaries == [""] * len(items)
    assert both.summaries == alone.summaries
    np.testing.assert_array_equal(both.vectors, alone.vectors)
    np.testing.assert_allclose(both.fast, prefill.vectors, atol=1e-5)
    assert np.abs(both.fast - both.vectors).max() > 0.01
    with pytest.raises(InputError, match="one_word writes nothing"):
        embedder.embed(items, extraction="one_word", fast=True)


def test_another_extraction_is_another_model(embedder: Embedder, items: list[Item]) -> None:
    other = again(embedder)
    before = other.fingerprint
    other.read_as("prefill")
    assert other.extraction == "prefill"
    assert other.fingerprint != before
    np.testing.assert_allclose(other.encode(items), embedder.embed(items, extraction="prefill").vectors, atol=1e-6)
