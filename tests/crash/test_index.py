"""`elva index` may be killed at any moment, and the disk may be full: the folder opens at what was published last."""

from __future__ import annotations

import json
import random
import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from milvus_lite.server_manager import server_manager_instance

from crash import child, dooms
from crash.processes import finish, kill_when, start
from elva.cli.app import USER_ERROR
from elva.errors import FolderInUse
from elva.index.lance import LanceIndex
from elva.index.milvus import MilvusIndex
from elva.index.opening import open_index
from elva.index.pointer import Pointer
from elva.index.protocol import Index
from elva.whole import PART
from judging import THINGS, draw

KILLED = -signal.SIGKILL
BLOCK = 7
STORES = ("lance", "exact", pytest.param("milvus", marks=pytest.mark.long))
Content = dict[str, tuple[Any, ...]]


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Thirty-two pictures with words beside them."""
    folder = tmp_path_factory.mktemp("source")
    rows = []
    for number, thing in enumerate(THINGS):
        draw(thing).save(folder / f"{'-'.join(thing)}.png")
        rows.append({"id": f"{number:02d}", "title": " ".join(thing), "image": f"{'-'.join(thing)}.png", "at": number})
    (folder / "table.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder / "table.jsonl"


@pytest.fixture(scope="module", params=STORES)
def whole(table: Path, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> tuple[str, Content]:
    """Store, and what an undisturbed run leaves."""
    out = tmp_path_factory.mktemp("whole") / "i"
    assert finish(child.index, table, out, request.param, BLOCK) == 0
    return request.param, content(out)


def content(out: Path) -> Content:
    index = open_index(out)
    ids = sorted(index.contents())
    rows = zip(index.get(ids), index.vectors(ids).tolist(), map(index.thumbnail, ids), strict=True)
    found = {entry.id: (entry, vector, shown) for entry, vector, shown in rows}
    close(index, out)
    return found


def close(index: Index, out: Path) -> None:
    """Close it, so that another process may open it: who opened a Milvus Lite holds it until its own end."""
    index.close()
    address = Pointer.read(out).address
    if address is not None:
        server_manager_instance.release_server(address.uri)


def assert_a_published_version(out: Path, whole: Content) -> int:
    """Where the folder is there it opens, at whole blocks; gives how many items it holds."""
    if not out.exists():
        return 0
    there = content(out)
    assert there.items() <= whole.items()
    assert len(there) % BLOCK == 0 or len(there) == len(whole)
    return len(there)


def assert_completed(table: Path, out: Path, store: str, whole: Content) -> None:
    assert finish(child.index, table, out, store, BLOCK) == 0
    assert content(out) == whole
    assert [path.name for path in out.parent.iterdir()] == [out.name]
    assert not list(out.rglob(f"*{PART}"))


MOMENTS: dict[str, dict[str, Callable[[], None]]] = {
    "lance": {
        "before the second block's pointer": partial(dooms.at_call, Pointer, "write", 3, done=False),
        "when a block is written and not published": partial(dooms.at_call, LanceIndex, "_put", 3, done=True),
        "after the last pointer": partial(dooms.at_call, Pointer, "write", 7, done=True),
    },
    "exact": {
        "before the first pointer of all": partial(dooms.at_call, Pointer, "write", 1, done=False),
        "before the second block's pointer": partial(dooms.at_call, Pointer, "write", 3, done=False),
        "before old files go": partial(dooms.at_call, Pointer, "write", 3, done=True),
    },
    "milvus": {
        "before the first pointer of all": partial(dooms.at_call, Pointer, "write", 1, done=False),
        "when a block is written and not published": partial(dooms.at_call, MilvusIndex, "_put", 3, done=True),
        "after the last pointer": partial(dooms.at_call, Pointer, "write", 7, done=True),
    },
}


@pytest.mark.parametrize("moment", range(3))
def test_a_killed_run_leaves_what_was_published_and_the_next_one_completes_it(
    table: Path, whole: tuple[str, Content], tmp_path: Path, moment: int
) -> None:
    store, wanted = whole
    out = tmp_path / "i"
    name, doom = list(MOMENTS[store].items())[moment]
    assert finish(child.index, table, out, store, BLOCK, doom) == KILLED, name
    held = assert_a_published_version(out, wanted)
    assert held == {"after the last pointer": 32, "before the first pointer of all": 0}.get(name, held)
    assert_completed(table, out, store, wanted)


@pytest.mark.long
def test_a_run_killed_again_and_again_always_opens_and_ends_as_an_undisturbed_one(
    table: Path, whole: tuple[str, Content], tmp_path: Path
) -> None:
    store, wanted = whole
    chance, out, codes = random.Random(1), tmp_path / "i", []
    for kill in range(40):
        if kill % 8 == 0 and out.exists():
            out.rename(tmp_path / f"done-{kill}")
        process = start(child.index, table, out, store, BLOCK)
        before = Pointer.read(out).version if out.exists() else -1

        def moves(version: int = before) -> bool:
            return out.exists() and Pointer.read(out).version > version

        codes.append(kill_when(process, moves, chance.uniform(0, 0.1)))
        assert_a_published_version(out, wanted)
    assert codes.count(KILLED) > 10
    (tmp_path / "last").mkdir()
    out.rename(tmp_path / "last/i")
    assert_completed(table, tmp_path / "last/i", store, wanted)


def test_a_full_disk_is_told_and_what_was_published_stays(
    table: Path, whole: tuple[str, Content], tmp_path: Path
) -> None:
    store, wanted = whole
    out = tmp_path / "i"
    doom = partial(dooms.full_disk_when_publishing, 2, 1500)
    assert finish(child.index, table, out, store, BLOCK, doom) == USER_ERROR
    assert assert_a_published_version(out, wanted) == BLOCK
    assert_completed(table, out, store, wanted)


def test_a_second_writer_is_refused_by_the_number_of_the_first(
    table: Path, whole: tuple[str, Content], tmp_path: Path
) -> None:
    store, _ = whole
    out = tmp_path / "i"
    assert finish(child.index, table, out, store, BLOCK) == 0
    index = open_index(out, writing=True)
    assert finish(child.index, table, out, store, BLOCK) == USER_ERROR
    with pytest.raises(FolderInUse):
        open_index(out, writing=True)
    close(index, out)
    assert finish(child.index, table, out, store, BLOCK) == 0
