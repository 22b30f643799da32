"""Reading texts with a lexicon, masking grains, and the distance between facts."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elva.data.world import lexicon
from elva.data.world.edits import apply, edits
from elva.data.world.facts import facts
from elva.data.world.scenes import draw_scene
from elva.grains import Facts, FactTable, Grain, Lexicon, grain_distance_matrix, naming

WORLD = lexicon()
FASHION = Lexicon(
    kinds={
        "gender": {"men": ["men", "men's"], "women": ["women", "women's"]},
        "colour": {"blue": ["blue"], "navy blue": ["navy blue"], "red": ["red"]},
        "type": {"shoes": ["shoes"], "sports shoes": ["sports shoes"]},
        "brand": {"red tape": ["red tape"]},
    },
    dominant=("type",),
    placeholder="item",
)
seeds = st.integers(0, 2**32)


def only(matrix: np.ndarray) -> float:
    assert matrix.shape == (1, 1)
    return float(matrix[0, 0])


def distance(first: str, second: str, words: Lexicon = WORLD) -> float:
    return only(grain_distance_matrix([words.parse(first)], [words.parse(second)], words))


@given(seed=seeds, share=st.sampled_from([0.0, 1.0]))
def test_a_misnamed_text_names_other_values_of_the_same_kinds(seed: int, share: float) -> None:
    text = "a small red striped circle to the left of a large blue house on a gray background"
    grains = WORLD.split(text)
    wrong = WORLD.split(WORLD.misnamed(text, share, np.random.default_rng(seed)))
    assert [grain.kind for grain in wrong] == [grain.kind for grain in grains]
    changed = [WORLD.value(new) != WORLD.value(old) for new, old in zip(wrong, grains, strict=True)]
    assert changed == [share == 1.0] * len(grains)


def test_what_has_one_value_only_can_not_be_misnamed() -> None:
    wrong = FASHION.misnamed("red tape shoes for men", 1.0, np.random.default_rng(0))
    assert wrong == "red tape sports shoes for women"


def test_reads_entities_relations_and_background() -> None:
    said = WORLD.parse("A Small red disc to the left of an upside-down house on a grey background.")
    assert said.entities == (
        {"size": "small", "colour": "red", "shape": "circle"},
        {"pose": "upside-down", "shape": "house"},
    )
    assert said.relations == ((0, "left of", 1),)
    assert said.scene == {"background": "gray"}


@pytest.mark.parametrize(
    ("text", "entities"),
    [
        ("a triangle, red and striped", [{"shape": "triangle", "colour": "red", "fill": "striped"}]),
        ("red, striped triangle", [{"colour": "red", "fill": "striped", "shape": "triangle"}]),
        ("a triangle with dots a red box", [{"shape": "triangle", "fill": "dotted"},
                                            {"colour": "red", "shape": "square"}]),
        ("red striped", [{"colour": "red", "fill": "striped"}]),
        ("a red object and a box", [{"colour": "red"}, {"shape": "square"}]),
        ("circle square", [{"shape": "circle"}, {"shape": "square"}]),
        ("nothing known here", []),
        ("", []),
    ],
)  # fmt: skip
def test_groups_grains_into_entities(text: str, entities: list[dict[str, str]]) -> None:
    assert list(WORLD.parse(text).entities) == entities


def test_unknown_words_and_parts_of_words_are_ignored() -> None:
    assert WORLD.parse("a shiny redwood circled circle").entities == ({"shape": "circle"},)


def test_flat_lexicon_reads_one_entity_with_values_of_several_words() -> None:
    said = FASHION.parse("Red Tape men's Navy  Blue sports shoes, and more")
    assert said == Facts(({"brand": "red tape", "gender": "men", "colour": "navy blue", "type": "sports shoes"},))


def test_split_gives_spans_and_texts_that_still_read() -> None:
    text = "an orange circle left of a blue house on gray"
    grains = {grain.text: grain for grain in WORLD.split(text)}
    assert all(text[slice(*grain.span)] == grain.text for grain in grains.values() if grain.span)
    assert {words: grain.masked_txt for words, grain in grains.items()} == {
        "orange": "a circle left of a blue house on gray",
        "circle": "an orange object left of a blue house on gray",
        "left of": "an orange circle and a blue house on gray",
        "blue": "an orange circle left of a house on gray",
        "house": "an orange circle left of a blue object on gray",
        "on gray": "an orange circle left of a blue house",
    }


def test_masking_in_flat_data_replaces_the_dominant_kind_and_never_leaves_nothing() -> None:
    assert [g.masked_txt for g in FASHION.split("navy blue shoes")] == ["shoes", "navy blue item"]
    assert [g.masked_txt for g in FASHION.split("navy blue")] == ["item"]


def test_masking_mends_articles_both_ways() -> None:
    words = Lexicon(kinds={"colour": {"red": ["red"], "orange": ["orange"]}})
    assert words.split("a red umbrella")[0].masked_txt == "an umbrella"
    assert words.split("An orange unisex bag")[0].masked_txt == "A unisex bag"


def test_empty_lexicon_reads_nothing() -> None:
    assert Lexicon().parse("a red circle") == Facts()
    assert Lexicon().split("a red circle") == ()


def test_lexicon_survives_its_file(tmp_path: Path) -> None:
    WORLD.save(tmp_path / "grains.json")
    assert Lexicon.load(tmp_path / "grains.json") == WORLD


def test_grain_survives_its_row() -> None:
    for grain in (Grain("colour", "red", (2, 5), "a circle"), Grain("colour", "red")):
        assert Grain.from_row(grain.to_row()) == grain
    with pytest.raises(KeyError):
        Grain.from_row({"kind": "colour"})


def test_one_grain_of_a_full_caption_of_two_counts_one() -> None:
    two = "small red solid upright house left of large blue hollow upright moon on gray"
    assert WORLD.caption_grains == 12
    assert distance(two, two) == 0
    assert distance(two, two.replace("solid", "dotted")) == pytest.approx(1)
    assert distance(two, two.replace("left of", "above")) == pytest.approx(1)
    assert distance(two, two.replace("gray", "tan")) == pytest.approx(1)


def test_distance_is_the_share_of_what_both_name() -> None:
    assert distance("a red circle", "a small blue circle on gray") == pytest.approx(12 / 2)


def test_distance_pairs_entities_and_knows_inverse_relations() -> None:
    assert distance("a red circle left of a blue box", "a blue box right of a red circle") == 0
    assert distance("a red circle left of a blue box", "a blue box left of a red circle") > 0


def test_entity_without_partner_counts_one_differing_grain() -> None:
    assert distance("a red circle", "a red circle and a blue box") == pytest.approx(12 / 3)


def test_the_one_entity_of_a_text_is_paired_with_its_like_whichever_side_it_is_on() -> None:
    assert distance("a blue box and a red circle", "a red circle") == pytest.approx(12 / 3)
    assert distance("a red circle", "a blue box and a red circle") == pytest.approx(12 / 3)


@given(seeds)
def test_distance_is_the_same_in_both_directions(seed: int) -> None:
    rng = Random(seed)
    first, second = ([_part(rng, facts(draw_scene(rng))) for _ in range(rng.randint(1, 3))] for _ in range(2))
    there = grain_distance_matrix(first, second, WORLD)
    assert np.array_equal(there, grain_distance_matrix(second, first, WORLD).T, equal_nan=True)


def _part(rng: Random, said: Facts) -> Facts:
    """What a shorter text would say: the first entities, with some of their grains."""
    kept = rng.randint(0, len(said.entities))
    return Facts(
        tuple({kind: value for kind, value in e.items() if rng.random() < 0.6} for e in said.entities[:kept]),
        tuple(relation for relation in said.relations if max(relation[0], relation[2]) < kept),
        said.scene,
    )


def test_nothing_shared_is_nan() -> None:
    assert np.isnan(distance("red", "small"))
    assert np.isnan(distance("", "a red circle"))


@given(seeds)
def test_distance_ignores_the_order_of_three_entities(seed: int) -> None:
    rng = Random(seed)
    scene = draw_scene(rng)
    said = facts(scene)
    order = list(range(len(said.entities)))
    rng.shuffle(order)
    place = {old: new for new, old in enumerate(order)}
    shuffled = replace(
        said,
        entities=tuple(said.entities[old] for old in order),
        relations=tuple((place[i], value, place[j]) for i, value, j in said.relations),
    )
    assert only(grain_distance_matrix([said], [shuffled], WORLD)) == 0


@given(seeds)
def test_distance_counts_one_edit_as_one_grain_of_those_named(seed: int) -> None:
    rng = Random(seed)
    scene = draw_scene(rng)
    edit = rng.choice([e for kind in ("colour", "size", "fill", "background") for e in edits(scene, kind)])
    named = sum(len(e) for e in facts(scene).entities) + len(scene.relations) + 1
    found = only(grain_distance_matrix([facts(scene)], [facts(apply(scene, edit))], WORLD))
    assert found == pytest.approx(WORLD.caption_grains / named)


def test_table_rows_can_be_taken_and_many_pairs_are_fast() -> None:
    rng = Random(0)
    said = [facts(draw_scene(rng)) for _ in range(300)]
    table = FactTable.encode(said, WORLD)
    started = time.process_time()
    matrix = table.distance(table)
    assert time.process_time() - started < 0.5  # about 0.02 s on an idle core
    assert matrix.dtype == np.float32
    assert np.array_equal(matrix, matrix.T)
    assert not matrix.diagonal().any()
    rows = np.array([5, 3])
    assert np.array_equal(table.take(rows).distance(table), matrix[rows])


def test_naming_counts_each_value_as_often_as_it_is_said() -> None:
    words = lexicon()
    shown = [("shape", "circle"), ("colour", "red"), ("shape", "moon"), ("colour", "red"), ("background", "tan")]
    grains = [Grain(kind, text) for kind, text in shown]
    written = [
        (grains, "red circle left of red moon on tan"),  # all of it
        (grains, "red circle left of blue moon"),  # one red of two, no background
        (grains, ""),
    ]
    assert naming(written, words) == {"background": (1, 3), "colour": (3, 6), "shape": (4, 6)}


def test_naming_knows_a_query_s_words_for_a_value() -> None:
    words = lexicon()
    text = "a little violet hut over a red disc"
    written = [(words.split(text), "small purple house above red circle"), (words.split(text), "red circle")]
    assert naming(written, words) == {"colour": (3, 4), "relation": (1, 2), "shape": (3, 4), "size": (1, 2)}
