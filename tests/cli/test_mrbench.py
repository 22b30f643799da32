"""`elva mrbench` end to end, and its evaluation, with models that are pretended."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from elva.cli import mrbench as commands
from elva.cli import options
from elva.cli.app import app
from elva.data.mbeir import MBeir
from elva.mrbench.decisions import SCHEMA, sample_of
from judging import FakeEncoder, write_root
from loopback import Server, said
from mrbench.asked import FakeAsker


def run(*arguments: object, code: int = 0) -> Result:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output
    return result


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_root(tmp_path / "data")


def decided(out: Path, path: Path, reviewer: str, *verdicts: bool) -> Path:
    data = MBeir.open(out)
    queries = [query for name in data.tasks("test") for query in data.queries(name)]
    rows = [
        dict(zip(("qid", "shown"), sample_of(query), strict=True)) | {"accepted": verdict}
        for query, verdict in zip(queries, verdicts, strict=False)
    ]
    path.write_text(json.dumps({"schema": SCHEMA, "reviewer": reviewer, "decisions": rows}))
    return path


def test_build_review_agree_build_again_and_evaluate(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "bench"
    build = ("mrbench", "build", root, "--dataset", "mrbench", "--total", 20, "--out", out)
    assert f"{out}: 20 queries" in run(*build).stdout
    told = run("mrbench", "review", out, "--sample", 8, "--out", tmp_path / "review.html").stdout
    assert "8 of the 20 queries that nobody has decided yet" in told
    first = decided(out, tmp_path / "first.json", "first", True, False, False, True)
    second = decided(out, tmp_path / "second.json", "second", True, False, True, True)
    agreed = run("mrbench", "agreement", first, second).stdout
    assert "acceptance: 50.0 % (2 of 4 samples; 95 % interval" in agreed
    assert "agreement: 75.0 % on 4 samples that two or more decided; Cohen's kappa 0.50" in agreed
    again = run(*build, "--decisions", first, "--decisions", second).stdout
    assert "2 were rejected" in again
    assert "Accepted 2 of 4 samples" in (out / "README.md").read_text("utf-8")
    monkeypatch.setattr(options, "load_embedder", lambda model, *_: FakeEncoder(model))
    judged = run("evaluate", "mrbench", out, "--model", "fake", "--out", tmp_path / "eval").stdout
    assert "## By kind of grain" in judged
    assert json.loads((tmp_path / "eval" / "results.json").read_text())["by_number_of_grains"]["3"]["queries"] == 20


def test_a_served_model_names_the_grains(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(body: dict[str, Any], _: int) -> tuple[int, Any]:
        return said('[{"kind": "entity", "text": "a"}, {"kind": "attribute", "text": "b"}]')

    monkeypatch.setenv("SOME_KEY", "secret")
    with Server(answer) as server:
        asked = ("--endpoint", server.url, "--endpoint-model", "teacher", "--endpoint-key", "SOME_KEY")
        chosen = ("--dataset", "mrbench", "--task", 3, "--total", 5)
        run("mrbench", "build", root, *chosen, *asked, "--out", tmp_path / "bench")
        count = len(server.asked)
        assert server.asked[0][1]["Authorization"] == "Bearer secret"
        run("mrbench", "build", root, *chosen, *asked, "--out", tmp_path / "bench")
        assert len(server.asked) == count > 0, "nothing is asked twice"
    assert "By teacher" in (tmp_path / "bench" / "README.md").read_text("utf-8")
    assert len((tmp_path / "bench.answers.jsonl").read_text().splitlines()) == count


def test_a_checkpoint_names_the_grains(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "_local", lambda model, *_: FakeAsker(model))
    arguments = ("--dataset", "mrbench", "--total", 4, "--model", "teacher", "--answers", tmp_path / "kept.jsonl")
    run("mrbench", "build", root, *arguments, "--out", tmp_path / "bench")
    assert "By teacher" in (tmp_path / "bench" / "README.md").read_text("utf-8")
    assert (tmp_path / "kept.jsonl").is_file()


def test_captions_are_words_for_pictures(root: Path, tmp_path: Path) -> None:
    data = MBeir.open(root)
    (name,) = data.tasks("test", ["mrbench"], [3])
    path = root / name.query_path
    rows = [json.loads(line) | {"grains": []} for line in path.read_text().splitlines()]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    captions = tmp_path / "captions.jsonl"
    captions.write_text("".join(json.dumps({"key": f"query {row['qid']}", "caption": "a dog"}) + "\n" for row in rows))
    chosen = ("--dataset", "mrbench", "--task", 3, "--min-grains", 1, "--total", 5)
    run("mrbench", "build", root, *chosen, "--captions", captions, "--out", tmp_path / "bench")
    assert "| a caption of its picture | 32 |" in (tmp_path / "bench" / "README.md").read_text("utf-8")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--endpoint", "http://localhost:1/v1"), "--endpoint-model NAME together"),
        (("--model", "m", "--captions", "c.jsonl"), "give one of --captions, --model and --endpoint"),
        (
            ("--endpoint", "http://localhost:1/v1", "--endpoint-model", "m", "--endpoint-key", "NOT_SET"),
            "no such environment variable",
        ),
        (("--endpoint", "localhost", "--endpoint-model", "m"), "no address"),
        (("--decisions", "absent.json"), "absent.json"),
        (("--dataset", "nowhere"), "nowhere"),
        ((), "choose others with --dataset and --task"),
    ],
)
def test_mistakes_are_told_in_one_message(root: Path, tmp_path: Path, options: tuple[str, ...], told: str) -> None:
    result = run("mrbench", "build", root, "--out", tmp_path / "bench", *options, code=2)
    assert told in " ".join(result.output.replace("│", " ").split())
    assert "Traceback" not in result.output
    assert not (tmp_path / "bench").exists()
