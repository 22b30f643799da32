"""Requests made from the service's own OpenAPI: whatever comes, no answer is a fault of the service."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from urllib.parse import urlencode

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

ADDRESS = 50_000
"""Characters; a longer one is not read, and the connection ends."""

NO_HTTP = b"Invalid HTTP request received."
"""What the server says before the service sees anything."""

CHECKS = [not_a_server_error, content_type_conformance, response_schema_conformance, status_code_conformance]


def fuzz(address: str, examples: int) -> set[str]:
    """Ask every operation so often, by the schema and against it; which ones were asked."""
    schema = schemathesis.openapi.from_url(f"{address}/openapi.json")
    seen = set()
    for result in schema.get_all_operations():
        operation = result.ok()
        seen.add(f"{operation.method.upper()} {operation.path}")
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):

            @given(case=operation.as_strategy(generation_mode=mode))
            @settings(
                max_examples=examples,
                phases=[Phase.generate],
                deadline=None,
                suppress_health_check=list(HealthCheck),
                database=None,
            )
            def ask(case: schemathesis.Case) -> None:
                assume(len(urlencode(case.query or {}, doseq=True)) < ADDRESS)
                response = case.call(base_url=address)
                if response.content != NO_HTTP:
                    case.validate_response(response, checks=CHECKS)

            with suppress(Unsatisfiable):  # an operation without parameters can't be asked wrongly
                ask()
    return seen


def test_no_request_is_answered_with_a_fault(listening: Callable[..., str]) -> None:
    assert {"POST /search", "GET /search", "GET /items/{id}/image", "POST /v1/embeddings"} <= fuzz(listening(), 8)


@pytest.mark.long
def test_no_request_of_many_is_answered_with_a_fault(listening: Callable[..., str]) -> None:
    fuzz(listening(), 400)
