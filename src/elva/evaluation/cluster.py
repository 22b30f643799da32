"""Embedding on the machines of a Ray cluster: actors write shards to a folder that all see; the driver only counts.

Needs Ray (the extra `ray`). A worker that dies is started again by Ray and its shard is tried again; a shard at which
`TRIES` workers died ends the run. A run that ends in any way, SIGKILL too, is taken up by the next one of the same.
"""

from __future__ import annotations

import logging
import os
import pickle
import secrets
import socket
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree
from typing import Any, TypeVar

import numpy as np

from elva import __version__
from elva.data.layout import QUERIES
from elva.data.mbeir import Choice, MBeir
from elva.data.opening import open_tasks
from elva.encoding import Encoder, ModelIdentity, Watch
from elva.errors import ElvaError, InputError, MissingExtra, WorkerDied
from elva.evaluation.shards import Attempts, Corpus, Done, Shard, begin, embed_shard, finish, require_embeddable
from elva.evaluation.store import Counts
from elva.index.folder import refusing
from elva.locks import FolderLock

TRIES = 3
"""Workers that may die at one shard."""
ANSWER_SECONDS = 10.0
"""How long the address of a cluster has to take a connection."""
NODE_SECONDS = 120.0
"""How long the nodes have to look at their files: the first call starts a process on each."""
BATCH_SIZE = 128
"""Items per forward, as of one process."""
STORE_BYTES = 256 * 2**20
"""Ray's memory for objects on a local cluster; the corpus lies there, 32 bytes a row."""

Load = Callable[[], Encoder]
"""Gives a worker its model; found by name, since another process calls it."""
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Team:
    """Who embeds.

    Attributes:
        address: "local" to start a cluster on this machine; "auto", HOST:PORT or ray://HOST:PORT to join one.
        actors: how many models work at once; as many as there is room for by default.
        cpus: cores of each.
        gpus: GPUs of each, perhaps a part of one; None for one where the cluster has any.
        batch_size: items per forward.
    """

    address: str
    actors: int | None = None
    cpus: int = 1
    gpus: float | None = None
    batch_size: int = BATCH_SIZE


@dataclass(frozen=True, slots=True)
class Embedded:
    """What a run left.

    Attributes:
        counts: what embedding met, over all shards.
        shards: how many there are.
        found: how many of them were there before.
    """

    counts: Counts
    shards: int
    found: int


def embed_on_cluster(
    root: Path,
    load: Load,
    out: Path,
    team: Team,
    *,
    model_folder: Path | None = None,
    split: str = "test",
    datasets: Sequence[str] = (),
    tasks: Sequence[int] = (),
    instruction_choice: Choice = 0,
    skip_bad_rows: bool = False,
    watch: Watch | None = None,
) -> Embedded:
    """As `embed_root`, on a Ray cluster; what an earlier run embedded stays.

    Args:
        root: data in the M-BEIR layout, at the same path on all machines.
        load: gives a worker its model.
        out: the folder to write, likewise; an unfinished embedding of the same is gone on with.
        team: who embeds.
        model_folder: what every machine must have at the same path, if the model is no packaged one.
        split: train, val or test.
        datasets: names to keep; all when empty.
        tasks: task ids to keep; all when empty.
        instruction_choice: which of a task's prompts every query gets, or "qid" for one drawn by the query's id.
        skip_bad_rows: leave bad data rows out and count them instead of refusing the data.
        watch: told of each piece of work and its progress.

    Raises:
        MissingExtra: Ray is not installed.
        InputError: there is no cluster at the address, or too little room on it; a machine does not see the data,
            the model or `out`; no task fits the choice.
        DataErrors: every bad row, unless they are to be left out.
        FolderError: `out` holds something else, or a finished embedding.
        FolderInUse: another run writes there.
        IndexMismatch: another model, other data or other choices began `out`.
        WorkerDied: workers died at one shard time and again.
        ElvaError: what loading the model raises.
    """
    root, out = root.absolute(), out.absolute()
    require_embeddable(out)
    MBeir.open(root)
    with _connected(team) as cluster:
        cluster.require_seen(root, out, model_folder)
        bench, names, skipped = open_tasks(
            root, split, datasets, tasks, by_task=True, skip_bad_rows=skip_bad_rows, watch=watch
        )
        corpus = Corpus(bench, tuple(names), instruction_choice, bench.fingerprint())
        model, shards = cluster.identity(load), corpus.shards()
        chosen = {
            "split": split,
            "datasets": sorted(datasets),
            "tasks": sorted(tasks),
            "skip_bad_rows": skip_bad_rows,
        }
        begin(out, model, corpus, chosen, shards)
        with FolderLock(out):
            rmtree(out / "attempts", ignore_errors=True)  # those of runs that ended
            work = Work(out, corpus, shards, model, load, Attempts(out / "attempts", uuid.uuid4().hex), team.batch_size)
            counts, found = Counts(skipped_rows=skipped), 0
            progress = watch("embedding", sum(len(shard.rows) for shard in shards)) if watch else None
            for done in cluster.results(work):
                counts.merge(done.counts)
                found += done.found
                if progress:
                    progress(len(shards[done.number].rows))
            finish(out, model, corpus, shards, counts)
    return Embedded(counts, len(shards), found)


# -- what runs in the workers ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Work:
    """What all workers are told; arguments of `embed_shard`, and how attempts are noted."""

    out: Path
    corpus: Corpus
    shards: Sequence[Shard]
    model: ModelIdentity
    load: Load
    attempts: Attempts
    batch_size: int


class ShardEmbedder:
    """An actor of Ray Data: takes batches of one shard's number each, and holds one model.

    Args:
        work: a reference to the `Work`, in a list so that Ray leaves it one.
    """

    def __init__(self, work: Sequence[Any]) -> None:
        import ray

        self._work: Work = ray.get(work[0])
        self._encoder: Encoder | None = None

    def __call__(self, batch: Mapping[str, Any]) -> dict[str, Any]:
        """`Done` or the error of a shard, pickled."""
        (number,) = batch["shard"].tolist()
        result = self._attempt(self._work.shards[number])
        return {"result": np.array([pickle.dumps(result)], dtype=object)}

    def _attempt(self, shard: Shard) -> Done | ElvaError:
        work = self._work
        before, note = work.attempts.begin(shard)
        place = f"shard {shard.number} of {work.out}, which begins with {work.corpus.first(shard)}"
        if before >= TRIES:
            note.unlink(missing_ok=True)
            return WorkerDied(
                f"{before} workers died at {place}, perhaps for want of memory: {_LESS}. "
                "The same command goes on from what is embedded"
            )
        try:
            return _caught(
                lambda: embed_shard(work.out, work.corpus, shard, work.model, self._own, work.batch_size), place
            )
        finally:
            note.unlink(missing_ok=True)

    def _own(self) -> Encoder:
        """The model, loaded when first needed: a worker that dies of that is counted too."""
        if self._encoder is None:
            self._encoder = self._work.load()
        return self._encoder


_LESS = "lower --ray-batch, or let fewer models share a machine (--ray-actors; more --threads or --ray-gpus for each)"


def _caught(do: Callable[[], Result], place: str) -> Result | ElvaError:
    """What `do` gives, or what it raises where a user can do something about it."""
    try:
        return do()
    except ElvaError as error:
        return error
    except OSError as error:
        return InputError(f"{socket.gethostname()}, {place}: {error}; check the path, its rights and the space left")
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and "memory" not in str(error):
            raise
        short = (str(error) or "out of memory").splitlines()[0]
        return WorkerDied(f"a worker on {socket.gethostname()} ran out of memory at {place} ({short}): {_LESS}")


def _identity(load: Load) -> ModelIdentity | ElvaError:
    return _caught(lambda: ModelIdentity.of(load()), "loading the model")


@dataclass(frozen=True, slots=True)
class Sight:
    """What a machine must see as the driver does.

    Attributes:
        root: the data.
        sizes: name and bytes of each of its query files.
        model: the folder of the model, if any.
        probe: a file beside the embedding; each machine leaves another one.
    """

    root: Path
    sizes: Mapping[str, int]
    model: Path | None
    probe: Path

    def missing(self, node: str) -> str | None:
        """What this machine does not see, or None."""
        if __version__ != (told := self.probe_text()):
            return f"it has elva {__version__}, not {told}" if told else f"it does not see {self.probe.parent}"
        if query_sizes(self.root) != self.sizes:
            return f"it does not see {self.root}, or other files there"
        if self.model is not None and not (self.model / "config.json").is_file():
            return f"it does not see the model {self.model}"
        try:
            self.answer(node).write_text(node, "utf-8")
        except OSError as error:
            return f"it can't write to {self.probe.parent} ({error.strerror})"
        return None

    def probe_text(self) -> str:
        """What the driver wrote into the probe; "" where it isn't seen."""
        return self.probe.read_text("utf-8") if self.probe.is_file() else ""

    def answer(self, node: str) -> Path:
        """What a machine leaves."""
        return self.probe.with_name(f"{self.probe.name}.{node}")


def query_sizes(root: Path) -> dict[str, int]:
    """Name and bytes of the query files of a data folder; none where it isn't seen."""
    return {
        path.relative_to(root).as_posix(): path.stat().st_size for path in (root / QUERIES).rglob("*") if path.is_file()
    }


def _look(sight: Sight, node: str) -> str | None:
    return sight.missing(node)


# -- the driver ------------------------------------------------------------------------------------------------------


class _Cluster:
    """A cluster that this process is connected to."""

    def __init__(self, team: Team) -> None:
        import ray

        self._ray, self._team = ray, team
        self._nodes = [node for node in ray.nodes() if node["Alive"]]
        on_gpus = any(node["Resources"].get("GPU") for node in self._nodes)
        self._gpus = float(on_gpus) if team.gpus is None else team.gpus
        room = sum(map(self._room, self._nodes))
        each = f"{team.cpus} cores and {self._gpus:g} GPUs each"
        if room < (team.actors or 1):
            raise InputError(
                f"--ray {team.address}: there is room for {room} actors of {each} on {len(self._nodes)} machines, not "
                f"for {team.actors or 1}; lower --ray-actors, --threads or --ray-gpus, or add machines"
            )
        self._actors = team.actors or room

    def _room(self, node: Mapping[str, Any]) -> int:
        cpus, gpus = (node["Resources"].get(name, 0.0) for name in ("CPU", "GPU"))
        room = int(cpus // self._team.cpus)
        if self._gpus >= 1:
            return min(room, int(gpus // self._gpus))
        return min(room, int(gpus) * int(1 / self._gpus)) if self._gpus else room

    @property
    def _needs(self) -> dict[str, Any]:
        return {"num_cpus": self._team.cpus, "num_gpus": self._gpus}

    def require_seen(self, root: Path, out: Path, model: Path | None) -> None:
        """Refuse a cluster of which a machine does not see the folders: InputError names it."""
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        out.parent.mkdir(parents=True, exist_ok=True)
        sight = Sight(root, query_sizes(root), model, out.parent / f".{out.name}.{uuid.uuid4().hex}.probe")
        look = self._ray.remote(num_cpus=0, max_retries=1)(_look)
        end = time.monotonic() + NODE_SECONDS
        try:
            with refusing(out.parent):
                sight.probe.write_text(__version__, "utf-8")
            asked = {
                node["NodeID"]: look.options(
                    scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
                ).remote(sight, node["NodeID"])
                for node in self._nodes
            }
            for node in self._nodes:
                missing = self._told(asked[node["NodeID"]], end)
                if missing is None and not sight.answer(node["NodeID"]).is_file():
                    missing = f"what it writes to {out.parent} is not seen here"
                if missing:
                    raise InputError(
                        f"the machine {node['NodeManagerAddress']} of the cluster can't embed: {missing}; all need "
                        "elva, the data, the model and the folder to write at the same paths, on a shared file system"
                    )
        finally:
            for path in out.parent.glob(f"{sight.probe.name}*"):
                path.unlink(missing_ok=True)

    def _told(self, answer: Any, end: float) -> str | None:
        try:
            told: str | None = self._ray.get(answer, timeout=max(1.0, end - time.monotonic()))
            return told
        except self._ray.exceptions.GetTimeoutError:
            return f"it gave no answer in {NODE_SECONDS:.0f} seconds"
        except self._ray.exceptions.RayError as error:  # elva isn't there, or the machine went
            return str(error).strip().splitlines()[-1]

    def identity(self, load: Load) -> ModelIdentity:
        """Whose vectors these will be, from a worker: this process loads no model; errors of loading it."""
        ask = self._ray.remote(**self._needs, max_retries=TRIES - 1)(_identity)
        try:
            model = self._ray.get(ask.remote(load))
        except (self._ray.exceptions.WorkerCrashedError, self._ray.exceptions.OutOfMemoryError) as error:
            raise WorkerDied(
                f"{TRIES} workers died while they loaded the model, perhaps for want of memory: {_LESS}"
            ) from error
        if isinstance(model, ElvaError):
            raise model
        assert isinstance(model, ModelIdentity)
        return model

    def results(self, work: Work) -> Iterator[Done]:
        """Every shard, in the order in which they end; the error of the first that can't be done is raised."""
        if not work.shards:
            return
        data, ray = self._ray.data, self._ray
        shards = data.from_items(
            [{"shard": shard.number} for shard in work.shards], override_num_blocks=len(work.shards)
        )
        ended = shards.map_batches(
            ShardEmbedder,
            fn_constructor_args=([ray.put(work)],),
            batch_size=1,
            compute=data.ActorPoolStrategy(size=min(self._actors, len(work.shards)), max_tasks_in_flight_per_actor=1),
            **self._needs,
        )
        try:
            for row in ended.iter_rows():
                result = pickle.loads(row["result"])
                if isinstance(result, ElvaError):
                    raise result
                yield result
        except ray.exceptions.RayTaskError:  # a bug: its trace is what helps
            raise
        except ray.exceptions.RayError as error:
            reason = str(error).strip().splitlines()[0]
            raise WorkerDied(
                f"the cluster {self._team.address} failed ({reason}); run the same command again when it is well: "
                f"what is embedded stays in {work.out}"
            ) from error


@contextmanager
def _connected(team: Team) -> Iterator[_Cluster]:
    """A cluster, until the block ends; one on this machine ends then too."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # Ray would send them to its makers
    # A cluster's ports are open to the network, and whoever gets in runs what they like. Read once, on import.
    if team.address == "local" and "ray" not in sys.modules:
        os.environ.setdefault("RAY_AUTH_MODE", "token")
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise MissingExtra("Ray", "ray") from error
    _require_answer(team.address)
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    try:
        if team.address == "local":
            actors = team.actors or max(1, len(os.sched_getaffinity(0)) // team.cpus)
            ray.init(
                "local",
                num_cpus=actors * team.cpus,
                object_store_memory=STORE_BYTES,
                include_dashboard=False,
                **quiet,
            )
        else:
            ray.init(team.address, **quiet)
    except Exception as error:  # of a node that does not start in time Ray says just that
        ray.shutdown()
        reason = str(error).strip().splitlines()[0]
        raise InputError(f"--ray {team.address}: no cluster can be joined there ({reason}); {_START}") from error
    try:
        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = context.print_on_execution_start = False
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        yield _Cluster(team)
    finally:
        ray.shutdown()


_START = "start one with `ray start --head`, or give --ray local"


def _require_answer(address: str) -> None:
    """Refuse an address that nothing answers at: Ray itself would ask for a long time."""
    if address in ("local", "auto"):
        return
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdecimal():
        raise InputError(f"--ray {address} is no address; give local, auto, HOST:PORT or ray://HOST:PORT")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=ANSWER_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise InputError(f"--ray {address}: nothing answers there ({error}); {_START}") from error
