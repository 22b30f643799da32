"""h: how many grains two candidates differ in, by the base's captions."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from elva.data.mbeir import Candidate, MBeir
from elva.data.world.words import lexicon
from elva.errors import InputError
from elva.grains import Lexicon
from elva.training.order import GrainOrder
from elva.training.prepared import candidate_key

WORDS = {
    "100:1": "a small red striped triangle left of a large blue solid circle on a white background",
    "100:2": "a small green striped triangle left of a large blue solid circle on a white background",
    "100:3": "a small green striped triangle right of a large blue solid circle on a white background",
    "100:4": "it is raining",
    "100:5": "a large blue solid circle right of a small red striped triangle on a white background",
}


def candidate(did: str, text: str | None, image: str | None) -> Candidate:
    return Candidate(did, text, image, "image" if text is None else "text")


@pytest.fixture
def order() -> GrainOrder:
    candidates = {did: candidate(did, None, f"{did}.png") for did in WORDS}
    captions = {candidate_key(did): words for did, words in WORDS.items()}
    return GrainOrder.by_captions(candidates.values(), captions, lexicon(), other_offset=1.0)


def test_one_grain_off_is_about_one_and_two_about_two(order: GrainOrder) -> None:
    h = order.candidates(list(WORDS))
    assert float(h[0, 1]) == pytest.approx(1.0, abs=0.35)
    assert float(h[0, 2]) == pytest.approx(2 * float(h[0, 1]), rel=1e-3)
    assert h[0, 4] == 0.0, "told from the other side it is the same picture"
    torch.testing.assert_close(h, h.T, equal_nan=True)


def test_a_match_with_itself_or_with_nothing_says_nothing(order: GrainOrder) -> None:
    h = order.candidates(list(WORDS))
    assert h.diagonal().isnan().all()
    assert h[3].isnan().all()
    assert h[:, 3].isnan().all()


def test_rows_follow_the_dids_asked_for(order: GrainOrder) -> None:
    whole, some = order.candidates(list(WORDS)), order.candidates(["100:3", "100:1"])
    assert some[0, 1] == whole[2, 0]


def test_right_answers_are_at_0_and_all_others_an_offset_away(order: GrainOrder) -> None:
    right = torch.tensor([[did in own for did in WORDS] for own in (("100:1", "100:4"), ("100:2",))])
    h = order.queries(["100:1", "100:2"], list(WORDS), right)
    between = order.candidates(list(WORDS))
    assert h[0, 0] == 0.0
    assert h[0, 3] == 0.0, "it is right whatever its caption says"
    assert h[0, 1] == pytest.approx(float(between[0, 1]) + 1.0)
    assert h[0, 4] == pytest.approx(1.0), "the same words, but not the answer"
    assert h[1, 1] == 0.0
    assert h[1, 3].isnan()


def test_without_words_for_grains_there_is_no_order() -> None:
    with pytest.raises(InputError, match=r"no grains\.json.*reinforce\.weights\.order"):
        GrainOrder.by_captions({}, {}, Lexicon(), 1.0)


def test_a_text_speaks_for_itself_and_a_picture_through_its_caption() -> None:
    candidates = {
        "100:1": candidate("100:1", WORDS["100:1"], None),
        "100:2": candidate("100:2", None, "2.png"),
        "100:3": Candidate("100:3", WORDS["100:3"], "3.png", "image,text"),
    }
    captions = {candidate_key("100:2"): WORDS["100:2"], candidate_key("100:3"): WORDS["100:1"]}
    h = GrainOrder.by_captions(candidates.values(), captions, lexicon(), 0.0).candidates(list(candidates))
    assert h[0, 1] > 0
    assert h[0, 2] == 0.0


def test_captions_made_wrong_on_purpose_move_pictures_and_leave_texts_alone() -> None:
    shown = {did: candidate(did, None, f"{did}.png") for did in WORDS}
    told = {did: candidate(did, words, None) for did, words in WORDS.items()}
    captions = {candidate_key(did): words for did, words in WORDS.items()}

    def between(candidates: dict[str, Candidate], share: float, seed: int = 0) -> torch.Tensor:
        order = GrainOrder.by_captions(candidates.values(), captions, lexicon(), 1.0, share, seed)
        return order.candidates(list(WORDS)).nan_to_num(-1.0)

    true = between(shown, 0.0)
    assert not torch.equal(between(shown, 1.0), true)
    assert torch.equal(between(shown, 0.5), between(shown, 0.5)), "drawn from the seed"
    assert torch.equal(between(told, 1.0), true)


def test_the_world_s_own_near_misses_are_nearer_than_the_rest(world: Path) -> None:
    data = MBeir.open(world)
    (name,) = data.tasks("test", ("mrbench",), (3,))  # text candidates
    queries, pool = data.queries(name), {c.did: c for c in data.pool(name)}
    order = GrainOrder.by_captions(pool.values(), {}, data.lexicon(), 1.0)
    right = torch.tensor([[did in query.positives for did in pool] for query in queries])
    h = order.queries([query.positives[0] for query in queries], list(pool), right)
    place = {did: column for column, did in enumerate(pool)}
    for row, asked in enumerate(queries):
        near = [float(h[row, place[miss.did]]) for miss in asked.near_misses]
        assert all(1.0 < each < 4.0 for each in near)
        assert sum(near) / len(near) < float(h[row].nanmean())


def test_annotations_say_of_a_picture_what_is_true(world: Path) -> None:
    data = MBeir.open(world)
    (name,) = data.tasks("test", ("mrbench",), (0,))  # pictures
    pool = list(data.pool(name))
    told = GrainOrder.by_annotations(pool, data.lexicon(), 1.0)
    truth = {candidate_key(c.did): json.loads(c.source or "")["caption"] for c in pool}
    captioned = GrainOrder.by_captions(pool, truth, data.lexicon(), 1.0)
    dids = [c.did for c in pool]
    assert torch.equal(told.candidates(dids).nan_to_num(-1.0), captioned.candidates(dids).nan_to_num(-1.0))


@pytest.mark.parametrize("source", [None, "a museum", '{"id": "7"}', "[]"])
def test_a_picture_without_an_annotation_is_named(source: str | None) -> None:
    bare = [Candidate("100:1", None, "1.png", "image", source)]
    with pytest.raises(InputError, match=r"candidate 100:1 has no caption in its src_content.*source to captions"):
        GrainOrder.by_annotations(bare, lexicon(), 1.0)


def test_by_a_reference_a_grain_is_so_much_cosine() -> None:
    vectors = np.array([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0]], np.float32)
    order = GrainOrder.by_reference(["a", "b", "c"], vectors, slope=0.1, other_offset=1.0)
    between = order.candidates(["c", "a", "b"])
    torch.testing.assert_close(between[1, 2], torch.tensor(2.0))
    torch.testing.assert_close(between[0], torch.tensor([float("nan"), 10.0, 4.0]), equal_nan=True)
    h = order.queries(["a"], ["a", "b", "c"], torch.tensor([[True, False, False]]))
    torch.testing.assert_close(h, torch.tensor([[0.0, 3.0, 11.0]]))
