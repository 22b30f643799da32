"""What `SentenceTransformer(folder)` gives for an exported model is what ELVA gives."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from jinja2 import TemplateError
from PIL import Image

from elva.cli.exporting import sentence_transformers
from elva.ecosystem.sentence_transformers import export_sentence_transformers
from elva.encoding import Vectors
from elva.errors import CheckpointError, MissingExtra
from elva.index.folder import FolderError
from elva.items import Item
from elva.model.embedder import Embedder
from elva.prompts import Prompts
from families import CLASSES, QWEN_TEMPLATE, save_family, save_lamra
from smallest import smallest_embedder

TEXTS = [
    "red",
    "a small red triangle left of a large blue circle",
    "  leading and\ntwo lines ",
    'it\'s "quoted" {{ and }} {% braced %} \\n',
    "grün, 緑",
    "<|im_end|>\n<|im_start|>user\n<|image_pad|>",
]


def one_word(embedder: Embedder) -> Embedder:
    embedder.processor.settings = replace(embedder.processor.settings, extraction="one_word")
    return embedder


def picture(seed: int, size: tuple[int, int]) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 255, (*size, 3), dtype=np.uint8))


def elva(embedder: Embedder, items: list[Item]) -> Vectors:
    return embedder.embed(items, extraction="one_word").vectors


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    embedder = one_word(smallest_embedder())
    embedder.processor.tokenizer.chat_template = QWEN_TEMPLATE
    settings = embedder.processor.settings
    embedder.processor.settings = replace(settings, prompts=Prompts(one_word='The {modality} in "one" {{%}} word 🙂:'))
    return embedder


@pytest.fixture(scope="module")
def folder(embedder: Embedder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("export") / "model"
    export_sentence_transformers(embedder, folder, query_prompt="Find it.")
    return folder


@pytest.fixture(scope="module")
def exported(folder: Path) -> Any:
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(folder), device="cpu", trust_remote_code=False)


def test_texts_have_the_same_vectors(embedder: Embedder, exported: Any) -> None:
    ours = elva(embedder, [Item(text=text) for text in TEXTS])
    np.testing.assert_allclose(exported.encode(TEXTS), ours, atol=1e-5)
    np.testing.assert_allclose(exported.encode(TEXTS, batch_size=1), ours, atol=1e-5)
    assert np.ptp(ours, axis=0).max() > 1e-3, "all texts alike would prove nothing"


def test_a_prompt_is_the_instruction(embedder: Embedder, exported: Any) -> None:
    for prompt in ("Find the picture.", "<|im_start|> again"):
        ours = elva(embedder, [Item(text=text, instruction=prompt) for text in TEXTS])
        np.testing.assert_allclose(exported.encode(TEXTS, prompt=prompt), ours, atol=1e-5)


def test_queries_get_the_prompt_of_the_export_and_documents_none(embedder: Embedder, exported: Any) -> None:
    queries = elva(embedder, [Item(text=text, instruction="Find it.") for text in TEXTS])
    documents = elva(embedder, [Item(text=text) for text in TEXTS])
    np.testing.assert_allclose(exported.encode_query(TEXTS), queries, atol=1e-5)
    np.testing.assert_allclose(exported.encode_document(TEXTS), documents, atol=1e-5)
    assert np.abs(queries - documents).max() > 1e-3


def test_pictures_have_the_same_vectors_in_memory_and_from_a_file(
    embedder: Embedder, exported: Any, tmp_path: Path
) -> None:
    pictures = [picture(0, (64, 64)), picture(1, (40, 90)), picture(2, (90, 40))]
    ours = elva(embedder, [Item(image=each) for each in pictures])
    np.testing.assert_allclose(exported.encode(pictures), ours, atol=1e-5)
    pictures[0].save(tmp_path / "0.png")
    np.testing.assert_allclose(exported.encode(str(tmp_path / "0.png")), ours[0], atol=1e-5)


def test_pictures_with_texts_have_the_same_vectors(embedder: Embedder, exported: Any) -> None:
    pairs = [(text, picture(number, (40 + 7 * number, 64))) for number, text in enumerate([*TEXTS, " "])]
    ours = elva(embedder, [Item(text=text, image=image, instruction="Find it.") for text, image in pairs])
    theirs = exported.encode([{"text": text, "image": image} for text, image in pairs], prompt="Find it.")
    np.testing.assert_allclose(theirs, ours, atol=1e-5)


def test_videos_are_refused(exported: Any) -> None:
    clip = [picture(0, (64, 64)), picture(1, (64, 64))]
    with pytest.raises(ValueError, match="'video' is not supported"):
        exported.encode([{"video": clip}])
    message = {"role": "user", "content": [{"type": "video", "video": clip}, {"type": "text", "text": "red"}]}
    with pytest.raises(TemplateError, match="reads text and image, not video"):
        exported.encode([[message]])


def test_a_text_after_a_batch_of_pictures_keeps_its_vector(exported: Any) -> None:
    before = exported.encode(TEXTS)
    exported.encode([picture(0, (64, 64)), picture(1, (40, 90))])
    np.testing.assert_array_equal(exported.encode(TEXTS), before)


def test_the_export_is_still_a_checkpoint_of_elva(embedder: Embedder, folder: Path) -> None:
    items = [Item(text=text) for text in TEXTS]
    again = Embedder.load(folder)
    assert again.fingerprint == embedder.fingerprint
    np.testing.assert_allclose(again.encode(items), elva(embedder, items), atol=1e-6)


@pytest.mark.parametrize("family", CLASSES)
def test_every_family_exports(family: str, tmp_path: Path) -> None:
    embedder = one_word(Embedder.load(save_family(family, tmp_path / "base")))
    assert export_sentence_transformers(embedder, tmp_path / "out") < 1e-5


def test_a_model_that_writes_summaries_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="--one-word exports"):
        export_sentence_transformers(smallest_embedder(), tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_one_of_several_summaries_is_exported_by_its_one_word_prompt_alone(tmp_path: Path) -> None:
    embedder = smallest_embedder()
    embedder.processor.tokenizer.chat_template = QWEN_TEMPLATE
    embedder.processor.settings = replace(embedder.processor.settings, summaries=4)
    embedder.save(tmp_path / "model")
    with pytest.raises(CheckpointError, match="--one-word exports"):
        export_sentence_transformers(Embedder.load(tmp_path / "model"), tmp_path / "out")
    sentence_transformers(str(tmp_path / "model"), tmp_path / "out", one_word=True, device="cpu")
    settings = Embedder.load(tmp_path / "out").processor.settings
    assert (settings.extraction, settings.summaries) == ("one_word", 1)


def test_a_retriever_of_another_layout_is_not_exported(tmp_path: Path) -> None:
    lamra = Embedder.load(save_lamra("qwen2_5_vl", tmp_path / "LamRA-Ret"))
    with pytest.raises(CheckpointError, match="nothing was exported; use the model through"):
        export_sentence_transformers(lamra, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_export_with_other_vectors_leaves_nothing(
    embedder: Embedder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def other(*_: Any, **__: Any) -> Any:
        class Other:
            def encode(self, inputs: list[Any], **_: Any) -> Vectors:
                return np.zeros((len(inputs), embedder.dimension), np.float32)

        return Other()

    monkeypatch.setattr("sentence_transformers.SentenceTransformer", other)
    with pytest.raises(CheckpointError, match=r"vectors differ by up to .*nothing was exported"):
        export_sentence_transformers(embedder, tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_a_folder_of_other_things_is_not_replaced(embedder: Embedder, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(FolderError, match="is not an export"):
        export_sentence_transformers(embedder, tmp_path)


def test_without_the_library_the_message_names_the_command(
    embedder: Embedder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(MissingExtra, match=r'pip install "elva-retrieval\[sentence-transformers\]"'):
        export_sentence_transformers(embedder, tmp_path / "out")


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Vectors are compared to the last digits: no other test's thread count gets in."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
