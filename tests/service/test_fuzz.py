"""Requests made from the service's own OpenAPI: whatever comes, no answer is a fault of the service."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest
import schemathesis
import uvicorn
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from elva.search.searcher import Searcher
from elva.service.app import create_app
from inspected import Inspector
from judging import FakeEncoder
from remembered import Remembered

CHECKS = [not_a_server_error, content_type_conformance, response_schema_conformance, status_code_conformance]


@pytest.fixture
def address(index: Remembered, encoder: FakeEncoder) -> Iterator[str]:
    """A service that listens at a port."""
    listening = socket.create_server(("127.0.0.1", 0))
    app = create_app(Searcher(encoder, index), inspector=Inspector())
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    server.should_exit = True
    thread.join()


def fuzz(address: str, examples: int) -> set[str]:
    """Ask every operation so often, by the schema and against it; which ones were asked."""
    schema = schemathesis.openapi.from_url(f"{address}/openapi.json")
    seen = set()
    for result in schema.get_all_operations():
        operation = result.ok()
        seen.add(f"{operation.method.upper()} {operation.path}")
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):

            @given(case=operation.as_strategy(generation_mode=mode))
            @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck), database=None)
            def ask(case: schemathesis.Case) -> None:
                case.call_and_validate(base_url=address, checks=CHECKS)

            with suppress(Unsatisfiable):  # an operation without parameters can't be asked wrongly
                ask()
    return seen


def test_no_request_is_answered_with_a_fault(address: str) -> None:
    assert {"POST /search", "GET /search", "GET /items/{id}/image", "POST /v1/embeddings"} <= fuzz(address, 8)


@pytest.mark.long
def test_no_request_of_many_is_answered_with_a_fault(address: str) -> None:
    fuzz(address, 400)
