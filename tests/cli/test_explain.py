"""`elva explain` on a model made of word vectors."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from PIL import Image
from typer.testing import CliRunner

from elva.cli import explain, indexing, options, search
from elva.cli.app import app
from elva.grains import Grain
from elva.index.protocol import Hit
from elva.search.inspector import Change, Heard
from judging import FakeEncoder, write_root

TEXT = "a small crimson circle"


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for module in (indexing, options):
        monkeypatch.setattr(module, "load_embedder", lambda model, *_: FakeEncoder(model, {"a": 0.01}))
    root, folder = write_root(tmp_path / "data"), tmp_path / "index"
    assert run("index", root, "--model", "m", "--out", folder).exit_code == 0
    return folder


def test_every_grain_is_shown_with_its_verdict(index: Path) -> None:
    shown = run("explain", index, TEXT, "-k", 3)
    assert shown.exit_code == 0, shown.output
    for words in (
        "small",
        "crimson",
        "circle",
        "a small crimson thing",
        "other words",
        "stay of 3",
        "rewordings by rule",
    ):
        assert words in shown.stdout
    assert "Ignored: small, crimson, circle." in shown.stdout, "this model takes every wording for another meaning"


def test_what_results_lack_beside_the_others_is_shown_on_request(index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def likelihoods(embedder: object, searcher: object, text: str, hits: Sequence[Hit], grains: Sequence[Grain]) -> Any:
        assert text == TEXT
        return [[-2.5, 0.1, None if hit.rank == 1 else 3.0] for hit in hits]

    monkeypatch.setattr("elva.search.lacking.grain_likelihoods", likelihoods)
    shown = run("explain", index, TEXT, "-k", 2, "--lacking").stdout
    assert shown.count("small (-2.5)") == 2 and shown.count("circle (+3.0)") == 1 and "crimson (" not in shown
    assert json.loads(run("explain", index, TEXT, "-k", 2, "--lacking", "--json", "-").stdout)["nats"][0] == [
        -2.5,
        0.1,
        None,
    ]
    assert "lacks" not in run("explain", index, TEXT, "-k", 2).stdout


def test_the_explanation_as_json_stands_alone_on_the_output(index: Path, tmp_path: Path) -> None:
    row = json.loads(run("explain", index, TEXT, "--json", "-").stdout)
    assert row["query"] == TEXT
    assert [each["text"] for each in row["grains"]] == ["small", "crimson", "circle"]
    shown = run("explain", index, TEXT, "--json", tmp_path / "new/e.json")
    assert "verdict" in shown.stdout
    assert json.loads((tmp_path / "new/e.json").read_text("utf-8")) == row


def test_the_words_of_the_data_name_its_grains(index: Path, tmp_path: Path) -> None:
    words = {"kinds": {"hue": {"crimson": ["crimson", "ruby"]}}, "relations": {}}
    (tmp_path / "data/grains.json").write_text(json.dumps(words))
    row = json.loads(run("explain", index, TEXT, "--json", "-").stdout)
    assert [each["kind"] for each in row["grains"]] == ["size", "hue", "entity"]
    assert "a small ruby circle" in {each["text"].replace("little", "small") for each in row["rewordings"]}
    (tmp_path / "data/grains.json").write_text("{")
    refused = run("explain", index, TEXT)
    assert (refused.exit_code, "grains.json" in refused.stderr) == (2, True)


def test_chosen_grains_are_the_only_ones(index: Path) -> None:
    row = json.loads(run("explain", index, TEXT, "-g", "small crimson", "--json", "-").stdout)
    assert [each["text"] for each in row["grains"]] == ["small crimson"]
    refused = run("explain", index, TEXT, "-g", "smal")
    assert refused.exit_code == 2
    assert "did you mean 'small'?" in refused.stderr


def test_a_picture_is_explained_by_its_summary(index: Path, tmp_path: Path) -> None:
    path = tmp_path / "circle-crimson-small.png"
    Image.new("RGB", (32, 32)).save(path)
    shown = run("explain", index, "--image", path)
    assert "explains the model's summary" in shown.stdout
    assert "the text alone" in run("explain", index, "but green", "--image", path).stdout


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "neither text nor image"),
        (["the"], "no grain was found in 'the': give some of its words"),
        (["x", "--image", "gone.png"], "gone.png"),
        (["x", "--model", "other"], "was built with"),
    ],
)
def test_what_can_not_be_explained_is_refused(index: Path, arguments: list[str], told: str) -> None:
    refused = run("explain", index, *arguments)
    assert refused.exit_code == 2
    assert told in refused.stderr


def test_a_folder_that_is_no_index_is_refused(tmp_path: Path) -> None:
    refused = run("explain", tmp_path, "a red hat")
    assert refused.exit_code == 2
    assert "elva index" in refused.stderr


def test_a_narrow_terminal_says_what_a_wide_one_shows(index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (search, explain):
        monkeypatch.setattr(module, "PIPE_WIDTH", 80)
    shown = run("explain", index, TEXT).stdout
    assert "the query without it" not in shown
    assert "From 110 columns on" in shown
    assert max(len(line) for line in shown.splitlines()) <= 80


def test_a_long_text_is_shown_in_part_and_counted(index: Path) -> None:
    shown = run("explain", index, "a crimson circle and " * 40).stdout
    assert "48 further grains were not tried" in shown
    assert "…" in shown
    assert len(shown) < 40_000


def test_a_bar_is_as_long_as_the_distance_and_marked_where_other_words_end() -> None:
    assert explain.bar(1.0, None, 1.0) == "█" * 20
    assert explain.bar(0.5, 0.25, 1.0) == "█████┃████"
    assert explain.bar(0.1, 0.25, 1.0) == "██   ┃"
    assert explain.bar(0.0, 0.0, 0.0) == ""
    assert explain.bar(0.5, 1.0, 1.0) == "█" * 10 + " " * 9 + "┃"


@pytest.mark.parametrize(
    ("ratio", "ignored", "heard", "word"),
    [
        (0.4, True, False, "IGNORED (0.4 x)"),
        (1.5, False, False, "in doubt (1.5 x)"),
        (3.0, False, True, "heard (3.0 x)"),
        (None, False, True, "heard"),
        (None, None, None, "not known"),
    ],
)
def test_a_verdict_is_said_in_words(ratio: float | None, ignored: bool | None, heard: bool | None, word: str) -> None:
    found = Heard(Grain("colour", "red", (0, 3), "x"), 0.1, ratio, ignored, heard, "", Change((), (), ()))
    assert explain.verdict(found) == word
