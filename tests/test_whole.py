"""Files and folders appear whole or not at all, and what a killed writer left is cleaned up."""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from elva import whole
from elva.whole import remove_leftovers, sync_all, whole_file, whole_folder


def killed_while(writing: Callable[[], AbstractContextManager[Any]]) -> None:
    """Begin to write in a process that is killed before the end."""
    pid = os.fork()
    if pid == 0:
        with writing():
            os.kill(os.getpid(), signal.SIGKILL)
    assert os.waitpid(pid, 0)[1] == signal.SIGKILL


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def write_folder(out: Path, text: str, replace: bool = False) -> None:
    with whole_folder(out, replace=replace) as folder:
        (folder / "deep").mkdir()
        (folder / "deep/text").write_text(text)
        sync_all(folder)


def test_a_file_is_replaced_when_it_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "new/file"
    for text in ("old", "new"):
        with whole_file(path) as file:
            file.write(text)
            assert not path.exists() or path.read_text() == "old"
    assert path.read_text() == "new"
    with pytest.raises(ZeroDivisionError), whole_file(path) as file:
        file.write("half")
        raise ZeroDivisionError
    assert path.read_text() == "new"
    assert names(path.parent) == ["file"]


def test_a_file_that_finds_no_room_is_named(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No space left") as caught, whole_file(tmp_path / "file"):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert caught.value.filename == str(tmp_path / "file")


def test_what_a_killed_writer_left_of_a_file_goes_with_the_next(tmp_path: Path) -> None:
    path = tmp_path / "file[1]"
    path.write_text("old")
    killed_while(partial(whole_file, path))
    assert path.read_text() == "old"
    assert len(names(tmp_path)) == 2
    with whole_file(path) as file:
        file.write("new")
    assert names(tmp_path) == ["file[1]"]


def test_a_folder_takes_its_place_when_it_is_complete(tmp_path: Path) -> None:
    out = tmp_path / "above/out"
    with whole_folder(out) as folder:
        (folder / "a").touch()
        assert not out.exists()
    assert names(out) == ["a"]
    assert names(out.parent) == ["out"]


def test_a_folder_with_a_link_to_nowhere_is_synced(tmp_path: Path) -> None:
    with whole_folder(tmp_path / "out") as folder:
        (folder / "images").symlink_to(tmp_path / "gone")
        (folder / "file").write_text("whole")
        sync_all(folder)
    assert (tmp_path / "out" / "file").read_text() == "whole"


@pytest.mark.parametrize("swaps", [True, False])
def test_a_folder_replaces_another_only_where_it_may(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, swaps: bool
) -> None:
    if not swaps:
        monkeypatch.setattr(whole, "_exchange", lambda *_: False)
    out = tmp_path / "out"
    out.mkdir()
    write_folder(out, "old")
    with pytest.raises(OSError, match="not empty"):
        write_folder(out, "new")
    assert (out / "deep/text").read_text() == "old"
    write_folder(out, "new", replace=True)
    assert (out / "deep/text").read_text() == "new"
    assert names(tmp_path) == ["out"]


def test_a_file_is_no_folder_to_replace(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    with pytest.raises(NotADirectoryError):
        write_folder(tmp_path / "out", "new", replace=True)
    assert (tmp_path / "out").read_text() == "mine"
    assert names(tmp_path) == ["out"]


def test_what_a_killed_writer_left_of_a_folder_goes_with_the_next(tmp_path: Path) -> None:
    write_folder(tmp_path / "out", "old")
    killed_while(partial(whole_folder, tmp_path / "out", replace=True))
    assert len(names(tmp_path)) == 2
    assert (tmp_path / "out/deep/text").read_text() == "old"
    write_folder(tmp_path / "out", "new", replace=True)
    assert names(tmp_path) == ["out"]


def test_what_somebody_is_writing_is_left_alone(tmp_path: Path) -> None:
    with whole_folder(tmp_path / "out") as folder, whole_file(tmp_path / "file") as file:
        before = names(tmp_path)
        assert remove_leftovers(tmp_path, "*") == 0
        assert names(tmp_path) == before
        (folder / "a").touch()
        file.write("whole")
    assert names(tmp_path) == ["file", "out"]


def test_a_swap_of_two_renames_that_was_cut_off_is_ended(tmp_path: Path) -> None:
    write_folder(tmp_path / ".out.old", "old")
    with pytest.raises(ZeroDivisionError), whole_folder(tmp_path / "out", replace=True):
        raise ZeroDivisionError
    assert (tmp_path / "out/deep/text").read_text() == "old", "it comes back"
    write_folder(tmp_path / ".out.old", "older")
    write_folder(tmp_path / "out", "new", replace=True)
    assert (tmp_path / "out/deep/text").read_text() == "new"
    assert names(tmp_path) == ["out"]
