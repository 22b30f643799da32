"""Items of several turns: every picture and text is read, in order, as a plain forward reads them."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import torch

from elva.items import Item
from elva.model.embedder import Embedder
from elva.model.inputs import Inputs
from elva.model.matching import Matching
from elva.model.processor import IMAGE_PAD
from elva.model.rollout import given, replay
from families import CLASSES, save_family
from plain import plain_inputs


@pytest.fixture
def talk(items: list[Item]) -> list[Item]:
    """Three turns: a picture with words, words, a picture of another size."""
    return [Item("red", items[1].image), Item("small"), Item("blue circle", items[3].image)]


@pytest.fixture
def clips(items: list[Item]) -> list[Item]:
    return [Item("red", video=items[5].video), Item(video=items[6].video), Item("circle")]


@pytest.mark.parametrize("family", CLASSES)
def test_turns_are_read_as_transformers_reads_them(
    family: str, talk: list[Item], clips: list[Item], tmp_path: Path
) -> None:
    embedder = Embedder.load(save_family(family, tmp_path / family, ret=True))
    mixed = [Item(turns=turns) for turns in ([clips[0], talk[0], talk[2]], [*talk, *clips], [clips[1], talk[2]])]
    items = [Item(turns=talk, instruction="find the picture"), Item(turns=clips), *talk, *mixed]
    summary = embedder.processor.summary_ids("red circle")
    inputs = Inputs(embedder.backbone, embedder.processor, embedder.features)
    prefix = inputs.collate(inputs.prepare(items, "generative"))
    read = replay(embedder.backbone, embedder.processor, prefix, given([summary] * len(items), embedder.dimension))
    for row, item in enumerate(items):
        embedder.backbone.hf.model.rope_deltas = None  # state left by the last call
        told = plain_inputs(embedder, item, torch.tensor(summary))
        with torch.no_grad():
            hidden = embedder.backbone.hf.model(attention_mask=torch.ones_like(told["input_ids"]), **told)[0][0, -1]
        torch.testing.assert_close(read.embeddings[row, 0], hidden / hidden.norm(), atol=2e-5, rtol=0)


@pytest.mark.parametrize("extraction", ["one_word", "generative"])
def test_one_turn_is_the_item_itself(embedder: Embedder, talk: list[Item], extraction: Any) -> None:
    plain = [Item(turn.text, turn.image, "find the picture") for turn in talk]
    single = [Item(turns=[turn], instruction="find the picture") for turn in talk]
    vectors = embedder.embed([*plain, *single], extraction=extraction).vectors
    assert (vectors[:3] == vectors[3:]).all()


@pytest.mark.parametrize("extraction", ["one_word", "generative"])
def test_the_order_of_turns_and_every_part_of_them_matter(
    embedder: Embedder, talk: list[Item], extraction: Any
) -> None:
    first, second, last = talk
    others = [
        [last, second, first],
        [first, last, second],
        [Item("red", last.image), second, Item("blue circle", first.image)],  # the pictures changed places
        [Item("red"), second, last],
        [first, second, Item("blue circle")],
        [first, Item("large"), last],
        [first, last],
    ]
    vectors = embedder.embed([Item(turns=turns) for turns in [talk, *others]], extraction=extraction).vectors
    for one, other in combinations(vectors, 2):
        assert abs(one - other).max() > 1e-4


def test_pictures_stand_between_the_words_of_their_turns(embedder: Embedder, talk: list[Item]) -> None:
    processor, grids = embedder.processor, torch.tensor([[1, 1, 2], [1, 1, 3]])
    turn = processor.tokenizer.decode(processor.tokens(Item(turns=talk), "generative", grids).ids)
    pictures = [f"<|vision_start|>{IMAGE_PAD * many}<|vision_end|>" for many in (2, 3)]
    assert f"user\n{pictures[0]}red\nsmall\n{pictures[1]}blue circle\nSummarize:<|im_end|>" in turn


def test_turns_may_be_looked_at_when_they_are_read(embedder: Embedder, talk: list[Item], items: list[Item]) -> None:
    inputs, mixed = Inputs(embedder.backbone, embedder.processor, embedder.features), [*items, Item(turns=talk)]
    early, late = (inputs.collate(inputs.prepare(mixed, "generative", look=look)) for look in (True, False))
    torch.testing.assert_close(late.inputs, early.inputs, atol=1e-6, rtol=0)
    assert torch.equal(late.positions, early.positions)


def test_a_long_text_in_any_turn_is_cut_and_counted(embedder: Embedder, talk: list[Item]) -> None:
    long = Item("red " * 200)
    assert embedder.embed([Item(turns=talk), Item(turns=[*talk, long])]).truncated == 1


def test_turns_are_matched_with_a_candidate(embedder: Embedder, talk: list[Item]) -> None:
    first, second, last = talk
    asked = [Item(turns=turns) for turns in (talk, [last, second, first], talk[:2])]
    scores = Matching(embedder).scores([(item, second) for item in asked])
    assert len(set(scores)) == 3
