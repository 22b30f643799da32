"""Projections: which candidates are drawn, where, and what is refused."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from elva.analysis.projection import ask, check_drawing, draw, embed_asked, project
from elva.encoding import ModelIdentity
from elva.errors import InputError, MissingExtra
from elva.evaluation.embed import embed_root
from elva.evaluation.store import VectorStore
from judging import FakeEncoder, write_root


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_root(tmp_path_factory.mktemp("data") / "root")


def test_a_query_is_drawn_with_right_nearly_right_and_random_candidates(root: Path) -> None:
    asked = ask(root, "mrbench", ["101:0", "101:1003"], easy=9)
    first, second = asked.around
    assert first.positives == ("101:0",)
    assert {kind for _, kind in first.near} == {"shape", "colour", "size"}
    assert len(first.easy) == 9
    assert len(set(first.dids)) == len(first.dids)
    assert set(second.positives) == {"101:1003"}
    assert ask(root, "mrbench", ["101:0"], easy=9).around[0] == first, "the draw depends on the query alone"
    assert ask(root, "mrbench", ["101:0"], easy=9, seed=1).around[0].easy != first.easy


def test_near_vectors_come_to_lie_near() -> None:
    generator = np.random.default_rng(0)
    centres = np.eye(8)[:2].repeat(15, axis=0)
    vectors = centres + 0.05 * generator.standard_normal(centres.shape)
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    places = project(vectors)
    assert places.shape == (30, 2)
    one, other = places[:15], places[15:]
    apart = np.linalg.norm(one.mean(0) - other.mean(0))
    assert apart > 2 * max(each.std(0).max() for each in (one, other))
    assert np.array_equal(project(vectors), places)


@pytest.mark.parametrize("name", ["seen.png", "deep/seen.svg"])
def test_models_stand_side_by_side(root: Path, tmp_path: Path, name: str) -> None:
    asked = ask(root, "mrbench", ["101:0", "101:5"], easy=8)
    seen = {each: embed_asked(asked, FakeEncoder(each)) for each in ("one", "two")}
    out = tmp_path / name
    check_drawing(out)
    draw(asked, seen, out)
    if name.endswith("png"):
        width, height = Image.open(out).size
        assert width > 1.5 * height
    else:
        assert "<svg" in out.read_text()


def test_embedded_data_sets_serve_as_they_are(root: Path, tmp_path: Path) -> None:
    embed_root(root, FakeEncoder(), tmp_path / "vectors")
    store = VectorStore.load(tmp_path / "vectors")
    asked = ask(root, "mrbench", ["101:0"], easy=5)
    draw(asked, {"stored": store}, tmp_path / "seen.png")
    with pytest.raises(InputError, match="the vectors of stored were made from other data"):
        draw(asked, {"stored": replace(store, data="other")}, tmp_path / "seen.png")
    empty = VectorStore(ModelIdentity.of(FakeEncoder()), 0, store.data)
    with pytest.raises(InputError, match="lack query 101:0"):
        draw(asked, {"empty": empty}, tmp_path / "seen.png")


def test_what_can_not_be_drawn_is_told(root: Path) -> None:
    with pytest.raises(InputError, match="has no test query 101:999, 7:1"):
        ask(root, "mrbench", ["101:0", "101:999", "7:1"])
    with pytest.raises(InputError, match="no test data set 'coco'; it has mrbench"):
        ask(root, "coco", ["101:0"])
    with pytest.raises(InputError, match=r"ends in \.svg, \.png, \.pdf"):
        check_drawing(Path("seen.gif"))


def test_a_missing_package_names_the_command_that_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.manifold", None)
    with pytest.raises(MissingExtra, match=r'pip install "elva-retrieval\[analysis\]"'):
        check_drawing(Path("seen.png"))
