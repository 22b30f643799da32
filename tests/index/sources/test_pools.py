"""The candidates of M-BEIR data as a source."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from elva.errors import DataError, InputError
from elva.index.sources.pools import Pools
from judging import write_root


def test_candidates_of_all_tasks_come_once_with_what_was_noted_of_them(tmp_path: Path) -> None:
    root = write_root(tmp_path / "root")
    pool = root / "cand_pool/local/mbeir_mrbench_task0_cand_pool.jsonl"
    rows = [json.loads(line) for line in pool.read_text().splitlines()]
    rows[0]["src_content"], rows[1]["src_content"], rows[2]["src_content"] = '{"price": 3}', "a note", {"price": 4}
    pool.write_text("".join(json.dumps(row) + "\n" for row in [*rows, {"did": "no"}]))
    errors: list[DataError] = []
    found = list(Pools(root).items(errors))
    assert len(found) == len({each.entry.id for each in found}) == 64
    assert [each.entry.metadata for each in found[:4]] == [{"price": 3}, {"source": "a note"}, {"price": 4}, {}]
    assert found[1].place == (pool, 2, "img_path")
    assert [error.line for error in errors] == [33]
    assert len(list(Pools(root, tasks=[3]).items([]))) == 32


def test_tasks_that_are_not_there_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no val task that fits"):
        list(Pools(write_root(tmp_path / "root"), "val").items([]))
