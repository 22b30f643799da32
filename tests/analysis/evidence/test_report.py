"""The report: whole, self-contained, and the same figures everywhere."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from elva.analysis.evidence.report import write_evidence
from elva.errors import InputError
from experiments import cure, curve, record, write_records


def far_apart() -> list[dict[str, Any]]:
    """As `cure`, on eighty queries, so that differences are clear, with curves and two budgets."""
    arms = {"stage2": ("baseline", 20), "more": ("control", 40), "elva": ("candidate", 60)}
    return [
        record(
            name,
            seed,
            {"t": [1] * hits + [2] * (80 - hits)},
            role=role,
            default=name == "elva",
            experiment=experiment,
            seconds=seconds,
            dominant=["colour"],
            curve=curve([0, 1, 2], [3, 2, 1]) if name == "elva" else [],
        )
        for experiment, seconds in (("cure", 60.0), ("long", 120.0))
        for name, (role, hits) in arms.items()
        for seed in (0, 1)
    ]


def test_the_page_needs_nothing_and_is_the_same_twice(tmp_path: Path) -> None:
    write_records(tmp_path / "records", *far_apart())
    write_evidence([tmp_path / "records"], tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    assert not re.search(r'(src|href)="(?!#)', page)
    assert "<script" not in page
    assert page.count("<svg") == 2 * 4 + 1  # per trial hits, pairs, distances, rewards; budgets once
    assert "Candidates that clearly beat the strongest control: elva (of 1)." in page
    assert "+25.0 points of hit@1" in page and "clearly better" in page
    write_evidence([tmp_path / "records"], tmp_path / "again.html")
    assert (tmp_path / "again.html").read_text() == page


def test_one_seed_is_never_clear(tmp_path: Path) -> None:
    write_records(tmp_path / "records", *[each for each in far_apart() if each["seed"] == 0])
    sections = write_evidence([tmp_path / "records"], tmp_path / "report.html")
    against = sections[0].judged.rows["elva"].against_control
    assert against is not None and against.p_holm < 0.001 and not against.clear
    first, *_, last = sections[0].verdict
    assert first.endswith("the same sign in 1 of 1 seeds: one seed, which can't tell the luck of training.")
    assert "beat the strongest control: none (of 1)" in last


def test_document_and_summary_hold_the_figures_of_the_page(tmp_path: Path) -> None:
    write_records(tmp_path / "records", *far_apart())
    document = tmp_path / "docs/evidence.md"
    document.parent.mkdir()
    document.write_text("# Evidence\n<!-- evidence: begin -->\n<!-- evidence: end -->\nThe end\n")
    images = tmp_path / "docs/images"
    write_evidence([tmp_path / "records"], tmp_path / "report.html", document=document, images=images)
    text = document.read_text()
    assert text.startswith("# Evidence\n") and text.endswith("The end\n")
    assert "| **elva** (default) | candidate | 75.0 ± 0.0 | 75.0 · 75.0 | +25.0 (" in text
    assert "| more | control | 50.0 ± 0.0 | 50.0 · 50.0 | - | - | - | +100.0 % |" in text
    assert "minor kinds" in text
    linked = re.findall(r"\]\((images/[^)]+\.svg)\)", text)
    assert sorted(linked) == sorted(f"images/{path.name}" for path in images.iterdir())
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert [each["experiment"] for each in summary["trials"]] == ["cure", "long"]
    row = summary["trials"][0]["rows"]["elva"]
    assert row["rates"]["hit@1"]["mean"] == 0.75
    assert row["against_control"]["found"]["difference"] == pytest.approx(0.25)
    assert {"low", "high", "p", "standardised", "relative"} <= set(row["against_control"]["found"])


def test_plots_stand_alone_in_both_schemes(tmp_path: Path) -> None:
    write_records(tmp_path / "records", *far_apart())
    write_evidence([tmp_path / "records"], tmp_path / "report.html", images=tmp_path / "images")
    for path in (tmp_path / "images").iterdir():
        svg = ElementTree.fromstring(path.read_text())
        assert svg.tag == "{http://www.w3.org/2000/svg}svg"
        assert "prefers-color-scheme: dark" in path.read_text()


def test_records_without_controls_default_or_grains_make_a_report(tmp_path: Path) -> None:
    bare = [record("a", 0, {"t": [1, 2]}, grains={}, named={}, paraphrase_distance=None, missing_ret=None)]
    write_records(tmp_path / "records", *bare)
    write_evidence([tmp_path / "records"], tmp_path / "report.html")
    assert (tmp_path / "report.html").read_text().count("<svg") == 1
    none = [record("a", 0, {"t": [1, 2]}, role="control")]
    write_records(tmp_path / "none", *none)
    write_evidence([tmp_path / "none"], tmp_path / "report.html")
    assert "There is no candidate" in (tmp_path / "report.html").read_text()


def test_nothing_is_written_where_something_is_wrong(tmp_path: Path) -> None:
    write_records(tmp_path / "records", *cure())
    out = tmp_path / "report.html"
    with pytest.raises(InputError, match="--dominant taste: no record has it; they have colour, fill, pose"):
        write_evidence([tmp_path / "records"], out, dominant=["taste"])
    with pytest.raises(InputError, match="--show evla: no record has it"):
        write_evidence([tmp_path / "records"], out, show=["evla"])
    document = tmp_path / "page.md"
    document.write_text("no marks\n")
    with pytest.raises(InputError, match="evidence: begin"):
        write_evidence([tmp_path / "records"], out, document=document)
    assert not out.exists()
