"""Embedding on the machines of a Ray cluster: actors write shards to a folder that all see; the driver only counts.

A worker that dies is started again by Ray and its shard is tried again; a shard at which `TRIES` workers died ends the
run. A run that ends in any way, SIGKILL too, is taken up by the next one of the same.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree

from elva.data.mbeir import MBeir
from elva.data.opening import EVERYTHING, Selection
from elva.encoding import Watch
from elva.evaluation.cluster_worker import Load, Work
from elva.evaluation.ray_cluster import Team, connected
from elva.evaluation.shards import Attempts, Corpus, begin, finish, require_embeddable
from elva.evaluation.store import Counts
from elva.locks import FolderLock


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
    selection: Selection = EVERYTHING,
    *,
    model_folder: Path | None = None,
    watch: Watch | None = None,
) -> Embedded:
    """As `embed_root`, on a Ray cluster; what an earlier run embedded stays.

    Args:
        root: data in the M-BEIR layout, at the same path on all machines.
        load: gives a worker its model.
        out: the folder to write, likewise; an unfinished embedding of the same is gone on with.
        team: who embeds.
        selection: what of the data.
        model_folder: what every machine must have at the same path, if the model is no packaged one.
        watch: told of each piece of work and its progress.

    Raises:
        MissingExtra: Ray is not installed.
        InputError: there is no cluster at the address, or too little room on it; a machine does not see the data,
            the model or `out`; no task fits the choice.
        DataErrors: every bad row, unless they are to be left out; pictures are then looked at here, before the work.
        MediaError: a picture can't be read, where bad rows are not to be left out.
        FolderError: `out` holds something else, or a finished embedding.
        FolderInUse: another run writes there.
        IndexMismatch: another model, other data or other choices began `out`.
        WorkerDied: workers died at one shard time and again.
        ElvaError: what loading the model raises.
    """
    root, out = root.absolute(), out.absolute()
    require_embeddable(out)
    MBeir.open(root)
    with connected(team) as cluster:
        cluster.require_seen(root, out, model_folder)
        model = cluster.identity(load)
        # Workers look at every picture anyway, each at its own; only what is left out must be known before.
        bench, names, skipped = selection.open(root, check_images=selection.skip_bad_rows, watch=watch)
        corpus = Corpus(bench, tuple(names), selection.instruction_choice, bench.fingerprint())
        shards = corpus.shards()
        begin(out, model, corpus, selection, shards)
        with FolderLock(out):
            require_embeddable(out)  # another run may have finished it
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
