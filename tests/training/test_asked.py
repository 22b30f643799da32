"""What one would ask for: queries as what the base writes about their answers."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from elva.data.layout import TASKS
from elva.data.mbeir import Candidate, MBeir, Query, TaskName, write_instructions, write_pool, write_queries
from elva.errors import InputError
from elva.items import Modality
from elva.training.asked import AskedSet

DRAWN = 300


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two data sets: three queries of text, the second with two answers, and one picture with a question."""
    pictures, texts, changes = (
        TaskName("world", 0, "train"),
        TaskName("other", 1, "train"),
        TaskName("world", 7, "train"),
    )
    write_queries(tmp_path, pictures, [query("100:0", pictures, "100:0"), query("100:1", pictures, "100:0", "100:1")])
    write_queries(tmp_path, texts, [query("101:0", texts, "101:0")])
    write_queries(tmp_path, changes, [query("100:2", changes, "100:1")])
    for name in (pictures, changes):
        shown = [Candidate(f"100:{number}", None, f"{number}.png", "image") for number in range(3)]
        write_pool(tmp_path, name, shown)
    write_pool(tmp_path, texts, [Candidate("101:0", "a title", None, "text")])
    write_instructions(tmp_path, {}, {})
    return tmp_path


def query(qid: str, name: TaskName, *positives: str) -> Query:
    modality: Modality = TASKS[name.task][0]
    return Query(qid, f"ask {qid}", "q.png" if "image" in modality else None, modality, positives, (), name.task)


def drawn(root: Path, seed: int = 0, datasets: tuple[str, ...] = ()) -> list[tuple[str | None, str | None, str]]:
    """File and text of what is shown, and what is to be written."""
    pairs = AskedSet(MBeir.open(root), "train", datasets, "What for?").draw(np.random.default_rng(seed), DRAWN)
    assert all(item.instruction == "What for?" for item, _ in pairs)
    return [(Path(str(item.image)).name if item.image else None, item.text, text) for item, text in pairs]


def test_every_query_is_drawn_alike_with_each_of_its_answers(root: Path) -> None:
    counts = Counter(drawn(root))
    assert counts.keys() == {
        ("0.png", None, "ask 100:0"),
        ("0.png", None, "ask 100:1"),
        ("1.png", None, "ask 100:1"),
        (None, "a title", "ask 101:0"),
    }
    assert counts["0.png", None, "ask 100:0"] == pytest.approx(DRAWN / 3, rel=0.3)
    assert counts["1.png", None, "ask 100:1"] == pytest.approx(DRAWN / 6, rel=0.4)


def test_the_generator_draws(root: Path) -> None:
    assert drawn(root, 1) == drawn(root, 1) != drawn(root, 2)


def test_what_is_not_text_alone_is_left_out_and_counted(root: Path) -> None:
    every = AskedSet(MBeir.open(root), "train", (), "What for?")
    assert [each.qid for each in every.queries] == ["101:0", "100:0", "100:1"]
    assert every.left_out == 1


def test_data_sets_are_chosen(root: Path) -> None:
    assert {text for _, _, text in drawn(root, datasets=("other",))} == {"ask 101:0"}


def test_a_split_that_nobody_asks_in_words_is_refused(tmp_path: Path) -> None:
    name = TaskName("world", 7, "train")
    write_queries(tmp_path, name, [query("100:0", name, "100:0")])
    write_pool(tmp_path, name, [Candidate("100:0", None, "0.png", "image")])
    write_instructions(tmp_path, {}, {})
    with pytest.raises(InputError, match=r"none of the 1 train queries is text alone.*caption\.asked_split"):
        AskedSet(MBeir.open(tmp_path), "train", (), "What for?")
