"""Settings and data that hold for every test."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

# `make test` draws the same examples each time, so that it passes or fails for what changed and not by luck;
# `make test-long` explores new ones.
settings.register_profile("same", derandomize=True, deadline=None)
settings.register_profile("explore", deadline=None, max_examples=500, print_blob=True)
settings.load_profile("same")

# Before torch is imported: tiny models are fastest on one thread, and nothing is downloaded.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("MPLBACKEND", "Agg")


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built-in world at its smallest, base split included; read it, never write to it."""
    from elva.data.world import write_world

    root = tmp_path_factory.mktemp("world") / "tiny"
    write_world(root, size="tiny", base=True)
    return root
