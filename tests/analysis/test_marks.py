"""Tables land between their marks, and nowhere else."""

from __future__ import annotations

from pathlib import Path

import pytest

from elva.analysis.marks import around, insert
from elva.errors import InputError


def test_what_stood_between_the_marks_is_replaced(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# Head\n<!-- one: begin -->\nold\n<!-- one: end -->\nfoot\n<!-- two: begin -->\n<!-- two: end -->\n"
    )
    insert(page, "one", "\n| new |\n\n")
    insert(page, "two", "more")
    assert page.read_text() == (
        "# Head\n<!-- one: begin -->\n| new |\n<!-- one: end -->\nfoot\n<!-- two: begin -->\nmore\n<!-- two: end -->\n"
    )


def test_a_document_without_marks_is_refused(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    with pytest.raises(InputError, match="can't be read"):
        around(page, "one")
    page.write_text("<!-- one: begin -->\nnever ended\n")
    with pytest.raises(InputError, match="<!-- one: end -->: add them"):
        insert(page, "one", "x")
    assert page.read_text() == "<!-- one: begin -->\nnever ended\n"
