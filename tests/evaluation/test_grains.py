"""Pair accuracy and masked distances against figures worked by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from elva.data.mbeir import MBeir, NearMiss, Query, TaskName
from elva.encoding import Encoding, ModelIdentity
from elva.evaluation.grains import GrainTally, add_masked, add_pairs, by_cosine
from elva.evaluation.store import VectorStore
from judging import FakeEncoder, write_root


def store_of(vectors: dict[tuple[str, str], list[float]]) -> VectorStore:
    store = VectorStore(ModelIdentity("m", "f", "generative", 2))
    for (kind, each), vector in vectors.items():
        store.put(kind, [each], Encoding(np.array([vector], np.float32), [""]))  # type: ignore[arg-type]
    return store


def compared(store: VectorStore):
    return (lambda did: ("candidate", did) in store), by_cosine(store)


def query(near: list[tuple[str, str]]) -> Query:
    return Query(
        qid="1:1", text="x", image=None, modality="text", positives=("9:1",), negatives=(), task=0,
        near_misses=tuple(NearMiss(*each) for each in near),
    )  # fmt: skip


def test_pair_accuracy_by_hand() -> None:
    store = store_of(
        {
            ("query", "1:1"): [1, 0],
            ("candidate", "9:1"): [0.8, 0.6],  # positive, cosine .8
            ("candidate", "9:2"): [0.6, 0.8],  # second positive, cosine .6
            ("candidate", "9:3"): [0.8, -0.6],  # a tie with the first: not nearer
            ("candidate", "9:4"): [0.0, 1.0],  # beaten by both
            ("candidate", "9:5"): [1.0, 0.0],  # beats both
        }
    )
    near = [("9:3", "size"), ("9:4", "size"), ("9:5", "fill"), ("9:99", "fill")]
    one, two = GrainTally(), GrainTally()
    add_pairs(one, [query(near)], {"1:1": {"9:1": 1, "9:2": 0}}, *compared(store))
    assert one.pairs == {"size": [0.0, 1.0], "fill": [0.0]}
    assert one.absent == 1
    near.append(("9:1", "pose"))
    add_pairs(two, [query(near)], {"1:1": {"9:1": 1, "9:2": 1}}, *compared(store))
    assert two.pairs == {"size": [0.0, 1.0], "fill": [0.0], "pose": [0.0]}
    assert two.to_row()["grains"]["size"]["pair_accuracy"] == 0.5


def test_an_encoder_blind_to_size_is_found_out(tmp_path: Path) -> None:
    bench = MBeir.open(write_root(tmp_path / "root"))
    encoder = FakeEncoder(weights={"small": 0.0, "large": 0.0, "thing": 0.1})
    name = TaskName("mrbench", 0, "test")
    store = VectorStore(ModelIdentity.of(encoder))
    queries, pool = bench.queries(name), bench.pool(name)
    store.embed(encoder, "query", {each.qid: bench.query_item(each) for each in queries})
    store.embed(encoder, "candidate", {each.did: bench.candidate_item(each) for each in pool})
    tally = GrainTally()
    add_pairs(tally, queries, bench.qrels(name), *compared(store))
    add_masked(tally, "t", queries, bench, encoder, store)
    grains = tally.to_row()["grains"]
    assert grains["size"]["pair_accuracy"] == 0
    assert grains["colour"]["pair_accuracy"] == grains["shape"]["pair_accuracy"] == 1
    assert grains["size"]["grain_distance"] == pytest.approx(0, abs=1e-6)
    assert grains["colour"]["grain_distance"] > 0.1 > tally.to_row()["paraphrase_distance"] > 0
    assert grains["size"]["masked"] == len(tally.sampled["t"]) == 32
    assert grains["colour"]["ratio"] > 1
