"""Two models on the same queries."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from elva.analysis.tables.comparing import compare_places
from elva.analysis.tables.evaluations import Measured, gather
from elva.analysis.tables.paired import compare, difference, values
from elva.errors import InputError
from elva.evaluation.trec import Run, write_qrels, write_run
from evaluated import results, write_evaluation

T, U = "cirr_task7_test", "fashioniq_task7_test"


def model(folder: Path, name: str, row: dict[str, Any]) -> Measured:
    return gather([str(write_evaluation(folder / name, row))])[0]


def test_differences_are_those_of_the_headline_figures(tmp_path: Path) -> None:
    one = model(tmp_path, "one", results("one", {T: [1, 1, 1, 9], U: [1, 9, 9, None]}))
    other = model(tmp_path, "other", results("other", {T: [9, 1, 9, 9], U: [1, 11, 11, None]}))
    (found,) = compare(one, other)
    assert found.measure == "headline", "hit@5 and hit@10"
    assert (found.tasks[T].one, found.tasks[T].other) == (0.75, 0.25)
    assert (found.tasks[U].one, found.tasks[U].other) == (0.75, 0.25)
    assert found.whole.found.difference == pytest.approx(0.5)
    assert found.whole.found.queries == 8
    assert found.tasks[T].p_holm == pytest.approx(min(1, 2 * min(found.tasks[t].found.p for t in (T, U))))
    (back,) = compare(other, one)
    assert back.whole.found.difference == pytest.approx(-0.5)
    assert (back.whole.found.p, back.whole.found.low) == (found.whole.found.p, pytest.approx(-found.whole.found.high))
    assert difference(one, other, "mbeir", [T]).difference == pytest.approx(0.5)


def test_a_large_difference_is_told_from_none(tmp_path: Path) -> None:
    one = model(tmp_path, "one", results("one", {T: [1] * 40}))
    other = model(tmp_path, "other", results("other", {T: [1] * 20 + [9] * 20}))
    (clear,) = compare(one, other, "hit@1")
    (none,) = compare(one, one, "mrr")
    assert clear.whole.found.p < 0.001 and clear.whole.found.low > 0
    assert (none.whole.found.p, none.whole.found.difference) == (1.0, 0.0)


def test_tasks_of_only_one_are_named_and_left_out(tmp_path: Path) -> None:
    one = model(tmp_path, "one", results("one", {T: [1, 2], U: [1]}))
    other = model(tmp_path, "other", results("other", {T: [2, 2]}))
    (found,) = compare(one, other, "hit@1")
    assert (set(found.tasks), found.alone) == ({T}, (U,))


def test_other_queries_and_nothing_in_common_are_refused(tmp_path: Path) -> None:
    one = model(tmp_path, "one", results("one", {T: [1, 2]}))
    with pytest.raises(InputError, match="judged on 2 queries and other on 1"):
        compare(one, model(tmp_path, "other", results("other", {T: [1]})))
    apart = model(tmp_path, "apart", results("apart", {U: [1]}))
    with pytest.raises(InputError, match="no common task"):
        compare(one, apart)
    assert compare(one, apart, required=False) == []


def test_every_kind_of_measure_is_told_per_query(tmp_path: Path) -> None:
    row = results("ours", {T: [1, 2, None]})
    ours = model(tmp_path, "ours", row)
    assert list(values(ours, "mbeir", [T], "mrr")[T]) == [1, 0.5, 0]
    assert list(values(ours, "mbeir", [T], "hit@2")[T]) == [1, 1, 0]
    assert list(values(ours, "mbeir", [T], "accuracy")[T]) == [1, 0, 0]
    with pytest.raises(InputError, match="measured by bleu, which can't be told per query"):
        values(ours, "mbeir", [T], "bleu")


def test_average_precision_is_read_from_the_lists(tmp_path: Path) -> None:
    row = results("ours", {"circo": [1, 2]}, benchmark="unseen")
    row["tasks"]["circo"]["headline"] = "map@2"
    folder = write_evaluation(tmp_path / "ours", row)
    (folder / "runs").mkdir()
    (folder / "qrels").mkdir()
    lists = (("a", "b", "c"), ("b", "a", "c"))
    write_run(folder / "runs/circo.trec", Run(("1:0", "1:1"), lists, ((3, 2, 1), (3, 2, 1))), "ours")
    write_qrels(folder / "qrels/circo.txt", {"1:0": {"a": 1, "b": 1, "c": 1}, "1:1": {"a": 1}})
    found = values(gather([str(folder)])[0], "unseen", ["circo"], "headline")["circo"]
    assert list(found) == [1.0, 0.5], "two of three fit into two places; one at the second place"


def test_places_are_compared_as_tables_and_json(tmp_path: Path) -> None:
    write_evaluation(tmp_path / "one", results("one", {T: [1, 1], U: [1, 2]}))
    write_evaluation(tmp_path / "other", results("other", {T: [1, 2], U: [1, 2]}))
    out = tmp_path / "compared.json"
    (table,) = compare_places(str(tmp_path / "one"), f"x={tmp_path / 'other'}", "hit@1", out=out)
    text = table.markdown()
    assert "### one less x: M-BEIR, hit@1" in text
    assert "| (i,t)→i cirr | 100.0 | 50.0 | +50.0 | +0.0 to +100.0 |" in text
    assert "| **mean of 2 tasks** | 75.0 | 50.0 | +25.0 |" in text
    assert '"one": "one"' in out.read_text() and '"other": "x"' in out.read_text()
    before = out.read_bytes()
    compare_places(str(tmp_path / "one"), f"x={tmp_path / 'other'}", "hit@1", out=out)
    assert out.read_bytes() == before
    with pytest.raises(InputError, match="holds evaluations of one, other"):
        compare_places(str(tmp_path), str(tmp_path / "one"))
