"""A real Ray cluster on this machine embeds as one process does, whoever is killed.

Needs Ray, which is not among the development tools: pip install -c constraints.txt -e ".[ray]".
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import psutil
import pytest

from elva import __version__
from elva.encoding import Encoder
from elva.errors import CheckpointError, FolderInUse, InputError, WorkerDied
from elva.evaluation import shards
from elva.evaluation.cluster import Embedded, embed_on_cluster
from elva.evaluation.cluster_sight import Sight, query_sizes
from elva.evaluation.cluster_worker import TRIES
from elva.evaluation.embed import embed_root
from elva.evaluation.ray_cluster import Team
from elva.evaluation.store import VectorStore
from elva.locks import FolderLock
from elva.model.embedder import Embedder
from judging import write_root
from sharded import Telling, deadly, dies_once, hungry, none, slow, telling
from smallest import smallest_embedder

# Not by importing it: what is set for a local cluster counts only before.
pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(not find_spec("ray"), reason='Ray is not installed: pip install -e ".[ray]"'),
]

SHARDS = 16
ITEMS = 128
PATHS = os.pathsep.join(path for path in sys.path if path)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(shards, "BLOCK", 10)
    monkeypatch.setenv("PYTHONPATH", PATHS)  # workers import what they load by its name
    return write_root(tmp_path / "root")


@pytest.fixture(autouse=True)
def _all_processes_end() -> Iterator[None]:
    before = _family()
    yield
    _within(30, lambda: _family() <= before)


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    (tmp_path / "notes").mkdir()
    return tmp_path / "notes"


def embed(root: Path, out: Path, load: Callable[[], Encoder] = telling, actors: int = 2, **options: int) -> Embedded:
    return embed_on_cluster(root, load, out, Team("local", actors, **options))


def assert_same(out: Path, alone: Path, tolerance: float = 0.0) -> None:
    """The same ids, summaries and counts, and the same vectors."""
    for name in ("ids.jsonl", "meta.json"):
        assert (out / name).read_bytes() == (alone / name).read_bytes()
    one, other = (VectorStore.load(each).stacked.take(np.arange(ITEMS)) for each in (out, alone))
    assert np.allclose(one, other, rtol=0, atol=tolerance)


def test_two_actors_give_the_folder_of_one_process(root: Path, tmp_path: Path) -> None:
    done: list[int] = []
    out = embed_on_cluster(root, telling, tmp_path / "team", Team("local", 2), watch=lambda label, total: done.append)
    store = embed_root(root, Telling(), tmp_path / "alone")
    assert (out.shards, out.found, out.counts) == (SHARDS, 0, store.counts)
    assert store.counts.forced_ret == store.counts.truncated == 32
    assert sum(done[-SHARDS:]) == ITEMS
    assert_same(tmp_path / "team", tmp_path / "alone")


def test_a_real_model_gives_the_vectors_of_one_process(root: Path, tmp_path: Path) -> None:
    smallest_embedder().save(tmp_path / "model")
    embed_root(root, Embedder.load(tmp_path / "model"), tmp_path / "alone")
    # Batches are cut elsewhere, so products of float32 are summed in another order: 1e-6 of a unit vector.
    embed(root, tmp_path / "team", partial(Embedder.load, tmp_path / "model"), batch_size=7)
    assert_same(tmp_path / "team", tmp_path / "alone", 1e-6)


def test_an_actor_that_is_killed_loses_nothing(root: Path, tmp_path: Path, notes: Path) -> None:
    embed_root(root, Telling(), tmp_path / "alone")
    done = embed(root, tmp_path / "team", partial(dies_once, notes, "orange"))
    (killed,) = (int(path.name) for path in notes.iterdir())
    assert not psutil.pid_exists(killed)
    assert done.found == 0
    assert_same(tmp_path / "team", tmp_path / "alone")


def test_an_item_that_kills_every_worker_is_named(root: Path, tmp_path: Path, notes: Path) -> None:
    with pytest.raises(
        WorkerDied, match=r"3 workers died at shard \d+ of .*, which begins with (query|candidate) 101:.*--ray-batch"
    ):
        embed(root, tmp_path / "team", partial(deadly, notes, "small crimson circle"))
    assert TRIES <= len([*notes.iterdir()]) <= 2 * TRIES, "a query and a candidate say so"
    assert embed(root, tmp_path / "team").found > 0, "the others stay"


def test_what_to_lower_is_told_where_memory_ends(root: Path, tmp_path: Path) -> None:
    with pytest.raises(WorkerDied, match=r"ran out of memory at shard \d+ .*: lower --ray-batch, or let fewer models"):
        embed(root, tmp_path / "team", hungry)


def test_why_a_model_cannot_be_loaded_is_told(root: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no model is there"):
        embed(root, tmp_path / "team", none)
    assert not (tmp_path / "team").exists()


def test_a_driver_that_is_killed_goes_on_with_the_missing_shards(root: Path, tmp_path: Path, notes: Path) -> None:
    embed_root(root, Telling(), tmp_path / "alone")
    program = tmp_path / "drives.py"
    program.write_text(
        "from functools import partial\n"
        "from pathlib import Path\n"
        "from elva.evaluation import shards\n"
        "from elva.evaluation.cluster import embed_on_cluster\n"
        "from elva.evaluation.ray_cluster import Team\n"
        "from sharded import slow\n"
        "shards.BLOCK = 10\n"
        "embed_on_cluster(\n"
        f"    Path({str(root)!r}), partial(slow, Path({str(notes)!r})), Path({str(tmp_path / 'team')!r}),\n"
        "    Team('local', 2),\n"
        ")\n"
    )
    driver = subprocess.Popen([sys.executable, str(program)], env={**os.environ, "PYTHONPATH": PATHS})
    there = (tmp_path / "team/shards").glob
    try:
        _within(90, lambda: len([*there("[0-9]*/meta.json")]) >= 3)
    finally:
        family = psutil.Process(driver.pid).children(recursive=True)
        driver.kill()
        assert driver.wait() == -signal.SIGKILL
    _within(60, lambda: not any(map(_works, family)))
    for process in family:  # the agents
        with suppress(psutil.NoSuchProcess):
            process.kill()
    found = len([*there("[0-9]*")])
    assert 3 <= found < SHARDS
    for path in notes.iterdir():
        path.unlink()
    done = embed(root, tmp_path / "team", partial(slow, notes))
    assert (done.shards, done.found) == (SHARDS, found)
    assert len([*notes.iterdir()]) <= 2
    assert_same(tmp_path / "team", tmp_path / "alone")


def test_two_drivers_do_not_write_to_one_folder(root: Path, tmp_path: Path, notes: Path) -> None:
    with pytest.raises(WorkerDied):
        embed(root, tmp_path / "team", hungry)
    with FolderLock(tmp_path / "team"), pytest.raises(FolderInUse, match=f"in use by process {os.getpid()}"):
        embed(root, tmp_path / "team")


def test_a_cluster_without_room_is_told(root: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"room for 0 actors of 1 cores and 9 GPUs each on 1 machines, not for 2"):
        embed_on_cluster(root, telling, tmp_path / "team", Team("local", 2, gpus=9.0))


@pytest.mark.parametrize(
    ("address", "said"), [("127.0.0.1:{port}", "nothing answers"), ("ray://127.0.0.1:{port}", "nothing answers"),
                          ("nowhere", "is no address"), ("auto", "no cluster can be joined")],
)  # fmt: skip
def test_an_address_without_a_cluster_is_named(root: Path, tmp_path: Path, address: str, said: str) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = address.format(port=free.getsockname()[1])
    started = time.monotonic()
    with pytest.raises(InputError, match=rf"--ray {address}.* {said}"):
        embed_on_cluster(root, telling, tmp_path / "team", Team(address))
    assert time.monotonic() - started < 30


def test_a_machine_that_sees_something_else_is_refused(root: Path, tmp_path: Path) -> None:
    probe = tmp_path / ".out.probe"
    sight = Sight(root, query_sizes(root), tmp_path / "model", probe)
    assert sight.missing("a") == f"it does not see {tmp_path}"
    probe.write_text("0.0.0")
    assert "not 0.0.0" in (sight.missing("a") or "")
    probe.write_text(__version__)
    assert sight.missing("a") == f"it does not see the model {tmp_path / 'model'}"
    (tmp_path / "model").mkdir()
    (tmp_path / "model/config.json").touch()
    assert sight.missing("a") is None and sight.answer("a").read_text() == "a"
    (root / "query/test/more.jsonl").touch()
    assert sight.missing("a") == f"it does not see {root}, or other files there"


def _family() -> set[int]:
    """Processes that this one started and that run."""
    every = psutil.Process().children(recursive=True)
    return {each.pid for each in every if each.is_running() and each.status() != psutil.STATUS_ZOMBIE}


def _works(process: psutil.Process) -> bool:
    """Whether it runs and may write. Ray's agents don't, and outlive the rest by a minute; nor does what has ended."""
    with suppress(psutil.NoSuchProcess):
        ended = not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
        return not ended and not process.name().endswith("Agent")
    return False


def _within(seconds: float, look: Callable[[], bool]) -> None:
    end = time.monotonic() + seconds
    while not look():
        assert time.monotonic() < end, "it did not come in time"
        time.sleep(0.05)
