"""Which evaluations a report is made of, and under which names."""

from __future__ import annotations

from pathlib import Path

import pytest

from elva.analysis.tables.evaluations import gather, holds_evaluations
from elva.errors import InputError
from evaluated import results, write_evaluation

ONE = {"cirr_task7_test": [1, 2]}


def test_evaluations_of_one_model_are_joined_and_named_after_it(tmp_path: Path) -> None:
    write_evaluation(tmp_path / "run/eval", results("ours", ONE))
    write_evaluation(tmp_path / "run/bench", results("ours", ONE, benchmark="mrbench"))
    write_evaluation(tmp_path / "other", results("other", ONE))
    first, second = gather([str(tmp_path / "run"), str(tmp_path / "other")])
    assert (first.name, second.name) == ("ours", "other")
    assert set(first.tasks) == {("mbeir", "cirr_task7_test"), ("mrbench", "cirr_task7_test")}
    assert gather([f"A name={tmp_path / 'other'}"])[0].name == "A name"


def test_a_folder_may_be_called_anything(tmp_path: Path) -> None:
    place = write_evaluation(tmp_path / "lr=1e-4", results("ours", ONE))
    assert gather([str(place)])[0].name == "ours"
    assert gather([str(place / "results.json")])[0].name == "ours"


def test_the_run_is_known_by_its_metrics(tmp_path: Path) -> None:
    write_evaluation(tmp_path / "run/eval", results("ours", ONE))
    assert gather([str(tmp_path / "run/eval")])[0].run is None
    (tmp_path / "run/metrics.jsonl").write_text('{"step": 1, "loss": 2.0}\n')
    for place in ("run", "run/eval"):
        assert gather([str(tmp_path / place)])[0].run == tmp_path / "run"


def test_names_that_clash_are_refused(tmp_path: Path) -> None:
    one = write_evaluation(tmp_path / "one", results("ours", ONE))
    other = write_evaluation(tmp_path / "other", results("other", ONE))
    with pytest.raises(InputError, match=r"x would be two models.*give names"):
        gather([f"x={one}", f"x={other}"])
    again = write_evaluation(tmp_path / "again", results("ours", ONE))
    with pytest.raises(InputError, match=r"both tell of cirr_task7_test by ours: give two names"):
        gather([str(one), str(again)])
    assert [each.name for each in gather([f"first={one}", f"second={again}"])] == ["first", "second"]


def test_places_without_evaluations_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is missing: give folders of `elva evaluate`"):
        gather([str(tmp_path / "nowhere")])
    (tmp_path / "results.json").write_text('{"schema": 1, "rows": {}}')
    assert not holds_evaluations(str(tmp_path))
    with pytest.raises(InputError, match="holds no evaluation"):
        gather([str(tmp_path)])
    (tmp_path / "results.json").write_text("{")
    with pytest.raises(InputError, match=r"results\.json can't be read"):
        gather([str(tmp_path)])
