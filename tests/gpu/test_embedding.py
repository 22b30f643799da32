"""On a GPU the embedder gives what it gives on the CPU."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from elva.items import Item
from elva.model.embedder import Embedder

ITEMS = [Item(text="a small red triangle left of a blue circle"), Item(text="a large green heart")]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_vectors_and_summaries_equal_those_of_the_cpu():
    here = Embedder.load("tiny-base").embed(ITEMS)
    there = Embedder.load("tiny-base", device="cuda").embed(ITEMS)
    assert here.summaries == there.summaries
    np.testing.assert_allclose(here.vectors, there.vectors, atol=1e-4)
