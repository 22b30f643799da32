"""Settings and data that hold for every test."""

from __future__ import annotations

import os
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from chain import Chain
    from elva.index.address import Address

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


@pytest.fixture(scope="session")
def chain(world: Path, tmp_path_factory: pytest.TempPathFactory) -> Chain:
    """Every stage, trained for a few steps; read it, and train in folders of your own."""
    import torch

    from chain import make_chain

    before = torch.get_num_threads()
    torch.set_num_threads(1)  # sums come out bit-equal only in one order
    try:
        return make_chain(world, tmp_path_factory.mktemp("chain"))
    finally:
        torch.set_num_threads(before)


@pytest.fixture(scope="session")
def addressed(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path, str], Address | None]:
    """Where a store keeps the index of a folder: of "milvus" a collection of its own, in one Milvus Lite for all."""
    from elva.index.address import Address

    uri, numbers = tmp_path_factory.mktemp("milvus") / "lite.db", count()

    def address(folder: Path, store: str) -> Address | None:
        return Address.checked(str(uri), folder, f"test_{next(numbers)}") if store == "milvus" else None

    return address
