"""Trials and their figures, against numbers worked by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from elva.analysis.evidence.arms import Spread, Trial, trials
from elva.analysis.evidence.judged import Against, judge
from elva.analysis.records import read_records
from elva.errors import InputError
from elva.evaluation.significance import Comparison
from experiments import cure, grain, record, write_records


def read(folder: Path, *records: Any) -> list[Trial]:
    return trials(read_records([write_records(folder, *records)]))


def test_arms_stand_by_role_and_then_by_hits(tmp_path: Path) -> None:
    (trial,) = read(tmp_path, *cure())
    assert list(trial.arms) == ["stage2", "elva", "more", "other"]
    assert trial.control is not None and trial.control.name == "more"
    assert trial.baseline is not None and trial.baseline.name == "stage2"
    assert trial.default is not None and trial.default.name == "elva"
    assert trial.queries == {"t": 8}


def test_every_experiment_and_data_set_is_a_trial(tmp_path: Path) -> None:
    found = read(tmp_path, *cure(), *cure(data="photos"), *cure(experiment="long"))
    assert [(each.experiment, each.data) for each in found] == [
        ("cure", "photos"),
        ("cure", "shapes"),
        ("long", "shapes"),
    ]


def test_the_default_is_compared_with_the_strongest_control(tmp_path: Path) -> None:
    (trial,) = read(tmp_path, *cure())
    judged = judge(trial)
    against = judged.rows["elva"].against_control
    assert against is not None and (against.other, against.seeds) == ("more", (0, 1))
    assert against.found.difference == pytest.approx(2 / 8)
    assert against.found.p == pytest.approx(2 / 4, abs=0.01)  # two queries differ: two of four flips
    # stage2 is 2 of 8 worse: p 1/2; other 1 of 8 worse: p 1; so Holm gives 3/2 and below 1 for none
    assert against.p_holm == 1.0 and not against.clear
    assert judged.rows["more"].against_control is None
    base = judged.rows["elva"].against_baseline
    assert base is not None and base.found.relative == pytest.approx(4 / 2 - 0)
    assert judged.rows["stage2"].against_baseline is None


def test_only_seeds_in_common_are_compared(tmp_path: Path) -> None:
    lonely = record("elva", 7, {"t": [1] * 8})
    (trial,) = read(
        tmp_path, *[each for each in cure() if each["arm"] != "elva" or each["seed"] == 1], lonely | {"default": True}
    )
    against = judge(trial).rows["elva"].against_control
    assert against is not None and against.seeds == (1,)
    assert against.found.difference == pytest.approx(2 / 8)


def test_an_arm_without_seeds_in_common_is_not_compared(tmp_path: Path) -> None:
    (trial,) = read(tmp_path, *cure(), record("late", 9, {"t": [1] * 8}))
    row = judge(trial).rows["late"]
    assert (row.against_control, row.against_baseline) == (None, None)


def test_spread_is_that_of_seeds(tmp_path: Path) -> None:
    assert Spread.of([0.5, 0.75]) == Spread(0.625, pytest.approx(0.25 / 2**0.5), (0.5, 0.75))
    assert Spread.of([0.5, None]) == Spread(0.5, None, (0.5,))
    assert Spread.of([None]) is None


def test_minor_kinds_are_those_that_are_not_dominant(tmp_path: Path) -> None:
    (trial,) = read(tmp_path, *cure(dominant=["colour"]))
    judged = judge(trial)
    assert (judged.kinds, judged.minor) == (("colour", "fill", "pose"), ("fill", "pose"))
    minor = judged.rows["elva"].minor
    assert minor is not None and minor.mean == pytest.approx(0.65)
    asked = judge(trial, ["fill"])
    assert asked.minor == ("colour", "pose")
    (silent,) = read(tmp_path / "silent", *cure())
    assert judge(silent).minor == () and judge(silent).rows["elva"].minor is None


def test_grains_are_means_over_seeds(tmp_path: Path) -> None:
    first = record("elva", 0, {"t": [1]}, grains={"pose": grain(0.5, 0.1, 1.0)}, named={"pose": [1, 2]})
    second = record("elva", 1, {"t": [2]}, grains={"pose": grain(0.7, None, None)}, named={"pose": [5, 6]})
    (trial,) = read(tmp_path, first, second)
    row = judge(trial).rows["elva"]
    assert row.grains["pose"].pair_accuracy == Spread(pytest.approx(0.6), pytest.approx(0.2 / 2**0.5), (0.5, 0.7))
    assert (row.grains["pose"].distance, row.grains["pose"].ratio) == (0.1, 1.0)
    assert row.named == {"pose": 6 / 8}


def test_everything_goes_into_json(tmp_path: Path) -> None:
    (trial,) = read(tmp_path, *cure(clusters={"t": [1, 1, 2, 2, 3, 3, 4, 4]}))
    judged = judge(trial)
    row = json.loads(json.dumps(judged.to_row(), allow_nan=False))
    assert (row["control"], row["default"], row["clusters"]) == ("more", "elva", 4)
    assert row["rows"]["elva"]["against_control"]["same_sign"] == 2
    assert row["rows"]["elva"]["against_control"]["found"]["clusters"] == 4


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"role": "control"}, "one arm, but differ in role"),
        ({"default": False}, "one arm, but differ in default"),
        ({"dominant": ["pose"]}, "differ in dominant"),
        ({"clusters": {"t": [1] * 8}}, "differ in clusters"),
    ],
)
def test_runs_that_contradict_each_other_are_refused(tmp_path: Path, change: dict[str, Any], told: str) -> None:
    records = cure()
    records[-1] |= change
    with pytest.raises(InputError, match=told):
        read(tmp_path, *records)


def test_other_queries_and_two_baselines_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="different queries"):
        read(tmp_path / "a", *cure(), record("late", 0, {"t": [1]}))
    with pytest.raises(InputError, match="several arms called baseline: stage2, stage1"):
        read(tmp_path / "b", *cure(), record("stage1", 0, {"t": [2] * 8}, role="baseline"))


@pytest.mark.parametrize(("agreeing", "seeds", "clear"), [(4, 5, True), (3, 5, False), (2, 2, True), (1, 1, False)])
def test_a_difference_is_clear_where_four_of_five_seeds_agree(agreeing: int, seeds: int, clear: bool) -> None:
    by_seed = (0.1,) * agreeing + (-0.05,) * (seeds - agreeing)
    found = Comparison(0.05, 0.02, 0.08, 0.001, None, None, by_seed, 100, 100)
    assert Against("more", tuple(range(seeds)), found, 0.01).clear is clear
