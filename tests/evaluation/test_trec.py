"""Run and qrels files refuse what other tools could not read."""

from __future__ import annotations

from pathlib import Path

import pytest

from elva.errors import DataError
from elva.evaluation.trec import Run, read_qrels, read_run, write_qrels, write_run


def test_qrels_round_trip_in_order(tmp_path: Path) -> None:
    path = tmp_path / "q.txt"
    write_qrels(path, {"1:2": {"9:3": 1, "9:10": 0}, "1:1": {"9:1": 2}})
    assert path.read_text() == "1:1 0 9:1 2\n1:2 0 9:10 0\n1:2 0 9:3 1\n"
    assert read_qrels(path) == {"1:1": {"9:1": 2}, "1:2": {"9:10": 0, "9:3": 1}}


@pytest.mark.parametrize("line", ["1:1 Q0 9:1 1 0.5", "1:1 Q0 9:1 1 high tag", "1:1 Q0 9:2 2 0.8 tag"])
def test_a_bad_run_line_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "r.trec"
    path.write_text(f"1:1 Q0 9:2 1 0.9 tag\n{line}\n")
    with pytest.raises(DataError, match=r"r\.trec:2"):
        read_run(path)


def test_a_bad_judgement_is_named(tmp_path: Path) -> None:
    path = tmp_path / "q.txt"
    path.write_text("1:1 0 9:1 yes\n")
    with pytest.raises(DataError, match=r"q\.txt:1: relevance: 'yes'"):
        read_qrels(path)


def test_an_id_with_white_space_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="white space"):
        write_run(tmp_path / "r.trec", Run(("1:1",), (("a b",),), ((1,),)), "tag")
