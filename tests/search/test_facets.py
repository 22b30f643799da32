"""What metadata offers to filter by."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from elva.index.protocol import Entry
from elva.search import facets
from elva.search.facets import Facet
from judging import FakeEncoder
from remembered import Remembered


def of(root: Path, rows: Sequence[dict[str, Any]]) -> tuple[Facet, ...]:
    index = Remembered(FakeEncoder(), root)
    entries = [Entry(f"{number:03}", "a", metadata=row) for number, row in enumerate(rows)]
    index.add(entries, np.ones((len(rows), 48), np.float32))
    return facets.facets(index)


def test_few_values_are_counted_and_the_most_frequent_comes_first(tmp_path: Path) -> None:
    (found,) = of(tmp_path, [{"colour": "red"}, {"colour": "blue"}, {"colour": "blue"}, {}])
    assert found == Facet("colour", (("blue", 2), ("red", 1)))


def test_many_numbers_have_a_range_even_when_they_are_texts(tmp_path: Path) -> None:
    rows = [{"price": each / 2, "told": str(each)} for each in range(40)]
    assert of(tmp_path, rows) == (Facet("price", low=0, high=19.5), Facet("told", low=0, high=39))


def test_objects_are_reached_into_and_the_elements_of_lists_are_counted(tmp_path: Path) -> None:
    rows = [{"is": {"colour": "red", "tags": ["a", "b", "b"]}}, {"is": {"colour": "blue", "tags": ["b"]}}]
    assert of(tmp_path, rows) == (
        Facet("is.colour", (("blue", 1), ("red", 1))),
        Facet("is.tags", (("b", 2), ("a", 1))),
    )


def test_many_words_that_come_up_again_and_again_are_counted(tmp_path: Path) -> None:
    (found,) = of(tmp_path, [{"kind": f"kind {each % 40:02}"} for each in range(160)])
    assert len(found.values) == 40 and found.values[0] == ("kind 00", 4)


@pytest.mark.parametrize("values", [[f"title {each}" for each in range(40)], ["same"] * 3, [["a"]] * 2, [None, None]])
def test_what_no_one_could_choose_from_is_left_out(tmp_path: Path, values: Sequence[Any]) -> None:
    assert of(tmp_path, [{"field": each} for each in values]) == ()


def test_of_a_large_index_a_part_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(facets, "LOOKED_AT", 3)
    monkeypatch.setattr(facets, "BLOCK", 2)
    (found,) = of(tmp_path, [{"colour": each} for each in ("red", "blue", "blue", "green")])
    assert found.values == (("blue", 2), ("red", 1))
