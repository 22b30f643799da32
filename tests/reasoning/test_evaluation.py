"""A model judged on questions with options: figures, files, going on after a kill, and `elva report` of it all."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from elva.analysis.tables.contents import Asked, contents_of
from elva.analysis.tables.report import write_tables
from elva.encoding import ModelIdentity, Progress, Written
from elva.errors import DataError, InputError
from elva.index.folder import FolderError
from elva.items import Item
from elva.reasoning import asking
from elva.reasoning.asking import Decoding
from elva.reasoning.evaluation import evaluate
from elva.reasoning.seed_bench_r1 import benchmark
from questioned import save, validation_row

GREEDY = Decoding(16)


@dataclass
class Fake:
    """Responds by how many it answered before, and remembers what it was asked."""

    letter: Callable[[int], str] = lambda number: "A"
    fingerprint: str = "f"
    asked: list[str] = field(default_factory=list)
    seeds: list[int] = field(default_factory=list)

    @property
    def identity(self) -> ModelIdentity:
        return ModelIdentity("fake", self.fingerprint, "generative", 4)

    def write(self, items: Sequence[Item], decoding: Decoding, progress: Progress | None = None) -> Written:
        self.seeds.append(decoding.seed)
        texts = [item.parts[-1].text or "" for item in items]
        places = range(len(self.asked), len(self.asked) + len(texts))
        self.asked += texts
        if progress:
            progress(len(items))
        return Written([f"<think>red</think><answer>{self.letter(place)}.</answer>" for place in places], 1, 0)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Three levels; a model that always says A is right in a quarter of each."""
    for level, count in (("L1", 12), ("L2", 4), ("L3", 8)):
        asked = {"question": f"What comes next, of {level}?"}
        rows = [validation_row(number, **asked, **_domain(level, number)) for number in range(count)]
        save(tmp_path / "seed", f"validation_{level}", rows)
    return tmp_path / "seed"


def _domain(level: str, number: int) -> dict[str, Any]:
    return {"domain": ("Work", "Hobbies")[number % 2]} if level == "L3" else {}


def test_levels_and_domains_are_judged_and_told(root: Path, tmp_path: Path) -> None:
    row = evaluate(benchmark(root), Fake(), out=tmp_path / "out", decoding=GREEDY)
    assert {name: (each["accuracy"], each["queries"]) for name, each in row["tasks"].items()} == {
        "L1": (0.25, 12),
        "L2": (0.25, 4),
        "L3": (0.25, 8),
    }
    assert row["mean"]["accuracy"] == 0.25
    assert row["tasks"]["L3"]["groups"]["domain"]["work"]["accuracy"] == 0.5
    assert row["tasks"]["L1"]["cut"] == 1
    assert [each["task"] for each in row["warnings"]] == ["L1", "L2", "L3"]
    assert json.loads((tmp_path / "out/results.json").read_text()) == row
    table = (tmp_path / "out/table.md").read_text()
    assert "| chance | 25.0 |" in table
    assert "## L3: by domain" in table


def test_responses_stand_in_the_published_rows(root: Path, tmp_path: Path) -> None:
    evaluate(benchmark(root, ["L3"]), Fake(), out=tmp_path / "out", decoding=GREEDY)
    lines = (tmp_path / "out/responses/validation_L3.jsonl").read_text().splitlines()
    published = (root / "annotations/validation_L3.jsonl").read_text().splitlines()
    added = {"response": "<think>red</think><answer>A.</answer>", "chosen": "A"}
    assert [json.loads(line) for line in lines] == [
        {**json.loads(row), **added, "correct": number % 4 == 0} for number, row in enumerate(published)
    ]


def test_what_was_answered_before_a_kill_is_not_asked_again(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "BLOCK", 4)
    whole = evaluate(benchmark(root), Fake(), out=tmp_path / "whole", decoding=GREEDY)

    class Killed(Fake):
        def write(self, items: Sequence[Item], decoding: Decoding, progress: Progress | None = None) -> Written:
            if len(self.asked) >= 8:
                raise KeyboardInterrupt
            return super().write(items, decoding, progress)

    killed, next_one, last = Killed(), Fake(), Fake()
    with pytest.raises(KeyboardInterrupt):
        evaluate(benchmark(root), killed, out=tmp_path / "out", decoding=GREEDY)
    assert not (tmp_path / "out").exists()
    assert evaluate(benchmark(root), next_one, out=tmp_path / "out", decoding=GREEDY) == whole
    assert len(killed.asked) + len(next_one.asked) == 24
    assert evaluate(benchmark(root), last, out=tmp_path / "out", decoding=GREEDY) == whole
    assert not last.asked


def test_another_model_other_decoding_or_other_pictures_are_asked_anew(root: Path, tmp_path: Path) -> None:
    def asked(model: Fake, decoding: Decoding = GREEDY) -> int:
        evaluate(benchmark(root, ["L2"]), model, out=tmp_path / "out", decoding=decoding)
        return len(model.asked)

    assert [asked(Fake()), asked(Fake()), asked(Fake(fingerprint="g"))] == [4, 0, 4]
    drawn = Decoding(16, 1.0)
    assert [asked(Fake(), drawn), asked(Fake(), Decoding(16, 1.0, 1)), asked(Fake(), drawn)] == [4, 4, 0]
    image = root / "images/World/v0.png"
    image.write_bytes((root / "images/World/v1.png").read_bytes() + b" ")
    assert asked(Fake()) == 4


def test_what_is_drawn_follows_from_seed_level_and_place(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "BLOCK", 4)
    drawn = []
    for seed in (0, 1):
        model = Fake()
        evaluate(benchmark(root), model, out=tmp_path / f"{seed}", decoding=Decoding(16, 1.0, seed))
        drawn += model.seeds
    assert len({*drawn}) == 2 * 6


def test_a_file_that_holds_other_answers_is_told(root: Path, tmp_path: Path) -> None:
    evaluate(benchmark(root, ["L2"]), Fake(), out=tmp_path / "out", decoding=GREEDY)
    kept = tmp_path / "out.answers.jsonl"
    kept.write_text(json.dumps(json.loads(kept.read_text()) | {"answer": "[]"}) + "\n")
    with pytest.raises(DataError, match=r"out\.answers\.jsonl: holds answers of another kind; remove"):
        evaluate(benchmark(root, ["L2"]), Fake(), out=tmp_path / "out", decoding=GREEDY)


def test_missing_files_refuse_the_set_or_are_counted(root: Path, tmp_path: Path) -> None:
    (root / "videos/World/v9.gif").unlink()
    told = "seed-bench-r1 L1: 1 of 24 files can't be used.* with --skip-missing the questions that need them: 1 of 12"
    with pytest.raises(InputError, match=told):
        evaluate(benchmark(root), Fake(), out=tmp_path / "out", decoding=GREEDY)
    row = evaluate(benchmark(root), Fake(), out=tmp_path / "out", decoding=GREEDY, skip_missing=True)
    assert row["tasks"]["L1"]["queries"] == 11
    assert row["missing"] == {"images": 48, "missing_images": 1, "queries_left_out": 1}
    assert "1 of 48 videos and pictures could not be used: 1 questions" in (tmp_path / "out/table.md").read_text()


def test_a_folder_of_something_else_is_never_replaced(root: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/thesis.txt").write_text("years of work")
    with pytest.raises(FolderError, match="exists and is not an evaluation"):
        evaluate(benchmark(root), Fake(), out=tmp_path / "out", decoding=GREEDY)


def test_reports_set_models_beside_each_other_and_beside_the_published_ones(root: Path, tmp_path: Path) -> None:
    guess, knows = Fake(), Fake(lambda number: "ABCD"[number % 4], "knows")
    evaluate(benchmark(root), guess, out=tmp_path / "guess", decoding=GREEDY)
    evaluate(benchmark(root), knows, out=tmp_path / "knows", decoding=GREEDY)
    places = [f"guess={tmp_path / 'guess'}", f"knows={tmp_path / 'knows'}"]
    contents = contents_of(Asked(places))
    table = contents.tables[0]
    assert "SEED-Bench-R1" in table.title
    assert "Not comparable" in table.note
    cells = {line.label: [cell.value for cell in line.cells] for line in table.lines}
    assert cells["L3"] == [31.57, 38.15, 44.89, 25.0, 100.0]
    assert cells["L3, work"] == [30.69, 38.61, 41.34, 50.0, 100.0]
    assert cells["L3, recreation"][3:] == [None, None]
    (versus,) = contents.comparisons
    assert versus.found["knows"].whole.found.difference == 0.75
    write_tables(Asked(places), tmp_path / "report.html")
