"""Who may ask, how much, and what is noted."""

from __future__ import annotations

import json
import logging
import socket
import time
from collections.abc import Callable, Iterator

import pytest
from fastapi.testclient import TestClient

from elva.errors import InputError
from elva.service.limits import Limits
from elva.service.run import require_guarded
from elva.service.state import Settings

Serving = Callable[..., TestClient]


def test_a_token_is_asked_for_and_compared(serving: Serving) -> None:
    client = serving(Settings(token="open-sesame"))
    for headers in (
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": "open-sesame"},
        {"Authorization": "Bearer é"},
    ):
        sent = {name: value.encode() for name, value in headers.items()}
        response = client.get("/search", params={"q": "circle"}, headers=sent)
        assert response.status_code == 401
        assert response.headers["www-authenticate"].startswith("Bearer")
        assert response.json()["error"]["code"] == "unauthorized"
    for route in ("/about", "/items", "/metrics", "/openapi.json", "/items/note/thumbnail"):
        assert client.get(route).status_code == 401, route
    for route in ("/", "/health", "/page/index.html"):
        assert client.get(route).status_code == 200, route
    right = {"Authorization": "Bearer open-sesame"}
    assert client.get("/search", params={"q": "circle"}, headers=right).status_code == 200


def test_only_the_names_of_this_machine_are_answered_to(serving: Serving) -> None:
    client = serving(Settings(hosts=("localhost", "127.0.0.1", "::1")), base_url="http://localhost:8000")
    assert client.get("/health").status_code == 200
    assert client.get("/health", headers={"Host": "[::1]:8000"}).status_code == 200
    for host in ("evil.example", "localhost.evil.example", "[", ""):
        assert client.get("/health", headers={"Host": host}).status_code == 421, host


def test_pages_of_other_sites_can_not_ask(serving: Serving) -> None:
    client = serving()
    assert client.post("/search", json={"text": "a"}, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert client.get("/", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 200
    assert "access-control-allow-origin" not in client.get("/health", headers={"Origin": "http://a.example"}).headers


def test_a_body_that_is_too_long_is_not_read_whether_it_says_so_or_not(serving: Serving) -> None:
    client = serving(Settings(limits=Limits(body=1_000)))
    told = client.post("/search", json={"text": "a" * 2_000})
    assert told.status_code == 413
    read = 0

    def chunks() -> Iterator[bytes]:
        nonlocal read
        for _ in range(100):
            read += 1
            yield b"a" * 500

    for route in ("/search", "/embed"):
        response = client.post(route, content=chunks(), headers={"content-type": "application/json"})
        assert response.status_code == 413, response.text
        assert response.json()["error"]["code"] == "too_large"
    form = {"content-type": "multipart/form-data; boundary=x"}
    assert client.post("/search", content=chunks(), headers=form).status_code in (400, 413)
    for length in ("many", "-1", "9" * 5_000):
        assert client.get("/health", headers={"content-length": length}).status_code == 400


def test_answers_carry_the_headers_that_keep_browsers_safe(serving: Serving) -> None:
    client = serving()
    for response in (client.get("/"), client.get("/search"), client.get("/nowhere")):
        assert "default-src 'none'" in response.headers["content-security-policy"]
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["referrer-policy"] == "no-referrer"
    assert client.get("/nowhere").json() == {"error": {"code": "not_found", "message": "Not Found"}}


def test_queries_are_logged_only_when_that_is_wanted(serving: Serving, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "elva.service")
    serving().get("/search", params={"q": "secret"})
    line = json.loads(caplog.messages[-1])
    assert (line["route"], line["status"]) == ("/search", 200)
    assert "secret" not in caplog.messages[-1]
    serving(Settings(log_queries=True)).get("/search", params={"q": "secret"})
    assert "secret" in caplog.messages[-1]


def test_other_machines_are_served_only_with_a_token_or_on_purpose() -> None:
    require_guarded("127.0.0.1", None, False)
    require_guarded("localhost", None, False)
    require_guarded("0.0.0.0", "token", False)
    require_guarded("0.0.0.0", None, True)
    for host in ("0.0.0.0", "::", "example.org"):
        with pytest.raises(InputError, match="--no-token"):
            require_guarded(host, None, False)
    for token in ("", "a b", "é", "\n"):
        with pytest.raises(InputError, match="--token"):
            require_guarded("127.0.0.1", token, False)


def began(address: str) -> socket.socket:
    """A request over the network whose body never ends."""
    host, _, port = address.removeprefix("http://").partition(":")
    client = socket.create_connection((host, int(port)), timeout=20)
    client.sendall(
        b"POST /search HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{"
    )
    return client


def test_a_body_that_trickles_in_is_not_waited_for_without_end(listening: Callable[..., str]) -> None:
    with began(listening(Settings(limits=Limits(patience=0.2)))) as client:
        answer = b"".join(iter(lambda: client.recv(4_096), b""))
    assert answer.startswith(b"HTTP/1.1 408")
    assert b"did not arrive within 0.2 seconds" in answer


def test_a_client_that_leaves_in_the_middle_of_a_body_is_no_fault(
    listening: Callable[..., str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "elva.service")
    began(listening()).close()
    end = time.monotonic() + 20
    while '"status": 499' not in caplog.text and time.monotonic() < end:
        time.sleep(0.01)
    assert '"status": 499' in caplog.text
    assert "Traceback" not in caplog.text
