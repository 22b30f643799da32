"""What a command may replace: a folder of its own kind, and never anybody else's."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from elva.evaluation.mbeir import evaluate
from elva.index.folder import EVALUATION, INDEX, VECTORS, FolderError, Kind, published, read_vectors, require_free
from judging import FakeEncoder, write_root


def write(folder: Path, kind: Kind) -> None:
    with published(folder, kind) as new:
        (new / kind.marker).write_text(json.dumps(dict(kind.says)))


@pytest.mark.parametrize("kind", [EVALUATION, INDEX, VECTORS], ids=lambda kind: kind.name)
def test_a_folder_of_the_same_kind_is_replaced(tmp_path: Path, kind: Kind) -> None:
    out = tmp_path / "out"
    out.mkdir()
    for _ in range(2):
        write(out, kind)
        assert [path.name for path in out.iterdir()] == [kind.marker]
    assert [path.name for path in tmp_path.iterdir()] == ["out"], "nothing temporary is left"


@pytest.mark.parametrize(
    ("marker", "content", "found"),
    [
        ("results.json", '{"schema": 1, "rows": {}}', r"results\.json is not that of an evaluation"),
        ("results.json", "[]", r"results\.json is not that of an evaluation"),
        ("results.json", "{half", r"results\.json is not that of an evaluation"),
        ("thesis.tex", "years of work", r"holds no results\.json"),
    ],
)
def test_somebody_elses_folder_is_kept(tmp_path: Path, marker: str, content: str, found: str) -> None:
    (tmp_path / marker).write_text(content)
    with pytest.raises(FolderError, match=found), published(tmp_path, EVALUATION):
        pytest.fail("the work began")
    assert (tmp_path / marker).read_text() == content


@pytest.mark.parametrize("name", ["notes.md", "runs/notes.md", "sub/results.json"])
def test_a_folder_that_holds_more_is_kept(tmp_path: Path, name: str) -> None:
    write(tmp_path / "out", EVALUATION)
    mine = tmp_path / "out" / name
    mine.parent.mkdir(exist_ok=True)
    mine.write_text("mine")
    with pytest.raises(FolderError, match=f"holds {name} too"):
        write(tmp_path / "out", EVALUATION)
    assert mine.read_text() == "mine"


def test_what_can_never_become_a_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for out, found in ((tmp_path / "file", "is a file"), (tmp_path / "file/below/out", "can't be made")):
        with pytest.raises(FolderError, match=found):
            require_free(out, INDEX)


def test_an_evaluation_refuses_before_it_embeds(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "results.json").write_text("{}")
    encoder = FakeEncoder()
    with pytest.raises(FolderError):
        evaluate(str(write_root(tmp_path / "root")), encoder, out=str(out))
    assert not encoder.seen


def test_vectors_of_another_width_are_told(tmp_path: Path) -> None:
    path = tmp_path / "vectors.npy"
    np.save(path, np.zeros((4, 2), np.float32))
    assert read_vectors(path, 2).shape == (4, 2)
    with pytest.raises(ValueError, match=r"shape \(4, 2\), expected \(n, 3\)"):
        read_vectors(path, 3)
