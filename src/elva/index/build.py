"""Indexing the candidates of a data root."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from elva.data.mbeir import Candidate, MBeir
from elva.data.opening import open_checked
from elva.encoding import Encoder, ModelIdentity, Watch
from elva.errors import DataError, InputError
from elva.index.exact import ExactIndex
from elva.index.folder import INDEX, require_free
from elva.index.protocol import Entry, Stats


@dataclass(frozen=True, slots=True)
class BuildReport:
    """What building an index gave and what it left out."""

    stats: Stats
    skipped: tuple[DataError, ...]
    forced_ret: int
    truncated: int


def build_index(
    root: Path,
    encoder: Encoder,
    out: Path,
    *,
    split: str = "test",
    datasets: Sequence[str] = (),
    tasks: Sequence[int] = (),
    skip_bad_rows: bool = False,
    watch: Watch | None = None,
) -> BuildReport:
    """Embed every candidate of the chosen tasks' pools once and write an exact index to `out`.

    Every row and picture is looked at before any is embedded. With `skip_bad_rows` the bad ones, such as those with a
    missing or broken image, are left out and listed.

    Raises:
        InputError: nothing to index.
        DataErrors: every bad row, unless they are to be left out.
        FolderError: `out` holds anything but an index.
    """
    require_free(out, INDEX)
    bench = MBeir.open(root)
    files = {bench.pool_file(name) for name in bench.tasks(split, datasets, tasks)}
    skipped: tuple[DataError, ...] = ()
    if files:
        progress = watch("checking rows and images", None) if watch else None
        bench, report = open_checked(root, [split], files=files, skip_bad_rows=skip_bad_rows, progress=progress)
        skipped = report.errors
    pool = {each.did: each for name in bench.tasks(split, datasets, tasks) for each in bench.pool(name)}
    if not pool:
        raise InputError(f"{root} has no usable candidate in the {split} pools: nothing to index")
    advance = watch("embedding", len(pool)) if watch else None
    encoding = encoder.embed([bench.candidate_item(each) for each in pool.values()], progress=advance)
    index = ExactIndex(ModelIdentity.of(encoder), root.resolve())
    entries = [_entry(each, summary) for each, summary in zip(pool.values(), encoding.summaries, strict=True)]
    index.add(entries, encoding.vectors)
    index.save(out)
    return BuildReport(index.stats(), skipped, encoding.forced_ret, encoding.truncated)


def _entry(candidate: Candidate, summary: str) -> Entry:
    metadata = {"source": candidate.source} if candidate.source else {}
    return Entry(candidate.did, candidate.text, candidate.image, summary, metadata)
