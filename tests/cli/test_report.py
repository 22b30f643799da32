"""`elva report` tells by what it is given; `elva compare` says whether two models differ."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from elva.analysis.tables.paired import MEASURES
from elva.cli.app import app
from elva.cli.compare import Measure
from evaluated import results, write_evaluation
from experiments import cure, write_records

TASK = "cirr_task7_test"


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def two(tmp_path: Path) -> tuple[Path, Path]:
    one = write_evaluation(tmp_path / "one/eval", results("one", {TASK: [1, 1, 9]}))
    return one.parent, write_evaluation(tmp_path / "other", results("other", {TASK: [1, 9, 9]}))


def test_evaluations_become_tables_in_four_forms(two: tuple[Path, Path], tmp_path: Path) -> None:
    done = invoke("report", f"A={two[0]}", two[1], "--against", "other", "--out", tmp_path / "out/tables.html")
    assert done.exit_code == 0, done.output
    assert "| (i,t)→i CIRR | 13.2 |" in done.output and "| **66.7** | 33.3 |" in done.output
    assert "A against other, M-BEIR: +33.3 points of hit@5" in done.output
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        f"tables.{e}" for e in ("html", "md", "tex", "json")
    }


def test_records_become_the_page_of_an_experiment(tmp_path: Path) -> None:
    write_records(tmp_path / "results", *cure())
    done = invoke("report", tmp_path / "results", "--out", tmp_path / "out/page.html")
    assert done.exit_code == 0, done.output
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"page.html", "summary.json"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--dominant", "colour"], "--dominant says nothing about evaluations"),
        (["--against", "nobody"], "no evaluation is called so"),
    ],
)
def test_options_that_say_nothing_are_refused(
    two: tuple[Path, Path], tmp_path: Path, options: list[str], message: str
) -> None:
    refused = invoke("report", *two, *options, "--out", tmp_path / "t.html")
    assert refused.exit_code == 2 and message in " ".join(refused.stderr.replace("│", " ").split())
    assert not (tmp_path / "t.html").exists()


def test_what_is_of_tables_is_refused_for_records_and_nothing_for_nothing(tmp_path: Path) -> None:
    write_records(tmp_path / "results", *cure())
    refused = invoke("report", tmp_path / "results", "--root", tmp_path, "--out", tmp_path / "page.html")
    assert refused.exit_code == 2 and "--root says nothing" in refused.stderr
    assert invoke("report", "--out", tmp_path / "page.html").exit_code == 2


def test_two_models_are_compared(two: tuple[Path, Path], tmp_path: Path) -> None:
    done = invoke("compare", *two, "--measure", "hit@1", "--out", tmp_path / "c.json")
    assert done.exit_code == 0, done.output
    assert "### one less other: M-BEIR, hit@1" in done.output and "| +33.3 |" in done.output
    assert json.loads((tmp_path / "c.json").read_text())["benchmarks"][0]["whole"]["queries"] == 3
    refused = invoke("compare", two[0], tmp_path / "gone")
    assert refused.exit_code == 2 and "gone is missing" in refused.stderr


def test_the_command_knows_the_measures() -> None:
    assert tuple(each.value for each in Measure) == MEASURES
