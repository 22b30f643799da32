"""Task 10, text -> video: rows that name videos, from the file to the item, and what is wrong with them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from data.building import candidate, picture, query, rows
from elva.clips import Clip, frames_of
from elva.data.layout import TaskName
from elva.data.mbeir import MBeir
from elva.data.subset import draw_subset
from elva.data.validation import validate
from filmed import moving, save_animation, save_folder, save_video

NAME = TaskName("films", 10, "test")
FILMS = ("films/one", "films/two.gif", "films/three.mp4")


def film(number: int, **changes: Any) -> dict[str, Any]:
    return candidate(number, img_path=None, modality="video", video_path=FILMS[number], **changes)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Three texts that ask for three videos: a folder of frames, an animation, a file."""
    folder = tmp_path / "root"
    (folder / "films").mkdir(parents=True)
    for path, save in zip(FILMS, (save_folder, save_animation, save_video), strict=True):
        save(folder / path, moving(4))
    rows(folder / NAME.query_path, *(query(number) for number in range(3)))
    rows(folder / NAME.pool_path, *(film(number) for number in range(3)))
    rows(folder / "instructions/query_instructions.tsv", "text\tvideo\tfilms\t1000\tFind the film.")
    return folder


def test_a_tree_of_videos_is_sound_and_read(root: Path) -> None:
    report = validate(root)
    assert (report.errors, report.images) == ((), 3)
    data = MBeir.open(root)
    assert data.tasks("test") == [NAME]
    items = [data.candidate_item(each) for each in data.pool(NAME)]
    assert [item.modality for item in items] == ["video"] * 3
    assert [item.shown for item in items] == [Clip((root / path).absolute()) for path in FILMS]
    assert [len(frames_of(shown)) for item in items for shown in item.visuals] == [4] * 3
    assert data.query_item(data.queries(NAME)[0]).instruction == "Find the film."


def test_a_query_may_be_a_video(root: Path) -> None:
    asked = query(0, query_txt=None, query_modality="video", query_video_path=FILMS[0])
    rows(root / NAME.query_path, asked)
    data = MBeir.open(root)
    assert data.query_item(data.queries(NAME)[0]).shown == Clip((root / FILMS[0]).absolute())


@pytest.mark.parametrize(
    ("number", "found"), [(0, "does not exist"), (1, "no picture and no video"), (2, "no picture")]
)
def test_a_bad_video_is_an_error_of_its_row(root: Path, number: int, found: str) -> None:
    if number == 0:
        (root / FILMS[0]).rename(root / "elsewhere")
    else:
        (root / FILMS[number]).write_bytes(b"no film")
    error, lost = validate(root).errors
    assert f"no pool holds 1000:{number}" in lost.found
    assert (error.path.name, error.line, error.field) == (NAME.pool_path.name, number + 1, "video_path")
    assert found in error.found
    assert error.fix == "replace the file, or drop the row"


def test_a_task_follows_from_text_and_video(root: Path) -> None:
    mixed = root / "query/train/mbeir_films_train.jsonl"
    rows(mixed, query(0))
    train = MBeir.open(root).train_examples("train")
    assert {task for _, task in train.sub_tasks} == {10}


@pytest.mark.parametrize("own_images", [True, False])
def test_a_subset_brings_its_videos_along(root: Path, tmp_path: Path, own_images: bool) -> None:
    picture(root / "films/aside.png")
    out = tmp_path / "out"
    draw_subset(root, out, share=0.9, splits=["test"], own_images=own_images)
    assert validate(out).errors == ()
    assert (out / "films/aside.png").exists() != own_images
