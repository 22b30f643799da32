"""Raw records: read as they were written, and refused with file and field."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from elva.analysis.records import read_record, read_records
from elva.errors import DataError, InputError
from experiments import cure, grain, record, write_records

RANKS = {"t": [1, 3, None, 7]}


def test_a_record_is_read_as_written(tmp_path: Path) -> None:
    fields = {"clusters": {"t": [4, 4, 5, 6]}, "start": "abc", "dominant": ["colour"], "settings": ["a=1"]}
    write_records(tmp_path, record("elva", 3, RANKS, **fields))
    (found,) = read_records([tmp_path])
    assert (found.arm, found.seed, found.role, found.updates) == ("elva", 3, "candidate", 10)
    assert found.ranks == {"t": [1, 3, None, 7]}
    assert found.mean["hit@1"] == 0.25
    assert found.named["pose"] == (5, 10)
    assert (found.clusters, found.start, found.dominant) == ({"t": [4, 4, 5, 6]}, "abc", ("colour",))
    assert found.settings == ("a=1",)


def test_what_records_may_leave_out_is_none(tmp_path: Path) -> None:
    write_records(tmp_path, record("elva", 0, RANKS, paraphrase_distance=None, named={}, grains={}))
    (found,) = read_records([tmp_path / "cure"])
    assert (found.clusters, found.start, found.dominant, found.paraphrase_distance) == (None, None, None, None)


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("schema", 2, "schema: is 2, this reads 1"),
        ("role", "winner", "role: is 'winner', none of baseline"),
        ("default", 1, "default: is 1, true or false"),
        ("seed", True, "seed: is True, a whole number"),
        ("seconds", "60", "seconds: is '60', a number"),
        ("seconds", float("nan"), "seconds: is nan"),
        ("ranks", {"t": [1, 0, None, 7]}, "ranks.t[1]: is 0, a rank from 1"),
        ("ranks", {"t": [1, 2.5, None, 7]}, "ranks.t[1]: is 2.5"),
        ("ranks", {}, "ranks: holds no query"),
        ("clusters", {"t": [1, 2]}, "clusters: has other tasks or lengths"),
        ("mean", {"hit@1": 25.0}, "mean.hit@1: is 25.0, a rate from 0 to 1"),
        ("mean", {"hit@1": 0.5, "hit@5": 0.5, "hit@10": 0.75, "mrr": 0.4}, "mean.hit@1: is 0.5000, but the ranks give"),
        ("grains", {"pose": {"pair_accuracy": "high"}}, "grains.pose.pair_accuracy: is 'high'"),
        ("named", {"pose": [7, 5]}, "named.pose: is [7, 5], [named, all]"),
        ("curve", [{"loss": 1.0}], "curve[0].step: is None"),
        ("settings", [1], "settings[0]: is 1, text"),
        ("start", 3, "start: is 3, text"),
    ],
)
def test_a_bad_field_is_named(tmp_path: Path, field: str, value: Any, told: str) -> None:
    path = tmp_path / "elva-s0.json"
    path.write_text(json.dumps({**record("elva", 0, RANKS), field: value}))
    with pytest.raises(DataError, match=re.escape(told)) as error:
        read_record(path)
    assert str(path) in str(error.value)


def test_a_missing_field_is_named(tmp_path: Path) -> None:
    row = record("elva", 0, RANKS)
    del row["updates"]
    (tmp_path / "a.json").write_text(json.dumps(row))
    with pytest.raises(DataError, match="updates: is missing, a whole number is needed"):
        read_records([tmp_path])


@pytest.mark.parametrize("text", ["{half", "[]", ""])
def test_what_is_no_record_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(DataError, match=r"a\.json"):
        read_records([tmp_path])


def test_places_without_records_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is missing"):
        read_records([tmp_path / "none"])
    with pytest.raises(InputError, match=r"holds no \.json"):
        read_records([tmp_path])


def test_a_file_given_twice_counts_once_and_two_files_of_one_run_are_refused(tmp_path: Path) -> None:
    write_records(tmp_path, *cure())
    one = tmp_path / "cure/shapes/elva-s0.json"
    assert len(read_records([tmp_path, one, tmp_path / "cure"])) == 8
    one.with_name("copy.json").write_text(one.read_text())
    with pytest.raises(InputError, match=r"the same run \(elva, seed 0\)"):
        read_records([tmp_path])


def test_figures_that_could_not_be_taken_are_null(tmp_path: Path) -> None:
    write_records(tmp_path, record("elva", 0, RANKS, grains={"pose": grain(None, None, None)}))
    (found,) = read_records([tmp_path])
    assert found.grains["pose"]["pair_accuracy"] is None
