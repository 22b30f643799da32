"""Batches of prefixes: padded on the left, pictures in their places."""

from __future__ import annotations

import pytest
import torch

from elva.items import Item
from elva.model.embedder import Embedder
from elva.model.inputs import Inputs


@pytest.fixture
def inputs(embedder: Embedder) -> Inputs:
    return Inputs(embedder.backbone, embedder.processor, embedder.features)


def test_prefixes_end_together(inputs: Inputs, items: list[Item]) -> None:
    prepared = inputs.prepare(items, "generative")
    prefix = inputs.collate(prepared)
    widths = torch.tensor([len(one) for one in prepared])
    assert len(prefix) == len(items)
    assert torch.equal(prefix.mask.sum(-1), widths)
    assert prefix.mask[:, -1].all()
    assert not prefix.mask[widths.argmin(), 0]
    assert prefix.next_position.tolist() == [one.next_position for one in prepared]


def test_a_row_holds_the_same_alone_and_in_company(inputs: Inputs, items: list[Item]) -> None:
    prepared = inputs.prepare(items, "generative")
    together = inputs.collate(prepared)
    for row, one in enumerate(prepared):
        alone = inputs.collate([one])
        own = together.mask[row]
        assert torch.equal(together.inputs[row, own], alone.inputs[0])
        assert torch.equal(together.positions[:, row, own], alone.positions[:, 0])


def test_visual_tokens_lie_where_the_pads_were(inputs: Inputs, items: list[Item]) -> None:
    prepared = inputs.prepare(items, "generative")
    prefix = inputs.collate(prepared)
    for row, one in enumerate(prepared):
        pads = inputs.processor.types(one.ids) > 0
        shown = prefix.inputs[row, prefix.mask[row]][pads]
        if not one.shown:
            assert not pads.any()
        else:
            assert torch.equal(shown, torch.cat(one.visual))


def test_pictures_may_be_looked_at_when_they_are_read(inputs: Inputs, items: list[Item]) -> None:
    early, late = (inputs.prepare(items, "generative", look=look) for look in (True, False))
    assert not any(one.visual for one in late)
    assert [len(one) for one in late] == [len(one) for one in early]
    torch.testing.assert_close(inputs.collate(late).inputs, inputs.collate(early).inputs, atol=1e-6, rtol=0)


def test_looking_live_shows_the_same_with_gradient(inputs: Inputs, items: list[Item]) -> None:
    inputs.backbone.open_training("all")
    kept, live = inputs.prepare(items, "generative"), inputs.prepare_live(items, "generative")
    torch.testing.assert_close(inputs.collate(live).inputs, inputs.collate(kept).inputs, atol=1e-6, rtol=0)
    inputs.collate(live).inputs.square().sum().backward()
    tower = inputs.backbone.plain.model.visual
    assert any(p.grad is not None and p.grad.abs().max() > 0 for p in tower.parameters())


def test_live_text_needs_no_pictures(inputs: Inputs) -> None:
    (one,) = inputs.prepare_live([Item(text="red")], "one_word")
    assert not one.visual


def test_padding_changes_no_reading_of_the_model(embedder: Embedder, inputs: Inputs, items: list[Item]) -> None:
    prepared = inputs.prepare(items, "one_word")
    from elva.model.rollout import read_prompt

    together = read_prompt(embedder.backbone, inputs.collate(prepared))
    alone = torch.cat([read_prompt(embedder.backbone, inputs.collate([one])) for one in prepared])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=0)
