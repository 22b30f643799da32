"""Clips of the world: valid, reproducible, and what a thing does can be seen only over time."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elva.clips import frames_of
from elva.data.mbeir import MBeir, TaskName
from elva.data.validation import validate
from elva.data.world import lexicon, write_world
from elva.data.world.clips import draw_groups
from elva.data.world.facts import broken, statements
from elva.data.world.film import SHARES, film
from elva.data.world.language import caption
from elva.data.world.render import SIDE
from elva.data.world.shots import Shot, draw_shot, neighbours
from elva.data.world.words import CLIP_KINDS, VALUES
from elva.errors import DataError

WORDS = lexicon(clips=True)
SPLITS = ("train", "val", "test")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> MBeir:
    return MBeir.open(write_world(tmp_path_factory.mktemp("tiny") / "world", size="tiny", clips=True).root)


def contents(root: Path) -> dict[str, bytes]:
    files = (path for path in root.rglob("*") if path.is_file())
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in files}


def truths(world: MBeir, split: str) -> dict[str, str]:
    return {each.did: json.loads(each.source or "")["caption"] for each in world.pool(TaskName("clips", 10, split))}


def test_the_tree_with_clips_is_valid(world: MBeir) -> None:
    assert validate(world.root).errors == ()
    assert world.lexicon() == WORDS
    for split in SPLITS:
        assert [name.task for name in world.tasks(split, ["clips"])] == [10]
        for candidate in world.pool(TaskName("clips", 10, split)):
            (shown,) = world.candidate_item(candidate).visuals
            assert len(frames_of(shown)) == len(SHARES)


def test_clips_change_nothing_that_other_tasks_are_judged_by(world: MBeir, tmp_path: Path) -> None:
    with_clips = contents(world.root)
    without = contents(write_world(tmp_path / "without", size="tiny").root)
    changed = {name for name in without if without[name] != with_clips[name]}
    unions = {f"cand_pool/global/mbeir_union_{split}_cand_pool.jsonl" for split in SPLITS}
    assert changed == {"world.json", "grains.json", "instructions/query_instructions.tsv", *unions}
    assert all("clips" in name for name in with_clips.keys() - without.keys())
    assert contents(write_world(tmp_path / "again", size="tiny", clips=True).root) == with_clips


def test_a_world_without_clips_is_not_taken_for_one_with_them(tmp_path: Path) -> None:
    out = tmp_path / "world"
    assert not write_world(out, size="tiny").reused
    assert write_world(out, size="tiny").reused
    with pytest.raises(DataError, match="clips: False, not True"):
        write_world(out, size="tiny", clips=True)


@pytest.mark.parametrize("split", SPLITS)
def test_positives_are_all_and_only_the_clips_that_satisfy_the_text(world: MBeir, split: str) -> None:
    pool = truths(world, split)
    for query in world.queries(TaskName("clips", 10, split)):
        for text in (query.text, query.paraphrase):
            claims = statements(WORDS.parse(text or ""))
            assert len(claims) == len(CLIP_KINDS)
            fitting = {did for did, said in pool.items() if not broken(claims, statements(WORDS.parse(said)))}
            assert set(query.positives) == fitting, text
        assert sorted(grain.kind for grain in query.grains) == sorted(CLIP_KINDS)
        assert all(grain.masked_txt for grain in query.grains)


@pytest.mark.parametrize("split", ["val", "test"])
def test_a_near_miss_of_every_kind_is_one_grain_off(world: MBeir, split: str) -> None:
    pool = truths(world, split)
    for query in world.queries(TaskName("clips", 10, split)):
        assert sorted(miss.kind for miss in query.near_misses) == sorted(CLIP_KINDS)
        (thing,), scene = _values(query.text or "")
        for miss in query.near_misses:
            (other,), background = _values(pool[miss.did])
            apart = {kind for kind in thing if thing[kind] != other[kind]}
            assert apart | ({"background"} if scene != background else set()) == {miss.kind}


def _values(text: str) -> tuple[tuple[dict[str, str], ...], dict[str, str]]:
    said = WORDS.parse(text)
    return tuple(dict(entity) for entity in said.entities), dict(said.scene)


def test_no_shot_appears_twice(world: MBeir) -> None:
    shown = [caption for split in SPLITS for caption in truths(world, split).values()]
    assert len(set(shown)) == len(shown)


def test_in_training_every_clip_is_asked_for(world: MBeir) -> None:
    name = TaskName("clips", 10, "train")
    assert {did for query in world.queries(name) for did in query.positives} == set(truths(world, "train"))


def test_groups_hold_every_action_and_kind() -> None:
    groups = draw_groups(200, Random(0), set())
    assert {group[""].action for group in groups} == set(VALUES["action"])
    assert all(shot.shows for group in groups for shot in group.values())


@given(st.integers(0, 2**32), st.sampled_from(CLIP_KINDS))
def test_every_grain_of_a_clip_is_visible(seed: int, kind: str) -> None:
    shot = draw_shot(Random(seed))
    for other in neighbours(shot, kind):
        one, two = (np.asarray(film(each, Random(seed)), int) for each in (shot, other))
        assert (np.abs(one - two).max(axis=(0, 3)) > 25).sum() >= 8, other


@given(st.integers(0, 2**32))
def test_a_thing_changes_from_frame_to_frame_and_stays_in_the_picture(seed: int) -> None:
    frames = [np.asarray(frame, int) for frame in film(draw_shot(Random(seed)), Random(seed))]
    assert len(frames) == len(SHARES) and all(frame.shape == (SIDE, SIDE, 3) for frame in frames)
    for before, after in pairwise(frames):
        assert (before != after).any()
    assert (np.abs(frames[0] - frames[-1]).max(axis=2) > 25).sum() >= 8
    for frame in frames:
        border = np.concatenate([frame[0], frame[-1], frame[:, 0], frame[:, -1]])
        assert (np.abs(border - frame[0, 0]).max(axis=1) > 25).sum() == 0


def test_a_first_frame_alone_leaves_open_where_a_thing_goes() -> None:
    places = {}
    for action in ("moving left", "moving right"):
        shot = Shot("circle", "red", "solid", action, "white")
        firsts = (np.asarray(film(shot, Random(seed))[0], int) for seed in range(200))
        places[action] = {int(np.flatnonzero((frame[:, :, 1] < 100).any(axis=0)).mean()) for frame in firsts}
    assert {31, 32, 33} <= places["moving left"] & places["moving right"], "the middle"


def test_the_canonical_caption_is_read_back() -> None:
    rng = Random(0)
    for _ in range(200):
        said = draw_shot(rng).facts()
        assert statements(WORDS.parse(caption(said))) == statements(said)
