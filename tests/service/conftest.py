"""A service over 32 shapes, with an encoder that needs no model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from elva.search.searcher import Searcher
from elva.service.app import create_app
from elva.service.state import Settings
from inspected import Inspector
from judging import FakeEncoder
from remembered import Remembered, shapes

Serving = Callable[..., TestClient]


@pytest.fixture
def encoder() -> FakeEncoder:
    return FakeEncoder()


@pytest.fixture
def index(tmp_path: Path, encoder: FakeEncoder) -> Remembered:
    return shapes(tmp_path, encoder)


@pytest.fixture
def serving(index: Remembered, encoder: FakeEncoder) -> Iterator[Serving]:
    """Start services over the shapes; they end with the test."""
    with ExitStack() as running:

        def start(settings: Settings | None = None, **parts: Any) -> TestClient:
            searcher = parts.pop("searcher", None) or Searcher(encoder, index)
            app = create_app(searcher, settings, Inspector())
            return running.enter_context(TestClient(app, raise_server_exceptions=True, **parts))

        yield start


@pytest.fixture
def client(serving: Serving) -> TestClient:
    return serving()
