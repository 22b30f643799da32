"""Stage 3 beside its peers: they do the same work, and all of it runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

import stage3
from elva.training.negatives import mine
from lessons import PICTURES, SMALLEST, TEXTS, Lessons, crowded, overheard
from passes import Passes, looking
from smallest import smallest_embedder
from straightforward import difference, gradient_of
from trl_peer import distinct_words

SETTINGS = [*SMALLEST, "reinforce.queries_per_step=3", "reinforce.rollouts.max_new_tokens=6"]


@pytest.fixture(scope="module")
def ground(world: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("ground")
    (home / "world").symlink_to(world)
    mine(world, smallest_embedder(), home / "negatives.jsonl", top=2, datasets=["world"], task_ids=[*PICTURES, *TEXTS])
    return home


@pytest.mark.parametrize("part", ["2", "null"])
@pytest.mark.parametrize("tasks", [PICTURES, TEXTS])
def test_the_straightforward_way_has_the_gradient_of_ours(ground: Path, tasks: list[int], part: str) -> None:
    lessons = Lessons(ground, [*SETTINGS, f"reinforce.items_per_forward={part}"], tasks, smallest_embedder())
    assert stage3.agreement(lessons, rows=4) < stage3.AGREES


def test_the_queries_of_a_scene_share_candidates_and_so_do_the_gradients_compared(ground: Path) -> None:
    # as many random negatives as a small pool allows: some candidates belong to several queries
    lessons = Lessons(ground, [*SETTINGS, "reinforce.random_negatives=5"], TEXTS, smallest_embedder())
    scene = lessons.scene(0)
    assert len(scene.dids) < scene.sets.numel()
    assert stage3.agreement(lessons, rows=7) < stage3.AGREES


def test_another_gradient_is_told_apart(ground: Path) -> None:
    lessons = Lessons(ground, SETTINGS, TEXTS, smallest_embedder())
    with overheard() as heard:
        lessons.gradients(0)
    ours = gradient_of(lessons.embedder.backbone.plain)
    peer = stage3.straightforward(lessons, rows=8)
    others = heard[0].tokens.flip(0)  # the summaries of other items
    peer.gradients(lessons.scene(0), others.where(heard[0].mask.flip(0), lessons.embedder.processor.pad_id))
    assert difference(ours, gradient_of(peer.model)) > 0.01


def test_what_the_straightforward_way_writes_ends_with_ret_and_holds_no_banned_token(ground: Path) -> None:
    lessons = Lessons(ground, SETTINGS, PICTURES, smallest_embedder())
    peer, scene = stage3.straightforward(lessons, rows=4), lessons.scene(0)
    torch.manual_seed(0)
    tokens = peer._write(peer._turns([*scene.items.values()]))
    processor = lessons.embedder.processor
    assert tokens.shape == (len(scene.items), 2, 6)
    assert (tokens == processor.ret_id).any(-1).all()
    assert {*tokens.unique().tolist()}.isdisjoint({*processor.banned_ids()} - {processor.pad_id})


def test_all_seconds_of_a_step_belong_to_a_part(ground: Path) -> None:
    lessons = Lessons(ground, [*SETTINGS, "reinforce.items_per_forward=4"], PICTURES, smallest_embedder())
    seconds = Passes().of(lambda: lessons(0))
    assert {"prefill", "decode", "reference", "forward", "backward"} < seconds.keys()
    assert looking(lessons, 0) > 0
    assert all(each > 0 for each in seconds.values())


def test_sizes_are_tried_and_one_of_them_is_taken(ground: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage3, "ROWS", (6, 12))
    assert stage3.fastest_rows(ground, [*SMALLEST, "reinforce.rollouts.max_new_tokens=3"]) in (6, 12)


def test_a_crowded_scene_has_fewer_candidates_and_no_right_answer_among_the_negatives(ground: Path) -> None:
    scene = Lessons(ground, SETTINGS, PICTURES, smallest_embedder()).scene(0)
    few = crowded(scene, 4, seed=0)
    assert len(few.dids) == 4 < len(scene.dids)
    assert few.sets.shape == scene.sets.shape
    assert {*few.keys} == few.items.keys()
    for query, (own, right) in enumerate(zip(few.sets.tolist(), few.ignore, strict=True)):
        assert few.dids[own[0]] == scene.dids[int(scene.sets[query, 0])]
        assert right[own[0]] and not right[own[1:]].any()
        assert len({*own}) == len(own)


def test_the_rule_that_trl_pays_by() -> None:
    assert distinct_words(["red red circle", "red", ""]) == [pytest.approx(2 / 3), 1.0, 0.0]


@pytest.mark.long
def test_the_benchmark_shows_and_writes_its_figures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stage3, "ESTIMATORS", {"fewer negatives": ["reinforce.random_negatives=0"]})
    stage3.main(["--quick", "--out", str(tmp_path / "stage3.json")])
    results, shown = json.loads((tmp_path / "stage3.json").read_text()), capsys.readouterr().out
    assert results["gradient_difference"] < stage3.AGREES
    for peer in ("vs_straightforward", "vs_trl"):
        assert results["ratios"][peer].keys() == {"median", "min", "max"}
    assert results["ratios"]["estimators_vs_exact"].keys() == {"fewer negatives"}
    for row in ("| ours |", "| fewer negatives |", "| straightforward |", "| trl |", "| negatives |", "| backward |"):
        assert row in shown
