"""Files of scores: how well each query fits some candidates, by whatever measure; higher is better.

One row a query, {"qid", "candidates": [[did, score], ...]}, as `elva likelihood` and `elva mine` write them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path

from elva.data.stored import Scan, Stored
from elva.errors import DataError

KEYS = ("qid", "candidates")
FIX = "write the file again with `elva likelihood`"


class Scores(Mapping[str, Mapping[str, float]]):
    """qid -> did -> score; the rows lie in their file until they are asked for.

    Args:
        path: the file.

    Raises:
        DataError: a line is no such row, holds a number that is not finite, or names a query or candidate twice.
    """

    def __init__(self, path: Path) -> None:
        scan, seen = Scan(), set[int]()
        stop = 0
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                start, stop = stop, stop + len(line)
                try:
                    qid, _ = _parsed(line.decode())
                except (ValueError, TypeError, KeyError) as error:
                    raise DataError(path, number, ", ".join(KEYS), repr(line[:80]), FIX) from error
                if hash(qid) in seen:
                    raise DataError(path, number, "qid", f"{qid} occurs twice", FIX)
                seen.add(hash(qid))
                scan.add(number, start, qid)
        self.path = path
        self._rows = Stored(path, scan.index(), _parsed)

    def __getitem__(self, qid: str) -> Mapping[str, float]:
        """The scores of a query; KeyError for one that the file lacks."""
        row = self._rows.places.row(qid)
        if row is None:
            raise KeyError(qid)
        return self._rows.at(row)[1]

    def __contains__(self, qid: object) -> bool:
        """Whether the file has this query; its row is not read."""
        return isinstance(qid, str) and self._rows.places.row(qid) is not None

    def __iter__(self) -> Iterator[str]:
        """The qids, in the order of the file."""
        return (qid for qid, _ in self._rows)

    def __len__(self) -> int:
        """How many queries it has."""
        return len(self._rows)


def _parsed(line: str) -> tuple[str, dict[str, float]]:
    """Qid and scores of a row; ValueError, TypeError or KeyError for anything else."""
    row = json.loads(line)
    qid, pairs = row["qid"], row["candidates"]
    scores = {str(did): float(score) for did, score in pairs}
    if not isinstance(qid, str) or len(scores) != len(pairs) or not all(map(math.isfinite, scores.values())):
        raise ValueError(line)
    return qid, scores
