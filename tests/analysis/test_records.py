"""Raw records: read as they were written, and refused with file and key."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from elva.analysis.records import GrainRow, Record, read_record, read_records, write_record
from elva.errors import InputError
from experiments import cure, grain, record, write_records

RANKS = {"t": [1, 3, None, 7]}
RECORD = Record(
    experiment="small",
    data="world",
    split="val",
    arm="elva",
    role="candidate",
    default=True,
    seed=3,
    start="0123456789abcdef",
    updates=7,
    seconds=12.5,
    preparation_seconds=2.5,
    seconds_per_update=0.5,
    budget_seconds=10.0,
    ranks={"t0": (1, None, 12, 4), "t3": (2,)},
    clusters={"t0": (0, 1, 0, 2), "t3": (1,)},
    mean={"hit@1": 0.125, "hit@5": 0.75, "hit@10": 0.75, "mrr": 0.4167},
    grains={"colour": GrainRow(pair_accuracy=0.5, pairs=4, grain_distance=None, masked=0, ratio=None)},
    dominant=("shape", "colour"),
    paraphrase_distance=None,
    missing_ret=0.0,
    named={"colour": (3, 4)},
    curve=({"step": 0, "seconds": 0.5, "loss": 2.0}, {"step": 6, "seconds": 3.5, "loss": None}),
    recipe="tiny/elva",
    settings=("optimizer.lr=1e-4",),
)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = write_record(tmp_path, RECORD)
    assert path == tmp_path / "small/world/elva-s3.json"
    assert read_record(path) == RECORD
    row = json.loads(path.read_text())
    assert row["schema"] == 1
    assert len(path.read_text().splitlines()) == len(row) + 2, "a key a line"


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"clusters": {"t0": (0, 1)}}, "clusters has other tasks or lengths than ranks"),
        ({"mean": {"mrr": 0.1}}, "mean has mrr; expected hit@1, hit@5, hit@10, mrr"),
        ({"curve": ({"step": 1.0},) * 61}, "curve has 61 points, more than 60"),
        ({"preparation_seconds": 13.0}, "preparation_seconds are part of seconds, and more than these"),
    ],
)
def test_what_contradicts_itself_is_not_written(tmp_path: Path, changes: dict[str, Any], told: str) -> None:
    with pytest.raises(InputError, match=re.escape(told)):
        write_record(tmp_path, replace(RECORD, **changes))
    assert not list(tmp_path.rglob("*.json"))


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("schema", 2, "schema is 2; expected one of 1"),
        ("sead", 2, "unknown key 'sead'; did you mean 'seed'?"),
        ("role", "winner", "role is 'winner'; expected one of baseline"),
        ("default", 1, "default is 1; expected true or false"),
        ("seed", True, "seed is True; expected a whole number"),
        ("seconds", "long", "seconds is 'long'; expected a number"),
        ("seconds", float("nan"), "seconds is nan; expected a number"),
        ("ranks", {"t": [1, 0, None, 7]}, "ranks.t[1] is 0; expected a whole number of at least 1 or null"),
        ("ranks", {"t": [1, 2.5, None, 7]}, "ranks.t[1] is 2.5; expected a whole number"),
        ("ranks", {"t": 1}, "ranks.t is 1; expected a list ([a, b]) of a whole number or null"),
        ("ranks", {}, "ranks holds no query"),
        ("ranks", {"t": []}, "ranks holds no query"),
        ("mean", {"hit@1": 25.0}, "mean.hit@1 is 25.0; expected a number between 0 and 1"),
        ("mean", {"hit@1": 0.5, "hit@5": 0.5, "hit@10": 0.75, "mrr": 0.4}, "mean.hit@1 is 0.5000, but the ranks give"),
        ("grains", {"pose": grain(2.0, None, None)}, "grains.pose.pair_accuracy is 2.0"),
        ("grains", {"pose": {}}, "grains.pose.pair_accuracy is missing: share of near misses"),
        ("named", {"pose": [7, 5]}, "named.pose is [7, 5]; expected [named, all]"),
        ("curve", [{"loss": "high"}], "curve[0].loss is 'high'; expected a number or null"),
        ("settings", [1], "settings[0] is 1; expected text"),
        ("start", None, "start is None; expected text"),
    ],
)
def test_a_bad_key_is_named_with_its_file_and_the_cure(tmp_path: Path, key: str, value: Any, told: str) -> None:
    path = tmp_path / "elva-s0.json"
    path.write_text(json.dumps({**record("elva", 0, RANKS), key: value}))
    with pytest.raises(InputError, match=re.escape(f"{path}: {told}") + ".*; give `elva experiment` the same command"):
        read_record(path)


def test_a_missing_key_is_named(tmp_path: Path) -> None:
    row = record("elva", 0, RANKS)
    del row["updates"]
    write_records(tmp_path, record("elva", 0, RANKS))
    (tmp_path / "cure/shapes/elva-s0.json").write_text(json.dumps(row))
    with pytest.raises(InputError, match=r"elva-s0\.json: updates is missing: of the weights"):
        read_records([tmp_path])


@pytest.mark.parametrize("text", ["{half", "[]", ""])
def test_what_is_no_record_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "a-s0.json").write_text(text)
    with pytest.raises(InputError, match=r"a-s0\.json"):
        read_records([tmp_path])


def test_places_without_records_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is missing"):
        read_records([tmp_path / "none"])
    with pytest.raises(InputError, match=r"holds no ARM-sSEED\.json"):
        read_records([tmp_path])


def test_what_else_lies_in_a_folder_is_no_record(tmp_path: Path) -> None:
    write_records(tmp_path, record("elva", 0, RANKS))
    for other in ("cure/pace.json", "cure/summary.json", "summary.json"):
        (tmp_path / other).write_text("{}")
    assert len(read_records([tmp_path])) == 1
    with pytest.raises(InputError, match=r"pace\.json: experiment is missing"):
        read_records([tmp_path / "cure/pace.json"])


def test_a_file_given_twice_counts_once_and_two_files_of_one_run_are_refused(tmp_path: Path) -> None:
    write_records(tmp_path, *cure())
    one = tmp_path / "cure/shapes/elva-s0.json"
    assert len(read_records([tmp_path, one, tmp_path / "cure"])) == 8
    one.with_name("copy-s0.json").write_text(one.read_text())
    with pytest.raises(InputError, match=r"the same run \(elva, seed 0\); keep one"):
        read_records([tmp_path])


def test_figures_that_could_not_be_taken_are_null(tmp_path: Path) -> None:
    write_records(tmp_path, record("elva", 0, RANKS, grains={"pose": grain(None, None, None)}))
    (found,) = read_records([tmp_path])
    assert found.grains["pose"].pair_accuracy is None
