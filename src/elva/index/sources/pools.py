"""The candidates of M-BEIR data: those of the pools of chosen tasks, each once."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from elva.data.mbeir import Candidate, MBeir
from elva.data.opening import open_checked
from elva.errors import DataError, InputError
from elva.index.protocol import Entry
from elva.index.sources.offered import Offered


@dataclass(frozen=True, slots=True)
class Pools:
    """See the module.

    Attributes:
        path: the data folder.
        split: the split of the tasks.
        datasets: names to keep; all when empty.
        tasks: task ids to keep; all when empty.
    """

    path: Path
    split: str = "test"
    datasets: Sequence[str] = ()
    tasks: Sequence[int] = ()

    @property
    def kind(self) -> str:
        """See `Source`."""
        return f"M-BEIR data, {self.split} pools"

    @property
    def root(self) -> Path:
        """See `Source`."""
        return self.path

    def items(self, errors: list[DataError]) -> Iterator[Offered]:
        """See `Source`; InputError where no task fits, DataErrors where a file as a whole is bad."""
        bench = MBeir.open(self.path)
        names = bench.tasks(self.split, self.datasets, self.tasks)
        files = dict.fromkeys(bench.pool_file(name) for name in names)
        if not files:
            raise InputError(f"{self.path} holds no {self.split} task that fits: nothing to index")
        bench, report = open_checked(self.path, [self.split], files=set(files), skip_bad_rows=True, check_images=False)
        errors.extend(report.errors)
        seen: set[str] = set()
        for name in {bench.pool_file(name): name for name in names}.values():
            pool = bench.pool(name)
            for place, candidate in enumerate(pool):
                if candidate.did not in seen:
                    seen.add(candidate.did)
                    where = (bench.pool_file(name), pool.line(place), "img_path")
                    yield Offered(_entry(candidate), bench.candidate_item(candidate), where)


def _entry(candidate: Candidate) -> Entry:
    return Entry(candidate.did, candidate.text, candidate.image, metadata=_metadata(candidate.source))


def _metadata(source: str | None) -> dict[str, Any]:
    """The object that src_content holds; any other content under its name."""
    if not source:
        return {}
    try:
        content = json.loads(source, parse_constant=str)
    except (ValueError, RecursionError):
        content = source
    return content if isinstance(content, dict) else {"source": content}
