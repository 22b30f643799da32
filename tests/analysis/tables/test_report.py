"""The report of evaluations: whole, self-contained, the same each time."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from elva.analysis.tables.contents import Asked, contents_of
from elva.analysis.tables.report import write_tables
from elva.errors import InputError
from elva.evaluation.mbeir import evaluate
from evaluated import SIXTEEN, results, write_evaluation
from judging import FakeEncoder, write_root


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """A data root, and the evaluations of two encoders on it, the second with a training behind it."""
    folder = tmp_path_factory.mktemp("shapes")
    root = write_root(folder / "root")
    blind = FakeEncoder("stage2", {"small": 0.1, "large": 0.1}, 1.2)
    for encoder in (blind, FakeEncoder("elva", {}, 0.9)):
        evaluate(root, encoder, out=folder / encoder.name / "eval")
    (folder / "elva/metrics.jsonl").write_text('{"step": 1, "reward/total": 0.1}\n{"step": 9, "reward/total": 0.4}\n')
    return root, [str(folder / "stage2"), str(folder / "elva")]


def test_the_page_holds_everything_and_needs_nothing(shapes: tuple[Path, list[str]], tmp_path: Path) -> None:
    root, places = shapes
    written = write_tables(Asked(places), tmp_path / "r.html", root=root, images=tmp_path / "plots")
    page = (tmp_path / "r.html").read_text()
    assert not re.search(r'(src|href)="(?!data:|#)', page) and "<script" not in page
    for part in ("mrbench: hit@1", "Pair accuracy by kind of grain: mrbench", "Compared with stage2", "reward, total"):
        assert part in page
    assert page.count("<article") > 6 and page.count("data:image/png;base64,") > 20
    assert [path.suffix for path in written.files] == [".html", ".md", ".tex", ".json"]
    assert (tmp_path / "plots/tables-distances-mbeir.svg").read_text().startswith("<svg")
    assert any(line.startswith("elva against stage2, mrbench: +") for line in written.contents.verdicts)
    links = set(re.findall(r'href="#([^"]+)"', page))
    assert links and links <= set(re.findall(r'id="([^"]+)"', page))


def test_the_same_evaluations_give_the_same_bytes(shapes: tuple[Path, list[str]], tmp_path: Path) -> None:
    root, places = shapes
    one = write_tables(Asked(places), tmp_path / "one.html", root=root)
    two = write_tables(Asked(places), tmp_path / "two.html", root=root)
    assert [path.read_bytes() for path in one.files] == [path.read_bytes() for path in two.files]
    row = json.loads((tmp_path / "one.json").read_text())
    assert [each["model"] for each in row["comparisons"]] == ["elva"]
    assert row["comparisons"][0]["whole"]["queries"] == 64


def test_tables_go_into_a_document_between_its_marks(shapes: tuple[Path, list[str]], tmp_path: Path) -> None:
    document = tmp_path / "page.md"
    document.write_text("head\n<!-- tables: begin -->\nold\n<!-- tables: end -->\nfoot\n")
    write_tables(Asked(shapes[1]), tmp_path / "r.html", document=document)
    text = document.read_text()
    assert text.startswith("head\n<!-- tables: begin -->\n### mrbench: hit@1") and "old" not in text


def test_every_kind_of_table_has_its_evaluations(tmp_path: Path) -> None:
    held_out = ("nights_task4_test", "oven_task6_test", "infoseek_task6_test", "oven_task8_test", "infoseek_task8_test")
    of = {
        "mbeir": results("ours", {key: [1, 2] for key in SIXTEEN}),
        "mrbench": results("ours", {"cirr_task7_test": [1, 2]}, benchmark="mrbench"),
        "unseen": results("ours", {"flickr30k_task0_test": [1, 2]}, benchmark="unseen"),
        "video": results("ours", {"msvd": [1, 2]}, benchmark="video"),
        "held": results("held", {key: [1, 2] for key in held_out}),
        "whole": results("whole", {key: [1, 2] for key in SIXTEEN}),
        "lamra": results("lamra", {key: [1, 2] for key in SIXTEEN}),
    }
    at = {name: str(write_evaluation(tmp_path / name, row)) for name, row in of.items()}
    places = [at[name] for name in ("mbeir", "mrbench", "unseen", "video")]
    found = contents_of(Asked(places, [at["held"]], [at["whole"]], [at["lamra"]]))
    names = ["mbeir", "mrbench", "unseen", "video", "held_out", "ablations", "plug_in"]
    assert [table.name for table in found.tables] == names
    assert found.comparisons == []


def test_what_an_evaluation_doubts_is_told(tmp_path: Path) -> None:
    doubts = [
        {"kind": "at_chance", "task": "cirr_task7_test", "message": "no better than chance"},
        {"kind": "missing_ret", "task": None, "message": "3 % without [RET]"},
    ]
    place = write_evaluation(tmp_path / "ours", results("ours", {"cirr_task7_test": [1, 2]}, warnings=doubts))
    written = write_tables(Asked([str(place)]), tmp_path / "r.html")
    told = ["ours, cirr_task7_test: no better than chance", "ours, mbeir: 3 % without [RET]"]
    assert written.contents.warnings == told
    assert all(f"Warning: {each}" in (tmp_path / "r.html").read_text() for each in told)
    unseen = results("ours", {"visdial": [1, 2]}, benchmark="unseen", set="visdial", warnings=doubts[1:])
    others = [f"held={place}", f"held={write_evaluation(tmp_path / 'visdial', unseen)}"]
    found = contents_of(Asked(ablations=[f"whole={place}"], held_out=others))
    assert found.warnings == [
        *(f"held, {each.partition(', ')[2]}" for each in told),
        "held, visdial: 3 % without [RET]",
        *(f"whole, {each.partition(', ')[2]}" for each in told),
    ]


def test_held_out_tasks_of_other_data_have_tables_too(tmp_path: Path) -> None:
    rows = {name: results(name, {"world_task4_test": [1, rank]}) for name, rank in (("stage2", 9), ("elva", 1))}
    places = [str(write_evaluation(tmp_path / name, row)) for name, row in rows.items()]
    found = contents_of(Asked(held_out=places))
    assert [table.title for table in found.tables] == [
        "Held-out tasks of world: hit@1",
        "Held-out tasks of world: hit@5",
    ]
    assert found.verdicts == [
        "elva against stage2, held-out tasks of world: +50.0 points of hit@5 (+0.0 to +100.0) over 2 queries: "
        "no clear difference."
    ]


def test_what_can_not_be_shown_is_refused(shapes: tuple[Path, list[str]], tmp_path: Path) -> None:
    root, places = shapes
    with pytest.raises(InputError, match=r"ends in \.html"):
        write_tables(Asked(places), tmp_path / "page.md")
    with pytest.raises(InputError, match="nothing to make tables of"):
        write_tables(Asked(), tmp_path / "r.html")
    with pytest.raises(InputError, match="--against x: no evaluation is called so; they are stage2, elva"):
        write_tables(Asked(places, against="x"), tmp_path / "r.html")
    with pytest.raises(InputError, match="give evaluations of two"):
        write_tables(Asked(places[:1]), tmp_path / "r.html", root=root)
    other = write_root(tmp_path / "other")
    (other / "cand_pool/local/mbeir_mrbench_task3_cand_pool.jsonl").write_text("")
    with pytest.raises(InputError, match="were not both judged on these data"):
        write_tables(Asked(places), tmp_path / "r.html", root=other)
    assert not list(tmp_path.glob("r.*")), "nothing is left half-written"
