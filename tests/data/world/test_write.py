"""The world on disk: valid, reproducible, complete judgements, balanced near misses."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from elva.data.mbeir import MBeir, Query, TaskName
from elva.data.validation import validate
from elva.data.world import KINDS, WorldSummary, lexicon, write_world
from elva.data.world import write as writing
from elva.data.world.base import BaseSplit
from elva.data.world.benchmark import NEAR_MISSES, draw_cases
from elva.data.world.edits import apply
from elva.data.world.facts import broken, statements
from elva.data.world.language import caption
from elva.data.world.scenes import Scene
from elva.errors import DataError
from elva.grains import grain_distance_matrix

WORDS = lexicon()
TASK_IDS = [0, 1, 2, 3, 4, 6, 7, 8]


@pytest.fixture(scope="module")
def summary(tmp_path_factory: pytest.TempPathFactory) -> WorldSummary:
    return write_world(tmp_path_factory.mktemp("tiny") / "world", size="tiny", base=True)


@pytest.fixture(scope="module")
def world(summary: WorldSummary) -> MBeir:
    return MBeir.open(summary.root)


def contents(root: Path) -> dict[str, bytes]:
    files = (path for path in root.rglob("*") if path.is_file())
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in files}


def captions(world: MBeir, name: TaskName) -> dict[str, str]:
    """did -> the text of a text candidate, the annotation of a picture."""
    return {c.did: json.loads(c.source)["caption"] if c.source else c.text or "" for c in world.pool(name)}


def every_query(world: MBeir, dataset: str) -> Iterator[tuple[TaskName, Query]]:
    for split in ("train", "val", "test"):
        for name in world.tasks(split, [dataset]):
            yield from ((name, query) for query in world.queries(name))


def test_the_tree_is_valid_and_holds_every_task(summary: WorldSummary, world: MBeir) -> None:
    report = validate(summary.root, splits=("train", "val", "test", "base"))
    assert report.errors == ()
    assert report.images > 100
    for split in ("train", "val", "test"):
        assert [name.task for name in world.tasks(split, ["world"])] == TASK_IDS
    for split in ("val", "test"):
        assert [name.task for name in world.tasks(split, ["mrbench"])] == [0, 3, 4, 7]
    for name, query in every_query(world, "world"):
        assert query.positives
        prompt = world.instruction(query)
        assert prompt and 4 <= len(prompt.split()) <= 6, name
    assert world.lexicon() == WORDS
    assert summary.queries["mrbench_task0_test"] == 7
    assert summary.candidates["mrbench_task0_test"] == 7 * (1 + NEAR_MISSES)


def test_the_same_seed_gives_the_same_bytes_and_base_changes_nothing_else(
    summary: WorldSummary, tmp_path: Path
) -> None:
    again = contents(write_world(tmp_path / "again", size="tiny", base=True).root)
    assert again == contents(summary.root)
    without = contents(write_world(tmp_path / "without", size="tiny").root)
    assert {name for name in without if without[name] != again[name]} == {"world.json"}
    other = contents(write_world(tmp_path / "other", size="tiny", seed=1).root)
    assert other["nli/world_triples.csv"] != without["nli/world_triples.csv"]


def test_reuses_the_same_world_and_refuses_anything_else(tmp_path: Path) -> None:
    out = tmp_path / "world"
    assert not write_world(out, size="tiny").reused
    before = contents(out)
    assert write_world(out, size="tiny").reused
    assert contents(out) == before
    with pytest.raises(DataError, match="seed: 0, not 1"):
        write_world(out, size="tiny", seed=1)
    with pytest.raises(DataError, match="base: False, not True"):
        write_world(out, size="tiny", base=True)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("do not touch")
    with pytest.raises(DataError, match="holds no built-in world"):
        write_world(tmp_path / "mine", size="tiny")
    assert contents(tmp_path / "mine") == {"thesis.txt": b"do not touch"}
    with pytest.raises(DataError, match="holds no built-in world"):
        write_world(tmp_path / "mine" / "thesis.txt", size="tiny")


def test_a_failure_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(writing, "draw_triples", fail)
    with pytest.raises(KeyboardInterrupt):
        write_world(tmp_path / "world", size="tiny")
    assert list(tmp_path.iterdir()) == []


def test_progress_counts_every_picture(tmp_path: Path) -> None:
    drawn: Counter[str] = Counter()
    out = tmp_path / "world"
    write_world(out, size="tiny", progress=lambda part, done: drawn.update({part: done}))
    assert drawn.total() == len(list(out.rglob("*.png")))
    assert set(drawn) == {"mrbench val", "mrbench test", "world train", "world val", "world test"}


@pytest.mark.parametrize("dataset", ["world", "mrbench"])
def test_positives_are_all_and_only_the_candidates_that_satisfy_the_text(world: MBeir, dataset: str) -> None:
    for name, query in every_query(world, dataset):
        if query.task not in (0, 1, 2):
            continue
        claims = statements(WORDS.parse(query.text or ""))
        pool = captions(world, name)
        fitting = {d for d, text in pool.items() if not broken(claims, statements(WORDS.parse(text)))}
        assert set(query.positives) == fitting, query.text


@pytest.mark.parametrize("dataset", ["world", "mrbench"])
def test_texts_are_positives_of_every_picture_they_are_true_of(world: MBeir, dataset: str) -> None:
    for name, query in every_query(world, dataset):
        if query.task != 3:
            continue
        truth = statements(WORDS.parse(json.loads(query.source or "")["caption"]))
        pool = captions(world, name)
        fitting = {d for d, text in pool.items() if not broken(statements(WORDS.parse(text)), truth)}
        assert set(query.positives) == fitting


def test_same_scene_is_the_only_positive_of_a_picture(world: MBeir) -> None:
    for name, query in every_query(world, "mrbench"):
        if query.task == 4:
            pool, shown = captions(world, name), json.loads(query.source or "")["caption"]
            assert query.positives == tuple(did for did in pool if pool[did] == shown)
            assert query.image not in {candidate.image for candidate in world.pool(name)}


def test_references_differ_from_the_target_in_the_grains_the_text_names(world: MBeir) -> None:
    for dataset in ("world", "mrbench"):
        for name, query in every_query(world, dataset):
            if query.task not in (7, 8):
                continue
            target = captions(world, name)[query.positives[0]]
            reference = json.loads(query.source or "")["caption"]
            told = [grain for grain in query.grains if grain.span]
            apart = grain_distance_matrix([WORDS.parse(reference)], [WORDS.parse(target)], WORDS)
            named = len(WORDS.split(target))
            assert apart[0, 0] * named / WORDS.caption_grains == pytest.approx(len(told))
            assert len(told) + sum(grain.span is None for grain in query.grains) == named


def test_near_misses_are_one_grain_off_and_of_their_kind(world: MBeir) -> None:
    for name, query in every_query(world, "mrbench"):
        pool = captions(world, name)
        assert len({miss.kind for miss in query.near_misses}) == NEAR_MISSES
        assert not {miss.did for miss in query.near_misses} & set(query.positives)
        named = {grain.kind for grain in query.grains}
        target = pool[query.positives[0]]
        full = WORDS.split(target)
        for miss in query.near_misses:
            assert miss.kind in named
            near = pool[miss.did]
            apart = grain_distance_matrix([WORDS.parse(target)], [WORDS.parse(near)], WORDS)
            assert apart[0, 0] * len(full) / WORDS.caption_grains == pytest.approx(1)
            kinds = Counter(_values(target)), Counter(_values(near))
            if miss.kind != "relation":
                assert {kind for kind, _ in kinds[0] - kinds[1]} == {miss.kind}


def _values(text: str) -> list[tuple[str, str]]:
    said = WORDS.parse(text)
    entities = [item for entity in said.entities for item in entity.items()]
    return [*entities, *said.scene.items()]


def test_near_misses_are_balanced_over_the_kinds() -> None:
    cases = draw_cases(250, Random(0), set())
    used = Counter(miss.kind for case in cases for miss in case.misses)
    assert set(used) == set(KINDS)
    assert max(used.values()) - min(used.values()) <= 1
    assert max(Counter(case.unnamed for case in cases).values()) == 50


def test_the_changes_of_a_case_lead_from_reference_to_target() -> None:
    for case in draw_cases(200, Random(1), set()):
        scene = case.reference
        for edit in case.changes:
            scene = apply(scene, edit)
        assert scene == case.target != case.reference
        assert 1 <= len(case.changes) <= 2


def test_benchmark_scenes_are_seen_nowhere_else(summary: WorldSummary) -> None:
    def shown(pattern: str) -> set[str]:
        rows = [json.loads(line) for path in summary.root.glob(pattern) for line in path.read_text().splitlines()]
        sources = [row.get("src_content") or row.get("query_src_content") for row in rows]
        return {json.loads(source)["caption"] for source in sources if source}

    benchmark = shown("query/*/*mrbench*") | shown("cand_pool/local/*mrbench*")
    others = shown("query/*/*world*") | shown("cand_pool/local/*world*")
    assert len(benchmark) > 50 and len(others) > 50
    assert not benchmark & others


def test_families_share_shape_and_colour_and_texts_always_name_them(world: MBeir) -> None:
    for name, query in every_query(world, "world"):
        if query.task not in (0, 1, 2):
            continue
        said = WORDS.parse(query.text or "")
        assert all({"shape", "colour"} <= set(entity) for entity in said.entities), name
        assert all(miss.kind not in ("shape", "colour") for miss in query.near_misses)
        assert query.paraphrase and query.paraphrase != query.text
        assert statements(WORDS.parse(query.paraphrase)) == statements(said)


def test_triples_change_one_grain(summary: WorldSummary) -> None:
    with (summary.root / "nli" / "world_triples.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 20
    for row in rows:
        first, second, negative = (WORDS.parse(row[k]) for k in ("sent0", "sent1", "hard_neg"))
        assert statements(first) == statements(second)
        named = len(WORDS.split(row["sent0"]))
        apart = grain_distance_matrix([first], [negative], WORDS)[0, 0]
        assert apart * named / WORDS.caption_grains == pytest.approx(1)


def test_the_base_learns_to_write_canonical_captions(world: MBeir) -> None:
    for name in world.tasks("base"):
        answers = captions(world, name)
        for query in world.queries(name):
            answer = answers[query.positives[0]]
            assert caption(WORDS.parse(answer)) == answer
            if name.task == 1:
                assert caption(WORDS.parse(query.text or "")) == answer
            if name.task == 3:
                assert json.loads(query.source or "")["caption"] == answer


def test_the_base_is_kept_from_benchmark_scenes(tmp_path: Path) -> None:
    taken: set[Scene] = set()
    draw_cases(30, Random(0), taken)
    split = BaseSplit(writing.Studio(tmp_path, "world", 0), WORDS, taken)
    assert all(split._scene() not in taken for _ in range(200))
