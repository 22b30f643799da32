"""Joining a Ray cluster, or starting one here: who is there, what they see, and what they give back.

Needs Ray (the extra `ray`).
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
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from elva import __version__
from elva.encoding import ModelIdentity
from elva.errors import ElvaError, InputError, MissingExtra, WorkerDied
from elva.evaluation.cluster_sight import Sight, look, query_sizes
from elva.evaluation.cluster_worker import LESS, TRIES, Load, ShardEmbedder, Work, identity
from elva.evaluation.shards import Done
from elva.index.folder import refusing

ANSWER_SECONDS = 10.0
"""How long the address of a cluster has to take a connection."""
NODE_SECONDS = 120.0
"""How long the nodes have to look at their files: the first call starts a process on each."""
BATCH_SIZE = 128
"""Items per forward, as of one process."""
STORE_BYTES = 256 * 2**20
"""Ray's memory for objects on a local cluster; the corpus lies there, 32 bytes a row."""


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


class Cluster:
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
        there = self._ray.remote(num_cpus=0, max_retries=1)(look)
        end = time.monotonic() + NODE_SECONDS
        try:
            with refusing(out.parent):
                sight.probe.write_text(__version__, "utf-8")
            asked = {
                node["NodeID"]: there.options(
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
        ask = self._ray.remote(**self._needs, max_retries=TRIES - 1)(identity)
        try:
            model = self._ray.get(ask.remote(load))
        except (self._ray.exceptions.WorkerCrashedError, self._ray.exceptions.OutOfMemoryError) as error:
            raise WorkerDied(
                f"{TRIES} workers died while they loaded the model, perhaps for want of memory: {LESS}"
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
def connected(team: Team) -> Iterator[Cluster]:
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
        if team.address == "local":
            raise InputError(
                f"--ray local: Ray did not start here ({reason}); look at the memory, the load and /dev/shm of this "
                "machine, and give the same command again"
            ) from error
        raise InputError(f"--ray {team.address}: no cluster can be joined there ({reason}); {_START}") from error
    try:
        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = context.print_on_execution_start = False
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        yield Cluster(team)
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
