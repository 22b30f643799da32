"""Of published sets, too, each sin raises its doubt, and a healthy encoder none."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import ImageColor

from elva.encoding import Encoding
from elva.evaluation.unseen.run import evaluate_set
from elva.evaluation.unseen.specs import UNSEEN
from elva.items import Item
from published_sets import SeesColours, paint, write

COLOURS = sorted({value: name for name, value in ImageColor.colormap.items()}.values())[:80]
"""Enough of them for intervals that mean something."""


class Healthy(SeesColours):
    """Sees the colour of a picture and hears it in words; always writes [RET]."""

    def embed(self, items: Sequence[Item], **options: Any) -> Encoding:
        return replace(super().embed(items, **options), forced_ret=0)

    def words(self, item: Item) -> list[str]:
        return [Path(str(item.image)).stem] if item.image is not None else (item.text or "").split()


class Blind(Healthy):
    """Takes no notice of what it is shown."""

    def words(self, item: Item) -> list[str]:
        return [f"picture {Path(str(item.image)).stem}"] if item.image is not None else super().words(item)


class Collapsed(Healthy):
    """Nearly the same vector for everything, yet in the right order."""

    def _vector(self, words: Sequence[str]) -> np.ndarray:
        near = super()._vector(["same"]) + 0.05 * super()._vector(words)
        return (near / np.linalg.norm(near)).astype(np.float32)


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
def roots(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A set whose queries rank all, and one of pairs."""
    whole, pairs = (tmp_path_factory.mktemp(name) for name in ("sharegpt4v", "sugarcrepe"))
    for colour in COLOURS:
        paint(whole / f"val_data/{colour}.png", colour)
        paint(pairs / f"val2017/{colour}.png", colour)
    rows = [{"image_name": f"{each}.png", "caption": f"A {each} picture."} for each in COLOURS]
    write(whole / "datas_for_validation.json", rows)
    others = [*COLOURS[1:], COLOURS[0]]
    told = {
        str(i): {"filename": f"{each}.png", "caption": f"A {each} one.", "negative_caption": f"A {other} one."}
        for i, (each, other) in enumerate(zip(COLOURS, others, strict=True))
    }
    for kind in ("add_att", "add_obj", "replace_att", "replace_obj", "replace_rel", "swap_att", "swap_obj"):
        write(pairs / f"{kind}.json", told)
    return {"sharegpt4v": whole, "sugarcrepe": pairs}


def judged(name: str, roots: dict[str, Path], encoder: SeesColours, out: Path) -> dict[str, Any]:
    evaluate_set(name, UNSEEN[name], roots[name], encoder, out=out)
    row: dict[str, Any] = json.loads((out / "results.json").read_text())
    table = (out / "table.md").read_text("utf-8")
    assert table.count("> **Warning**: ") == len(row["warnings"])
    return row


@pytest.mark.parametrize("name", ["sharegpt4v", "sugarcrepe"])
@pytest.mark.parametrize(
    ("encoder", "kinds"),
    [
        (Healthy(), set()),
        (Healthy(noise=1.0), set()),
        (Blind(), {"at_chance"}),
        (Collapsed(), {"collapsed"}),
        (Silent(), {"missing_ret"}),
    ],
    ids=["healthy", "noisy", "blind", "collapsed", "silent"],
)
def test_each_sin_is_named_of_rankings_and_of_pairs(
    name: str, encoder: SeesColours, kinds: set[str], roots: dict[str, Path], tmp_path: Path
) -> None:
    warnings = judged(name, roots, encoder, tmp_path / "e")["warnings"]
    assert {each["kind"] for each in warnings} == kinds
    tasks = {task for task in UNSEEN[name].asks} if kinds != {"missing_ret"} else {None}
    assert {each["task"] for each in warnings} == (tasks if kinds else set())


def test_ids_that_are_one_row_off_are_found_where_all_is_ranked(roots: dict[str, Path], tmp_path: Path) -> None:
    off = judged("sharegpt4v", roots, OneRowOff(), tmp_path / "whole")["warnings"]
    assert "the vectors of queries moved by -1 row" in off[0]["message"] + off[-1]["message"]
    assert "misaligned" in {each["kind"] for each in off}
    pairs = judged("sugarcrepe", roots, OneRowOff(), tmp_path / "pairs")["warnings"]
    assert {each["kind"] for each in pairs} == {"at_chance"}, "a gallery of two doesn't tell whose answer it lacks"


def test_the_interval_of_a_headline_figure_holds_it(roots: dict[str, Path], tmp_path: Path) -> None:
    row = judged("sugarcrepe", roots, Healthy(noise=3.0), tmp_path / "e")
    for each in (*row["tasks"].values(), row["mean"]):
        low, high = each["headline_interval"]
        assert 0 < low < each["accuracy"] < high < 1
    narrow, wide = (each["headline_interval"] for each in (row["mean"], row["tasks"]["sugarcrepe_add_att"]))
    assert narrow[1] - narrow[0] < wide[1] - wide[0]
    low, high = (f"{100 * each:.1f}" for each in wide)
    assert f" | {low} to {high} | 80 | 2 each |" in (tmp_path / "e/table.md").read_text("utf-8")
