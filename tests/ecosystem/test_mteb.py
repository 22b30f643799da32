"""MTEB's own mock tasks, and what of an MTEB batch reaches the model."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib import reload
from pathlib import Path
from typing import Any

import mteb
import numpy as np
import pytest
from mteb.mocks import MockAny2AnyRetrievalI2TTask, MockAny2AnyRetrievalT2ITask, MockSTSTask
from mteb.results.task_result import TaskError
from mteb.types import PromptType
from PIL import Image

from elva.data.published_counts import COUNTS
from elva.ecosystem import mteb as adapter
from elva.ecosystem.mteb import EMPTY, MtebEncoder, mbeir_tasks, table
from elva.encoding import Extraction, Vectors
from elva.errors import InputError, MissingExtra
from elva.items import Item
from elva.model.embedder import Embedder
from smallest import smallest_embedder

TASK = MockAny2AnyRetrievalT2ITask()
PICTURE = Image.new("RGB", (64, 64), "red")


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return smallest_embedder()


def encode(encoder: MtebEncoder, batches: Any, kind: PromptType | None = None, task: Any = TASK) -> Vectors:
    return encoder.encode(batches, task_metadata=task.metadata, hf_split="test", hf_subset="default", prompt_type=kind)


@pytest.mark.parametrize("extraction", ["generative", "one_word"])
def test_all_of_mteb_s_mock_tasks_pass(embedder: Embedder, extraction: Extraction) -> None:
    done = mteb.mock_run(MtebEncoder(embedder, extraction=extraction))
    failed = [name for name, status in done.items() if isinstance(status, TaskError)]
    assert not failed, done.to_markdown()
    passed = {modality: status for status, modality, _ in done.modality_summary() if status != "skipped"}
    assert set(passed) == {"text", "image"}


@pytest.mark.parametrize("extraction", ["generative", "one_word"])
def test_vectors_are_those_of_the_embedder(embedder: Embedder, extraction: Extraction) -> None:
    batches = [
        {"text": ["red", "blue"], "image": [PICTURE, PICTURE]},
        {"text": ["", "circle"], "image": [PICTURE, None]},
    ]
    items = [
        Item(text="red", image=PICTURE),
        Item(text="blue", image=PICTURE),
        Item(text="", image=PICTURE),
        Item(text="circle"),
    ]
    vectors = encode(MtebEncoder(embedder, extraction=extraction), batches)
    np.testing.assert_allclose(vectors, embedder.embed(items, extraction=extraction).vectors, atol=1e-5)


def test_the_checkpoint_s_own_extraction_is_the_default(embedder: Embedder) -> None:
    own = encode(MtebEncoder(embedder), [{"text": ["red"]}])
    np.testing.assert_allclose(own, embedder.embed([Item(text="red")]).vectors, atol=1e-5)


def test_only_queries_carry_the_instruction_of_the_task(embedder: Embedder) -> None:
    encoder, batch = MtebEncoder(embedder), [{"text": ["red"]}]
    told = encoder.get_instruction(TASK.metadata, PromptType.query)
    assert told
    query = embedder.embed([Item(text="red", instruction=told)]).vectors
    plain = embedder.embed([Item(text="red")]).vectors
    assert np.abs(query - plain).max() > 1e-3
    np.testing.assert_allclose(encode(encoder, batch, PromptType.query), query, atol=1e-5)
    np.testing.assert_allclose(encode(encoder, batch, PromptType.document), plain, atol=1e-5)
    np.testing.assert_allclose(encode(encoder, batch, None, MockSTSTask()), plain, atol=1e-5)


def test_an_instruction_of_one_s_own_replaces_the_task_s(embedder: Embedder) -> None:
    encoder = MtebEncoder(embedder, instructions={TASK.metadata.name: "find the picture"})
    wanted = embedder.embed([Item(text="red", instruction="find the picture")]).vectors
    np.testing.assert_allclose(encode(encoder, [{"text": ["red"]}], PromptType.query), wanted, atol=1e-5)


def test_empty_texts_are_read_as_such_and_counted(embedder: Embedder) -> None:
    with pytest.warns(UserWarning, match="2 empty texts"):
        vectors = encode(MtebEncoder(embedder), [{"text": ["", "red"]}, {"text": ["  "]}])
    wanted = embedder.embed([Item(text=EMPTY), Item(text="red"), Item(text=EMPTY)]).vectors
    np.testing.assert_allclose(vectors, wanted, atol=1e-5)


@pytest.mark.parametrize("batch", [{"video": [None]}, {"text": ["red"], "video": [None]}, {"audio": [None]}])
def test_tasks_with_sound_or_video_are_refused(embedder: Embedder, batch: Any) -> None:
    with pytest.raises(InputError, match=r"holds (audio|video), and this encoder reads text and image"):
        encode(MtebEncoder(embedder), [batch])


def test_results_are_filed_by_what_changes_them(embedder: Embedder) -> None:
    kinds = [
        MtebEncoder(embedder, extraction="generative"),
        MtebEncoder(embedder, extraction="one_word"),
        MtebEncoder(embedder, extraction="one_word", instructions={"a": "b"}),
        MtebEncoder(smallest_embedder(seed=1), extraction="one_word"),
    ]
    assert len({hash(each.mteb_model_meta) for each in kinds}) == len(kinds)
    meta = kinds[0].mteb_model_meta
    assert meta is not None
    assert (meta.name, meta.revision) == ("elva/random", embedder.fingerprint)
    assert meta.modalities == ["text", "image"]


def test_the_table_shows_the_paper_s_measures(embedder: Embedder) -> None:
    tasks = [TASK, MockAny2AnyRetrievalI2TTask(), MockSTSTask()]
    results = mteb.evaluate(MtebEncoder(embedder), tasks, cache=None, show_progress_bar=False)
    lines = table(results).splitlines()
    assert lines[0] == "| task | hit@1 | hit@5 | hit@10 | nDCG@10 | main score |"
    rows: Mapping[str, list[str]] = {
        line.split(" | ")[0].removeprefix("| "): line.removesuffix(" |").split(" | ")[1:] for line in lines[2:]
    }
    scores = next(each for each in results.task_results if each.task_name == TASK.metadata.name).scores["test"][0]
    assert rows[f"{TASK.metadata.name} test"] == [
        f"{100 * scores[name]:.1f}"
        for name in ("hit_rate_at_1", "hit_rate_at_5", "hit_rate_at_10", "ndcg_at_10", "main_score")
    ]
    assert rows["MockSTSTask test"][:4] == [""] * 4
    assert len(rows) == 3


def test_mteb_registers_all_sixteen_tasks_of_mbeir() -> None:
    names = [task.metadata.name for task in mbeir_tasks()]
    assert len(names) == 16
    assert {"CIRRIT2IRetrieval", "NIGHTSI2IRetrieval", "WebQAT2TRetrieval", "InfoSeekIT2ITRetrieval"} <= set(names)


def test_the_published_counts_of_test_splits_and_pools_are_those_of_mteb() -> None:
    counted = {}
    for task in mbeir_tasks():
        dataset, _, number = task.metadata.dataset["path"].partition("/mbeir_")[2].partition("_task")
        there = task.metadata.descriptive_stats["test"]
        counted[(dataset, int(number)) if number else ("infoseek", 8)] = (there["num_queries"], there["num_documents"])
    assert counted == {
        name: (int(test.replace(",", "")), int(pool.replace(",", ""))) for name, (_, _, test, pool) in COUNTS.items()
    }


def test_a_checkpoint_is_loaded_by_its_folder(embedder: Embedder, tmp_path: Path) -> None:
    embedder.save(tmp_path / "model")
    encoder = MtebEncoder.load(tmp_path / "model", extraction="one_word")
    assert (encoder.extraction, encoder.model.fingerprint) == ("one_word", embedder.fingerprint)


def test_without_mteb_the_message_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mteb", None)
    with pytest.raises(MissingExtra, match=r'pip install "elva-retrieval\[mteb\]"'):
        reload(adapter)
