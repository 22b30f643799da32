"""Vectors that are the mean over several summaries: of whom, how they are drawn, and that neighbours change nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from elva.errors import CheckpointError
from elva.items import Item
from elva.model import averaging
from elva.model.averaging import fixed_draws, items_at_once, mean_vector, write
from elva.model.embedder import Embedder
from elva.model.inputs import Inputs, Prefix
from elva.model.rollout import Rollouts, given, replay, sample
from elva.model.settings import Settings

EACH = pytest.mark.parametrize("bottleneck", ["none", "states", "words", "pictures"])


def averaged(embedder: Embedder, summaries: int = 5, bottleneck: str = "none") -> Embedder:
    changed = {"summaries": summaries, "summary_temperature": 0.8, "bottleneck": bottleneck}
    embedder.processor.settings = replace(embedder.processor.settings, **changed)
    return embedder


def prefix_of(embedder: Embedder, items: list[Item]) -> Prefix:
    inputs = Inputs(embedder.backbone, embedder.processor, embedder.features)
    return inputs.collate(inputs.prepare(items, "generative"))


def wrote(embedder: Embedder, items: list[Item]) -> Rollouts:
    with torch.inference_mode():
        return write(embedder.backbone, embedder.processor, prefix_of(embedder, items))


def words(rollouts: Rollouts, row: int, column: int) -> list[int]:
    return rollouts.tokens[row, column][rollouts.mask[row, column]].tolist()


@EACH
def test_a_vector_is_the_mean_of_what_each_summary_gives_alone(
    embedder: Embedder, items: list[Item], bottleneck: str
) -> None:
    rollouts = wrote(averaged(embedder, 5, bottleneck), items)
    prefix, vectors = prefix_of(embedder, items), embedder.encode(items)
    alone = []
    for column in range(5):
        summary = given([words(rollouts, row, column) for row in range(len(items))], embedder.dimension)
        with torch.inference_mode():
            alone.append(replay(embedder.backbone, embedder.processor, prefix, summary).embeddings[:, 0])
    expected = F.normalize(torch.stack(alone).mean(0), dim=-1)
    np.testing.assert_allclose(vectors, expected.numpy(), atol=1e-5)
    assert (torch.stack(alone) - alone[0]).abs().max() > 1e-3, "summaries all alike would prove nothing"


@EACH
def test_order_batch_and_neighbours_change_nothing(embedder: Embedder, items: list[Item], bottleneck: str) -> None:
    expected = averaged(embedder, 5, bottleneck).embed(items)
    order = [3, 6, 0, 4, 1, 5, 2, 3]
    for size in (1, 2, 64):
        other = embedder.embed([items[i] for i in order], batch_size=size)
        np.testing.assert_allclose(other.vectors, expected.vectors[order], atol=1e-5)
        assert other.summaries == [expected.summaries[i] for i in order]


def test_the_same_again_is_the_same_to_the_bit_whatever_was_drawn_between(
    embedder: Embedder, items: list[Item]
) -> None:
    before = averaged(embedder).encode(items)
    torch.manual_seed(7)
    torch.rand(3)
    np.testing.assert_array_equal(embedder.encode(items), before)


def test_the_summary_told_is_the_greedy_one_and_part_of_the_mean(embedder: Embedder, items: list[Item]) -> None:
    greedy = sample(embedder.backbone, embedder.processor, prefix_of(embedder, items))
    told = embedder.embed(items).summaries
    rollouts = wrote(averaged(embedder), items)
    assert [words(rollouts, row, 0) for row in range(len(items))] == [words(greedy, r, 0) for r in range(len(items))]
    assert embedder.embed(items).summaries == told
    assert any(words(rollouts, row, 0) != words(rollouts, row, 1) for row in range(len(items)))


def test_one_summary_is_the_greedy_vector_to_the_bit(embedder: Embedder, items: list[Item]) -> None:
    greedy = sample(embedder.backbone, embedder.processor, prefix_of(embedder, items)).embeddings[:, 0]
    rollouts = wrote(averaged(embedder, 1), items)
    assert torch.equal(mean_vector(rollouts.embeddings), greedy)


def test_an_item_counts_once_where_any_of_its_summaries_was_cut(embedder: Embedder, items: list[Item]) -> None:
    rollouts, encoding = wrote(averaged(embedder), items), embedder.embed(items)
    assert encoding.forced_ret == int(rollouts.forced.any(1).sum()) <= len(items)


def test_draws_are_uniform_and_each_part_of_the_line_has_one() -> None:
    draws = fixed_draws(7, 4000)
    assert torch.equal(draws, fixed_draws(7, 4000))
    assert draws.dtype == torch.float64
    assert ((draws >= 0) & (draws < 1)).all()
    assert torch.equal((draws * 7).long().sort(0).values, torch.arange(7)[:, None].expand(7, 4000))
    for column in draws:
        np.testing.assert_allclose(torch.histc(column, 10, 0, 1) / 4000, 0.1, atol=0.02)
    from_word_to_word = torch.corrcoef(torch.stack([draws[0, :-1], draws[0, 1:]]))
    assert abs(float(from_word_to_word[0, 1])) < 0.05


def test_a_forward_holds_fewer_items_where_each_has_several_summaries() -> None:
    assert items_at_once(1, 1000) == 1000
    assert items_at_once(8, 128) == 64
    assert items_at_once(8, 32) == 32
    assert items_at_once(1000, 128) == 1


def test_it_is_the_same_across_forwards_of_that_size(
    embedder: Embedder, items: list[Item], monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = averaged(embedder).encode(items)
    done: list[int] = []
    monkeypatch.setattr(averaging, "WRITTEN_AT_ONCE", 10)
    np.testing.assert_allclose(embedder.embed(items, progress=done.append).vectors, expected, atol=1e-5)
    assert (max(done), sum(done)) == (2, len(items))


def test_one_word_vectors_are_what_they_were(embedder: Embedder, items: list[Item]) -> None:
    before = embedder.embed(items, extraction="one_word", batch_size=3).vectors
    np.testing.assert_array_equal(averaged(embedder).embed(items, extraction="one_word", batch_size=3).vectors, before)


def test_it_is_the_checkpoint_s_own(embedder: Embedder, items: list[Item], tmp_path: Path) -> None:
    before = Embedder(embedder.backbone, embedder.processor, "one").fingerprint
    averaged(embedder).save(tmp_path / "m")
    loaded = Embedder.load(tmp_path / "m")
    assert (loaded.processor.settings.summaries, loaded.processor.settings.summary_temperature) == (5, 0.8)
    assert loaded.fingerprint != before, "an index of the other one is refused"
    np.testing.assert_array_equal(loaded.encode(items), embedder.encode(items))
    assert "the mean over 5 summaries" in (tmp_path / "m" / "README.md").read_text("utf-8")


def test_it_is_written_where_it_is_not_the_usual(tmp_path: Path) -> None:
    Settings().save(tmp_path)
    assert "summar" not in (tmp_path / "elva.json").read_text().split('"max_text"')[1]
    Settings(summaries=8, summary_temperature=0.7).save(tmp_path)
    assert Settings.load(tmp_path) == Settings(summaries=8, summary_temperature=0.7)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (Settings(summaries=0), "summaries 0, not a whole number of at least 1"),
        (Settings(summaries="8"), "summaries '8', not a whole number"),
        (Settings(summaries=8, summary_temperature=0.0), "summary_temperature 0.0, not a number above 0"),
        (Settings("one_word", summaries=8), "summaries 8 and extraction one_word, which writes none"),
    ],
)
def test_what_can_not_be_is_refused(tmp_path: Path, settings: Settings, words: str) -> None:
    settings.save(tmp_path)
    with pytest.raises(CheckpointError, match=rf"elva\.json.*{words}"):
        Settings.load(tmp_path)


def test_a_temperature_that_nothing_has_is_refused() -> None:
    with pytest.raises(ValueError, match=r"summary_temperature 0\.5 and summaries 1, which is greedy"):
        Settings.from_row(Settings().to_row() | {"summary_temperature": 0.5})
