"""What the user did wrong is one message and exit code 2, never a traceback."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from elva.cli.app import app
from elva.encoding import ModelIdentity
from elva.errors import ElvaError
from elva.index.opening import create_index
from elva.index.protocol import Origin
from elva.model.embedder import checkpoint_folder

RECIPE = "stage: contrast\nbudget: {steps: 1}\noptimizer: {lr: 1e-3}\n"


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def assert_refused(result: Result, *words: str) -> None:
    assert result.exit_code == 2, result.output
    assert result.stderr.count("\n") < 30
    assert "Traceback" not in result.output
    for word in words:
        assert word in result.stderr


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "r.yaml"
    path.write_text(RECIPE, encoding="utf-8")
    return path


def test_a_recipe_typo_names_the_nearest_key(recipe: Path, tmp_path: Path) -> None:
    result = invoke("train", recipe, "optimizer.lrr=1", "--out", tmp_path / "run")
    assert_refused(result, "elva: command line: unknown key", "did you mean 'optimizer.lr'?")
    assert not (tmp_path / "run").exists(), "nothing half-written"


def test_training_without_data_says_how_to_name_it(recipe: Path, tmp_path: Path) -> None:
    result = invoke("train", recipe, "--out", tmp_path / "run")
    assert_refused(result, "add data.root=FOLDER")


def test_training_without_a_folder_says_so(recipe: Path) -> None:
    assert_refused(invoke("train", recipe), "--out RUN")


def test_a_folder_that_is_no_data_is_refused(tmp_path: Path) -> None:
    assert_refused(invoke("data", "check", tmp_path / "gone"), str(tmp_path / "gone"))


def test_searching_for_nothing_is_refused(tmp_path: Path) -> None:
    assert_refused(invoke("search", tmp_path), "elva: ")


def test_searching_with_a_missing_image_names_it(tmp_path: Path) -> None:
    result = invoke("search", tmp_path, "--image", tmp_path / "gone.png")
    assert_refused(result, "gone.png")


def test_searching_what_is_no_index_says_so(tmp_path: Path) -> None:
    assert_refused(invoke("search", tmp_path, "a circle"), "make it with `elva index`")


def test_an_unknown_benchmark_lists_the_known(tmp_path: Path) -> None:
    assert_refused(invoke("evaluate", "mber", tmp_path, "-m", "m", "--out", tmp_path), "mbeir")


def test_searching_where_nothing_is_says_so(tmp_path: Path) -> None:
    assert_refused(invoke("search", tmp_path / "gone", "a circle"), "gone does not exist")


def test_an_index_whose_model_was_moved_says_so(tmp_path: Path) -> None:
    model = ModelIdentity("m", "f", "generative", 1)
    create_index(tmp_path / "index", model, Origin(model="/moved/away")).close()
    assert_refused(invoke("search", tmp_path / "index", "a circle"), "made with the model /moved/away", "give --model")


def test_a_sheet_that_is_no_picture_is_refused_first(tmp_path: Path) -> None:
    assert_refused(invoke("search", tmp_path, "a circle", "--sheet", tmp_path / "out.txt"), "out.txt", ".png")
    (tmp_path / "a.png").mkdir()
    assert_refused(invoke("search", tmp_path, "a circle", "--sheet", tmp_path / "a.png"), "is a folder")


def test_a_query_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    assert_refused(invoke("search", tmp_path, b"caf\xe9".decode("utf-8", "surrogateescape")), "not UTF-8")


@pytest.mark.parametrize("device", ["gpu", "cuda:99", "meta"])
def test_a_device_that_is_not_there_is_named(tmp_path: Path, device: str) -> None:
    arguments = ("embed", tmp_path, "-m", "tiny-base", "--out", tmp_path / "out", "--device", device)
    assert_refused(invoke(*arguments), f"--device {device}", "cpu")


def test_what_the_system_refuses_is_one_message(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert_refused(invoke("world", tmp_path / "file/below", "--size", "tiny"), str(tmp_path / "file"), "check the path")


def test_a_damaged_world_is_told(tmp_path: Path) -> None:
    for content in ("", "[]", '{"format": 1}'):
        (tmp_path / "world.json").write_text(content)
        assert_refused(invoke("world", tmp_path, "--size", "tiny"), "world.json", "damaged")


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "preprocessor_config.json", "elva.json"])
@pytest.mark.parametrize("content", ["[]", "{half", "3"])
def test_a_damaged_model_is_told(tmp_path: Path, name: str, content: str) -> None:
    model = tmp_path / "damaged"
    shutil.copytree(checkpoint_folder("tiny-base"), model)
    (model / name).write_text(content)
    assert_refused(invoke("embed", tmp_path, "-m", model, "--out", tmp_path / "out"), str(model))


def test_traceback_shows_where_it_comes_from(tmp_path: Path) -> None:
    result = invoke("--traceback", "data", "check", tmp_path / "gone")
    assert isinstance(result.exception, ElvaError)
