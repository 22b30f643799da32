"""`elva evaluate` of published sets, with a model that sees colours, or a random one, in place of the real one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from elva.cli import options
from elva.cli.app import app
from elva.cli.evaluating import answering
from published_sets import SeesColours, miniature
from questioned import long_video_row, long_videos, save, validation_row
from smallest import smallest_embedder


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["evaluate", *map(str, arguments)])


@pytest.fixture(autouse=True)
def loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(options, "load_embedder", lambda model, *_: SeesColours(model))


def test_a_published_set_is_judged_and_its_table_shown(tmp_path: Path) -> None:
    root = miniature("urban1k", tmp_path / "data")
    shown = run("unseen", "urban1k", root, "-m", "m", "--out", tmp_path / "e")
    assert shown.exit_code == 0, shown.output
    assert "# Urban-1k: m" in shown.stdout
    assert "| urban1k_task0_test | 100.0 ± 0.0 |" in shown.stdout
    again = run("unseen", "urban1k", root, "-m", "m", "--out", tmp_path / "e", "--instruction", "qid", "--depth", 20)
    assert again.exit_code == 0, again.output
    assert json.loads((tmp_path / "e/results.json").read_text())["instruction_choice"] == "qid"


def test_videos_are_judged_with_as_many_frames_as_asked_for(tmp_path: Path) -> None:
    root = miniature("msvd", tmp_path / "data")
    shown = run("video", "msvd", root, "-m", "m", "--frames", 4, "--fps", 2, "--out", tmp_path / "e")
    assert shown.exit_code == 0, shown.output
    row = json.loads((tmp_path / "e/results.json").read_text())
    assert (row["benchmark"], row["sampling"]) == ("video", {"frames": 4, "fps": 2.0})


def test_doubts_are_told_beside_the_table(tmp_path: Path) -> None:
    root = miniature("urban1k", tmp_path / "data")
    shown = run("unseen", "urban1k", root, "-m", "m", "--out", tmp_path / "e")
    assert "warning: 8.3% of the summaries did not end in [RET]" in shown.stderr
    assert "> **Warning**: 8.3% of the summaries did not end in [RET]" in shown.stdout


def test_what_one_set_embedded_another_finds_in_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root, encoder = miniature("urban1k", tmp_path / "data"), SeesColours("m")
    monkeypatch.setattr(options, "load_embedder", lambda *_: encoder)
    for name in ("first", "second"):
        shown = run("unseen", "urban1k", root, "-m", "m", "--cache", tmp_path / "c", "--out", tmp_path / name)
        assert shown.exit_code == 0, shown.output
    assert len(encoder.seen) == 4 * 12
    assert run("unseen", "urban1k", root, "-m", "m", "--out", tmp_path / "third").exit_code == 0
    first, second, third = ((tmp_path / each / "results.json").read_bytes() for each in ("first", "second", "third"))
    assert first == second == third


def test_an_evaluation_of_another_benchmark_is_not_replaced(tmp_path: Path) -> None:
    assert run("video", "msvd", miniature("msvd", tmp_path / "v"), "-m", "m", "--out", tmp_path / "e").exit_code == 0
    root = miniature("urban1k", tmp_path / "u")
    refused = run("unseen", "urban1k", root, "-m", "m", "--out", tmp_path / "e")
    assert refused.exit_code == 2
    assert "choose another folder, or empty this one" in refused.stderr


def test_a_set_that_there_is_not_is_refused_with_the_names(tmp_path: Path) -> None:
    refused = run("unseen", "imagenet", tmp_path, "-m", "m", "--out", tmp_path / "e")
    assert refused.exit_code == 2
    assert "flickr30k" in refused.output


def test_missing_pictures_are_one_line_without_a_traceback(tmp_path: Path) -> None:
    root = miniature("sugarcrepe", tmp_path / "data")
    (root / "val2017/000000000003.jpg").unlink()
    refused = run("unseen", "sugarcrepe", root, "-m", "m", "--out", tmp_path / "e")
    assert refused.exit_code == 2
    assert "sugarcrepe: 1 of 5 files can't be used" in refused.stderr
    assert "Traceback" not in refused.output
    assert run("unseen", "sugarcrepe", root, "-m", "m", "--out", tmp_path / "e", "--skip-missing").exit_code == 0


def test_questions_about_videos_are_asked_of_the_model_and_judged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answering, "load_embedder", lambda *_: smallest_embedder())
    rows = [validation_row(number, domain="Work") for number in range(3)]
    root = save(tmp_path / "data", "validation_L3", rows)
    asked = ["seed-bench-r1", root, "--level", "L3", "-m", "m", "--max-new-tokens", 6]
    for name, how in (("greedy", []), ("drawn", ["--temperature", 1, "--seed", 1]), ("again", [])):
        shown = run(*asked, *how, "--out", tmp_path / name)
        assert shown.exit_code == 0, shown.output
    assert "| L3 | 0.0 ± 0.0 |" in shown.stdout
    assert "warning: L3: accuracy is 0.0%" in shown.stderr
    greedy, drawn, again = ((tmp_path / each / "results.json").read_text() for each in ("greedy", "drawn", "again"))
    assert greedy == again
    assert json.loads(drawn)["decoding"] == {"max_new_tokens": 6, "temperature": 1.0, "seed": 1}


def test_long_videos_are_asked_about_with_and_without_what_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answering, "load_embedder", lambda *_: smallest_embedder())
    root = long_videos(tmp_path / "data", long_video_row())
    asked = ["longvideobench", root, "-m", "m", "--max-new-tokens", 6, "--frames", 4]
    for name in ("--subtitles", "--no-subtitles"):
        shown = run(*asked, name, "--out", tmp_path / name)
        assert shown.exit_code == 0, shown.output
        row = json.loads((tmp_path / name / "results.json").read_text())
        assert row["sampling"] == {"frames": 4, "fps": None, "subtitles": name == "--subtitles"}
        assert row["chance"] == {"accuracy": 0.2}


def test_bad_rows_of_questions_are_told_without_a_traceback(tmp_path: Path) -> None:
    root = save(tmp_path / "data", "validation_L1", [validation_row(0, golden_choice_idx="E")])
    refused = run("seed-bench-r1", root, "--level", "L1", "-m", "m", "--out", tmp_path / "e")
    assert refused.exit_code == 2
    assert "validation_L1.jsonl:1: golden_choice_idx: 'E' is no option" in refused.stderr
