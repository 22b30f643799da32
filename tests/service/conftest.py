"""A service over 32 shapes, with an encoder that needs no model."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from fastapi.testclient import TestClient

from elva.search.searcher import Searcher
from elva.service.app import create_app
from elva.service.state import Settings
from inspected import Inspector, lacking
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
            app = create_app(searcher, settings, Inspector(), lacking)
            return running.enter_context(TestClient(app, raise_server_exceptions=True, **parts))

        yield start


@pytest.fixture
def client(serving: Serving) -> TestClient:
    return serving()


@pytest.fixture
def listening(index: Remembered, encoder: FakeEncoder) -> Iterator[Callable[..., str]]:
    """Start services over the shapes that listen at a port; gives their addresses."""
    with ExitStack() as running:

        def start(settings: Settings | None = None) -> str:
            at = socket.create_server(("127.0.0.1", 0))
            app = create_app(Searcher(encoder, index), settings, Inspector(), lacking)
            server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False))
            thread = threading.Thread(target=server.run, kwargs={"sockets": [at]})
            thread.start()
            running.callback(thread.join)
            running.callback(setattr, server, "should_exit", True)
            while not server.started:
                time.sleep(0.01)
            return f"http://127.0.0.1:{at.getsockname()[1]}"

        yield start
