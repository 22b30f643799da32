"""The published figures: whole, well-formed, and what the paper prints."""

from __future__ import annotations

from statistics import fmean

import pytest

from elva.analysis.tables.published import direction, library
from elva.data.published_counts import COUNTS


def test_the_sixteen_sub_tasks_are_those_of_m_beir() -> None:
    rows = library().tables["mbeir"].rows
    assert {(row.dataset, row.task) for row in rows} == set(COUNTS)
    assert {row.dataset for row in rows if row.measure == "hit@10"} == {"fashion200k", "fashioniq"}


@pytest.mark.parametrize("name", ["mbeir", "mrbench"])
def test_printed_means_are_those_of_their_rows_up_to_what_the_paper_rounds(name: str) -> None:
    table = library().tables[name]
    assert table.mean
    for column, printed in enumerate(table.mean):
        if printed is not None:
            assert fmean(row.figures[column] or 0 for row in table.rows) == pytest.approx(printed, abs=0.14)


def test_every_figure_is_a_percentage() -> None:
    held = library()
    figures = [value for table in held.tables.values() for row in table.rows for value in row.figures]
    figures += [value for forms in held.forms.values() for row in forms.rows for value in row.figures]
    assert all(value is None or 0 < value < 100 for value in figures)


def test_forms_are_named_as_their_recipes(request: pytest.FixtureRequest) -> None:
    recipes = {path.stem for path in (request.config.rootpath / "recipes/ablations").glob("*.yaml")}
    keys = {row.key for row in library().forms["ablations"].rows}
    assert keys - recipes == {"whole"}


def test_directions_read_as_the_papers_write_them() -> None:
    assert [direction(task) for task in (0, 2, 7, 8)] == ["t→i", "t→(i,t)", "(i,t)→i", "(i,t)→(i,t)"]
