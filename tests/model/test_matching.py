"""Yes or no: what a plain forward gives, and a turn that both items stand in."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from elva.errors import CheckpointError, InputError
from elva.items import Item
from elva.media import load_image
from elva.model import matching
from elva.model.embedder import Embedder
from elva.model.matching import Matching
from elva.prompts import MATCH
from families import CLASSES, save_family


def still(items: list[Item]) -> list[tuple[Item, Item]]:
    """Every pair of what is no video: texts, pictures and both, on either side."""
    some = [item for item in items if item.video is None]
    return [(query, candidate) for query in some for candidate in some]


def plain(embedder: Embedder, pair: tuple[Item, Item]) -> float:
    """The same by transformers' own forward."""
    processor, shown = embedder.processor, {}
    pictures = [[load_image(item.image)] for item in pair if item.image is not None]
    grids = None
    if pictures:
        pixels, grids = processor.pixels(pictures)
        shown = {"pixel_values": pixels, "image_grid_thw": grids}
    ids = processor.pair_tokens([pair], [grids])[0].ids[None]
    embedder.backbone.hf.model.rope_deltas = None  # state left by the last call
    with torch.no_grad():
        logits = embedder.backbone.hf(input_ids=ids, mm_token_type_ids=processor.types(ids), **shown).logits[0, -1]
    yes, no = (processor.written_ids(answer)[0] for answer in ("Yes", "No"))
    logprobs = logits.log_softmax(-1)
    return float(logprobs[yes] - logprobs[no])


@pytest.mark.parametrize("family", CLASSES)
def test_a_score_is_that_of_a_plain_forward_in_every_family(family: str, items: list[Item], tmp_path: Path) -> None:
    embedder = Embedder.load(save_family(family, tmp_path / family))
    pairs = still(items)[::3]
    scores = Matching(embedder).scores(pairs)
    assert scores == pytest.approx([plain(embedder, pair) for pair in pairs], abs=1e-4)
    assert len({round(score, 5) for score in scores}) == len(pairs)


def test_grouping_changes_nothing(embedder: Embedder, items: list[Item], monkeypatch: pytest.MonkeyPatch) -> None:
    pairs, ticks = still(items), list[int]()
    expected = Matching(embedder).scores(pairs, ticks.append)
    assert sum(ticks) == len(pairs) == 25
    monkeypatch.setattr(matching, "WINDOW", 4)
    monkeypatch.setattr(matching, "PAIRS", 3)
    assert Matching(embedder).scores(pairs) == pytest.approx(expected, abs=1e-5)


def test_the_turn_asks_shows_the_query_and_then_the_candidate(embedder: Embedder) -> None:
    pair = (Item(text="red [RET]", instruction="find it"), Item(text="blue"))
    turn = embedder.processor.decode(embedder.processor.pair_tokens([pair], [None])[0].ids.tolist())
    assert f"{MATCH}Query:find it red" in turn
    assert turn.index("red") < turn.index("Candidate:blue")


def test_long_texts_are_cut_and_say_so(embedder: Embedder) -> None:
    longest = embedder.processor.settings.max_text
    pairs = [(Item(text="red"), Item(text="blue " * (longest + 5))), (Item(text="red"), Item(text="blue"))]
    assert [turn.truncated for turn in embedder.processor.pair_tokens(pairs, [None, None])] == [True, False]


def test_videos_are_refused(embedder: Embedder, items: list[Item]) -> None:
    with pytest.raises(InputError, match=r"video of 2 frames.*was tried with no video"):
        Matching(embedder).scores([(items[0], items[-1])])


def test_answers_that_begin_alike_are_refused(embedder: Embedder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(embedder.processor), "written_ids", lambda self, text: [7])
    with pytest.raises(CheckpointError, match="random: Yes and No begin with one token"):
        Matching(embedder)
