"""An index from vectors that were made before holds what one holds that embeds by itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from elva.data.opening import Selection
from elva.encoding import ModelIdentity
from elva.errors import IndexMismatch
from elva.evaluation.embed import embed_root
from elva.evaluation.made import MadeCandidates
from elva.index.build import BuildReport, build_index
from elva.index.opening import open_index
from elva.index.sources.pools import Pools
from judging import FakeEncoder, write_root

MODEL = ModelIdentity.of(FakeEncoder())


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_root(tmp_path / "root")


def index(root: Path, out: Path, made: MadeCandidates | None = None) -> tuple[BuildReport, list[str]]:
    encoder = FakeEncoder()
    return build_index(Pools(root), encoder, out, store="exact", made=made), encoder.seen


def test_nothing_is_embedded_twice(root: Path, tmp_path: Path) -> None:
    embed_root(root, FakeEncoder(), tmp_path / "v")
    report, seen = index(root, tmp_path / "i", MadeCandidates.of(tmp_path / "v", root, MODEL))
    assert (report.new, report.embedded, report.taken, seen) == (64, 0, 64, [])
    index(root, tmp_path / "own")
    made, own = (open_index(tmp_path / name) for name in ("i", "own"))
    ids = sorted(own.contents())
    assert made.get(ids) == own.get(ids)
    assert np.array_equal(made.vectors(ids), own.vectors(ids))
    again, _ = index(root, tmp_path / "i", MadeCandidates.of(tmp_path / "v", root, MODEL))
    assert (again.unchanged, again.taken) == (64, 0)


def test_what_it_lacks_is_embedded(root: Path, tmp_path: Path) -> None:
    embed_root(root, FakeEncoder(), tmp_path / "v", Selection(tasks=[0]))
    report, seen = index(root, tmp_path / "i", MadeCandidates.of(tmp_path / "v", root, MODEL))
    assert (report.taken, report.embedded, len(seen)) == (32, 32, 32)
    assert len(open_index(tmp_path / "i")) == 64


def test_of_another_model_or_other_data_nothing_is_taken(root: Path, tmp_path: Path) -> None:
    embed_root(root, FakeEncoder(), tmp_path / "v")
    with pytest.raises(IndexMismatch, match="these vectors were made by fake"):
        MadeCandidates.of(tmp_path / "v", root, ModelIdentity.of(FakeEncoder("other")))
    with (root / "cand_pool/local/mbeir_mrbench_task3_cand_pool.jsonl").open("a") as file:
        file.write("\n")
    with pytest.raises(IndexMismatch, match="other data, or the data changed"):
        MadeCandidates.of(tmp_path / "v", root, MODEL)


def test_a_picture_that_is_broken_now_is_left_out(root: Path, tmp_path: Path) -> None:
    embed_root(root, FakeEncoder(), tmp_path / "v")
    (root / "mbeir_images/circle-blue-small.png").write_bytes(b"no picture")
    report, _ = index(root, tmp_path / "i", MadeCandidates.of(tmp_path / "v", root, MODEL))
    assert len(report.left_out) == 1 and report.taken == 63
