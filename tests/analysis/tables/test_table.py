"""A table in its forms."""

from __future__ import annotations

from elva.analysis.tables.latex import escaped, latex
from elva.analysis.tables.table import Cell, Column, Line, Table, best_in_columns, best_in_rows

LINES = (
    Line("t→i R_rank & co", (Cell(50.04), Cell(50.0), Cell(None))),
    Line("mean", (Cell(1.0), Cell(-0.5, "gain", "(-1.0 to +0.2)"), Cell(0.0002, "p")), strong=True),
)
TABLE = Table(
    "a_table",
    "Title",
    "Note 5 %.",
    "task",
    (Column("theirs", True), Column("ours"), Column("p")),
    LINES,
    best_in_rows(LINES[:1]),
    "somewhere",
)


def test_figures_that_are_shown_alike_are_best_together() -> None:
    assert TABLE.best == {(0, 0), (0, 1)}
    assert best_in_columns(LINES) == {(0, 0), (0, 1)}, "a lone figure has nothing to beat"


def test_the_order_of_a_sum_is_not_seen() -> None:
    assert {Cell(value).text for value in (90.65, 90.649999999999991, 90.650000000000006)} == {"90.7"}


def test_markdown_marks_published_columns_and_the_best() -> None:
    text = TABLE.markdown()
    assert text.startswith("### Title\n\nNote 5 %. Published figures: somewhere.\n\n")
    assert "| task | theirs (published) | ours | p |" in text
    assert "| t→i R_rank & co | **50.0** | **50.0** | - |" in text
    assert "| **mean** | 1.0 | -0.5 (-1.0 to +0.2) | < 0.001 |" in text


def test_latex_is_escaped_and_balanced() -> None:
    text = latex([TABLE])
    assert escaped(r"a_b {50 %} $ & # ~ ^ \ → <") == (
        r"a\_b \{50 \%\} \$ \& \# \textasciitilde{} \textasciicircum{} \textbackslash{} $\to$ $<$"
    )
    assert r"t$\to$i R\_rank \& co & \textbf{50.0} & \textbf{50.0} & - \\" in text
    assert r"\multicolumn{1}{c}{published} & \multicolumn{2}{c}{measured} \\" in text
    assert r"\cmidrule(lr){2-2}\cmidrule(lr){3-4}" in text
    assert r"\label{tab:a-table}" in text and "\\midrule\nmean &" in text
    assert text.count(r"\begin{") == text.count(r"\end{") == 2
    assert text.count("{") == text.count("}")


def test_json_holds_numbers() -> None:
    row = TABLE.to_row()
    assert row["columns"][0] == {"name": "theirs", "published": True}
    assert row["rows"][0]["figures"] == [50.04, 50.0, None]
