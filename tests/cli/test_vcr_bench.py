"""`elva evaluate vcr-bench`: who is judged, and by whom."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from elva.cli.app import app
from judged_videos import RIGHT, row, save
from loopback import Server, said


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "theirs.json").write_text(json.dumps([{"id": number, "response": RIGHT} for number in range(2)]))
    return save(tmp_path / "data", [row(number) for number in range(2)])


def run(root: Path, *options: object, code: int = 0) -> Result:
    arguments = ["evaluate", "vcr-bench", root, "--out", root.parent / "e", *options]
    result = CliRunner().invoke(app, [str(each) for each in arguments])
    assert result.exit_code == code, result.output
    return result


def test_given_responses_are_judged_by_rules_and_that_is_told(root: Path) -> None:
    shown = run(root, "--responses", root.parent / "theirs.json", "--judge", "rules")
    assert "# VCR-Bench: theirs" in shown.stdout
    assert "warning: vcr-bench: judged by rules" in shown.stderr


def test_a_served_judge_gets_its_key(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEY", "secret")
    with Server(lambda body, before: said("1")) as server:
        judge = ("--judge-url", server.url, "--judge-model", "m", "--judge-key", "KEY")
        shown = run(root, "--responses", root.parent / "theirs.json", *judge)
    assert server.asked[0][1]["Authorization"] == "Bearer secret"
    assert "2 of 2 items have no response or could not be judged" in shown.stderr


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--judge", "rules"], "--model MODEL or --responses"),
        (["-m", "m", "--responses", "r.json", "--judge", "rules"], "--model MODEL or --responses"),
        (["-m", "m"], "--judge rules, or --judge-url"),
        (["-m", "m", "--judge", "rules", "--judge-url", "http://x", "--judge-model", "y"], "one of them"),
        (["-m", "m", "--judge-url", "http://x"], "--judge-model NAME together"),
        (["-m", "m", "--judge-url", "http://x", "--judge-model", "y", "--judge-key", "NO_SUCH"], "NO_SUCH"),
        (["-m", "m", "--judge-url", "x", "--judge-model", "y"], "no address"),
    ],
)
def test_contradictions_are_refused(root: Path, options: list[str], told: str) -> None:
    shown = run(root, *options, code=2)
    assert told in " ".join(shown.output.replace("│", " ").split())
