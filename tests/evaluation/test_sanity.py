"""An encoder for each sin, and the doubt that it raises; a healthy one raises none."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from elva.encoding import Encoding
from elva.evaluation.mbeir import evaluate
from elva.evaluation.sanity import spread
from elva.items import Item
from judging import FakeEncoder, write_root


class Healthy(FakeEncoder):
    """Sees everything and always writes [RET]."""

    def embed(self, items: Sequence[Item], **options: Any) -> Encoding:
        return replace(super().embed(items, **options), forced_ret=0)


class Sideways(Healthy):
    """Looks at queries with other eyes than at candidates."""

    def embed(self, items: Sequence[Item], **options: Any) -> Encoding:
        found = super().embed(items, **options)
        turned = np.roll(found.vectors, 7, axis=1) if items[0].instruction else found.vectors
        return replace(found, vectors=turned)


class Collapsed(Healthy):
    """Nearly the same vector for everything, yet in the right order."""

    def _vector(self, words: Sequence[str]) -> np.ndarray:
        near = super()._vector(["same"]) + 0.05 * super()._vector(words)
        return (near / np.linalg.norm(near)).astype(np.float32)


class OnALine(Healthy):
    """All vectors lie on one circle through two directions, in clumps at its ends."""

    def _vector(self, words: Sequence[str]) -> np.ndarray:
        ends = np.zeros(self.dimension, np.float32)
        ends[0] = 1.0 if "large" in words else -1.0
        return ends


class OneRowOff(Healthy):
    """Gives the vectors of queries to their neighbours."""

    def embed(self, items: Sequence[Item], **options: Any) -> Encoding:
        found = super().embed(items, **options)
        return replace(found, vectors=np.roll(found.vectors, 1, axis=0)) if items[0].instruction else found


class Silent(Healthy):
    """Forgets [RET] in one of ten summaries."""

    def embed(self, items: Sequence[Item], **options: Any) -> Encoding:
        return replace(super().embed(items, **options), forced_ret=len(items) // 10)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_root(tmp_path_factory.mktemp("data") / "root")


def warned(root: Path, encoder: FakeEncoder, out: Path) -> list[dict[str, Any]]:
    evaluate(root, encoder, out=out)
    warnings: list[dict[str, Any]] = json.loads((out / "results.json").read_text())["warnings"]
    table = (out / "table.md").read_text()
    assert all(f"> **Warning**: {each['task'] or each['message']}" in table for each in warnings)
    assert ("Warning" in table) == bool(warnings)
    return warnings


@pytest.mark.parametrize("noise", [0.0, 1.6])
def test_a_healthy_encoder_raises_no_doubt(root: Path, tmp_path: Path, noise: float) -> None:
    assert warned(root, Healthy(noise=noise), tmp_path / "e") == []


@pytest.mark.parametrize(
    ("encoder", "kind"),
    [
        (Sideways(), "at_chance"),
        (Collapsed(), "collapsed"),
        (OnALine(), "collapsed"),
        (OneRowOff(), "misaligned"),
        (Silent(), "missing_ret"),
    ],
    ids=lambda each: each if isinstance(each, str) else type(each).__name__,
)
def test_each_sin_is_named(root: Path, tmp_path: Path, encoder: FakeEncoder, kind: str) -> None:
    warnings = warned(root, encoder, tmp_path / "e")
    named = {each["task"] for each in warnings if each["kind"] == kind}
    assert named == ({None} if kind == "missing_ret" else {"mrbench_task0_test", "mrbench_task3_test"})
    if kind == "misaligned":
        (said, _) = (each["message"] for each in warnings if each["kind"] == kind)
        assert "would be 100.0% with the vectors of queries moved by -1 row" in said
    assert {each["kind"] for each in warnings} <= {kind, "at_chance"}, "and nothing else but what follows from it"


def test_spread_is_that_of_vectors_drawn_at_random_or_all_alike() -> None:
    drawn = np.random.default_rng(0).standard_normal((400, 8)).astype(np.float32)
    drawn /= np.linalg.norm(drawn, axis=1, keepdims=True)
    cosine, rank = spread(drawn)
    assert abs(cosine) < 0.02 and 7.9 < rank <= 8
    pairs = drawn @ drawn.T
    assert cosine == pytest.approx((pairs.sum() - np.trace(pairs)) / (400 * 399), abs=1e-5)
    assert spread(np.repeat(drawn[:1], 30, axis=0)) == (pytest.approx(1), 0)
