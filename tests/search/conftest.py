from __future__ import annotations

import pytest

from elva.model.embedder import Embedder
from smallest import smallest_embedder


@pytest.fixture
def embedder() -> Embedder:
    """A random model of the real classes, small enough for a test."""
    return smallest_embedder()
