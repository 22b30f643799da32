"""Files of scores: read when asked for, refused where a line is no such row."""

from __future__ import annotations

from pathlib import Path

import pytest

from elva.data.scores import Scores
from elva.errors import DataError


def file_of(folder: Path, *lines: str) -> Path:
    path = folder / "s.jsonl"
    path.write_text("".join(line + "\n" for line in lines))
    return path


def test_scores_are_read_by_query(tmp_path: Path) -> None:
    first = '{"qid": "1:1", "candidates": [["2:1", -3.5], ["2:2", -4]]}'
    scores = Scores(file_of(tmp_path, first, '{"qid": "1:2", "candidates": [], "filtered": 0}'))
    assert dict(scores) == {"1:1": {"2:1": -3.5, "2:2": -4.0}, "1:2": {}}
    assert len(scores) == 2
    assert "1:1" in scores and "1:3" not in scores
    with pytest.raises(KeyError):
        scores["1:3"]


@pytest.mark.parametrize(
    "line",
    [
        "no json",
        "[]",
        '{"qid": "1:2"}',
        '{"qid": 7, "candidates": []}',
        '{"qid": "1:2", "candidates": [["2:1"]]}',
        '{"qid": "1:2", "candidates": [["2:1", NaN]]}',
        '{"qid": "1:2", "candidates": [["2:1", null]]}',
        '{"qid": "1:2", "candidates": [["2:1", 1], ["2:1", 2]]}',
    ],
)
def test_a_line_that_holds_no_scores_is_named(tmp_path: Path, line: str) -> None:
    with pytest.raises(DataError, match=r"s\.jsonl:2: qid, candidates: .*write the file again"):
        Scores(file_of(tmp_path, '{"qid": "1:1", "candidates": []}', line))


def test_a_query_may_stand_there_once(tmp_path: Path) -> None:
    row = '{"qid": "1:1", "candidates": []}'
    with pytest.raises(DataError, match="1:1 occurs twice"):
        Scores(file_of(tmp_path, row, row))
