"""`elva serve`: a real process that is asked and told to stop."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from elva.cli.app import app
from judging import write_root

SECONDS = 120


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("serve")
    root, out = write_root(folder / "root"), folder / "index"
    arguments = ["index", str(root), "--model", "tiny-base", "--task", "0", "--out", str(out)]
    assert CliRunner().invoke(app, arguments).exit_code == 0
    return out


@pytest.fixture
def served(index: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "elva", "serve", str(index), "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=os.environ)
    address = f"http://127.0.0.1:{port}"
    try:
        await_health(process, address)
        yield process, address
    finally:
        process.kill()
        process.communicate()


def await_health(process: subprocess.Popen[str], address: str) -> None:
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        assert process.poll() is None, process.communicate()[0]
        try:
            if urllib.request.urlopen(f"{address}/health").status == 200:
                return
        except OSError:
            time.sleep(0.1)
    raise AssertionError("it never answered")


def test_it_answers_and_told_to_stop_it_ends_in_peace(served: tuple[subprocess.Popen[str], str]) -> None:
    process, address = served
    found = json.load(urllib.request.urlopen(f"{address}/search?q=a+small+circle&top=3&rerank=3"))
    assert len(found["results"]) == 3
    assert all(each["likelihood"] < 0 for each in found["results"])
    asked = urllib.request.Request(
        f"{address}/explain", b'{"text": "a small circle"}', {"content-type": "application/json"}
    )
    assert [each["text"] for each in json.load(urllib.request.urlopen(asked))["grains"]] == ["small", "circle"]
    process.send_signal(signal.SIGTERM)
    said, _ = process.communicate(timeout=SECONDS)
    assert process.returncode == 0, said
    assert "items; search them at http://127.0.0.1:" in said
    assert "small+circle" not in said
    assert "Traceback" not in said
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(f"{address}/health")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--host", "0.0.0.0"], "give --token, or --no-token"),
        (["--token", "a b"], "--token takes"),
        (["--fetch-from", "https://a.example/"], "--fetch-from takes a host"),
    ],
)
def test_what_would_be_unsafe_is_refused_before_a_model_is_loaded(index: Path, arguments: list[str], told: str) -> None:
    result = CliRunner().invoke(app, ["serve", str(index), *arguments])
    assert result.exit_code == 2
    assert told in result.stderr


def test_a_missing_package_is_named_with_what_installs_it(index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *_: None if name == "fastapi" else find(name))
    result = CliRunner().invoke(app, ["serve", str(index)])
    assert result.exit_code == 2
    assert 'fastapi is not installed; install it with: pip install "elva-retrieval[serve]"' in result.stderr


def test_a_folder_that_is_no_index_is_refused(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["serve", str(tmp_path)])
    assert result.exit_code == 2
    assert str(tmp_path) in result.stderr


def test_a_port_that_is_taken_is_told_before_a_model_is_loaded(index: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        result = CliRunner().invoke(app, ["serve", str(index), "--port", str(port), "--model", "nowhere"])
    assert result.exit_code == 2
    assert f"127.0.0.1:{port} can't be had (Address already in use); take another --port" in result.stderr
