"""The raw record: what is written is read, and what contradicts itself is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from elva.errors import InputError
from elva.experiment.record import GrainRow, Record, read_record, write_record

RECORD = Record(
    experiment="small",
    data="world",
    split="val",
    arm="elva",
    role="candidate",
    default=True,
    seed=3,
    updates=7,
    seconds=12.5,
    preparation_seconds=2.5,
    seconds_per_update=0.5,
    budget_seconds=10.0,
    ranks={"t0": (1, None, 12), "t3": (2,)},
    clusters={"t0": (0, 1, 0), "t3": (1,)},
    mean={"hit@1": 0.1, "hit@5": 0.2, "hit@10": 0.3, "mrr": 0.15},
    grains={"colour": GrainRow(pair_accuracy=0.5, pairs=4, grain_distance=None, masked=0, ratio=None)},
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
    assert json.loads(path.read_text())["schema"] == 1
    assert len(path.read_text().splitlines()) == len(json.loads(path.read_text())) + 2, "a key a line"


WRONG = {
    "ranks.t0 has a rank below 1": {"ranks": {"t0": (0,)}, "clusters": None},
    "ranks is empty": {"ranks": {}, "clusters": None},
    "clusters and ranks are not of the same": {"clusters": {"t0": (0, 1)}},
    "mean has mrr; expected": {"mean": {"mrr": 0.1}},
    r"mean\.mrr is 1\.5; expected a number between 0 and 1": {"mean": {**RECORD.mean, "mrr": 1.5}},
    "named.colour: more than there are": {"named": {"colour": (5, 4)}},
    "curve has 61 points": {"curve": ({"step": 1.0},) * 61},
    "more than these": {"preparation_seconds": 13.0},
    "role is 'winner'; expected one of baseline": {"role": "winner"},
}


@pytest.mark.parametrize("words", WRONG)
def test_what_contradicts_itself_is_not_written(tmp_path: Path, words: str) -> None:
    with pytest.raises(InputError, match=words):
        write_record(tmp_path, replace(RECORD, **WRONG[words]))  # type: ignore[arg-type]
    assert not list(tmp_path.rglob("*.json"))


def test_a_file_that_is_no_record_is_told(tmp_path: Path) -> None:
    path = write_record(tmp_path, RECORD)
    row = json.loads(path.read_text())
    for content, words in (
        ({key: value for key, value in row.items() if key != "ranks"}, "ranks is missing"),
        ({**row, "schema": 2}, "schema is 2"),
        ({**row, "sead": 1}, "unknown key 'sead'; did you mean 'seed'"),
        ([], "no record"),
    ):
        path.write_text(json.dumps(content))
        with pytest.raises(InputError, match=words):
            read_record(path)
    with pytest.raises(InputError, match="can't be read"):
        read_record(tmp_path / "gone.json")
