"""What people decided about samples of a benchmark: files of the review page, and who of the queries goes.

{"schema": "elva-mrbench-decisions-1", "reviewer": "first",
 "decisions": [{"qid": "9:12", "shown": "3f0c…", "accepted": true}, …]}
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from elva.data.records import Query
from elva.errors import DataError, InputError

SCHEMA = "elva-mrbench-decisions-1"

Sample = tuple[str, str]
"""qid, and the digest of what was shown of the query."""


@dataclass(frozen=True, slots=True)
class Review:
    """The decisions of one person: sample -> accepted."""

    reviewer: str
    decisions: Mapping[Sample, bool]


def sample_of(query: Query) -> Sample:
    """A query as something to decide about: one with other grains or positives is another sample."""
    seen = query.image if query.video is None else query.video
    shown = [query.text, seen, [grain.to_row() for grain in query.grains], query.positives]
    return query.qid, hashlib.sha256(json.dumps(shown).encode()).hexdigest()[:16]


def read_reviews(paths: Sequence[Path]) -> list[Review]:
    """The reviews in some files, one per reviewer, by name.

    Raises:
        DataError: a file is none of the review page.
        InputError: somebody decided one sample both ways.
    """
    reviews: dict[str, dict[Sample, bool]] = {}
    for path in paths:
        reviewer, decisions = _read(path)
        earlier = reviews.setdefault(reviewer, {})
        torn = [sample for sample, accepted in decisions.items() if earlier.get(sample, accepted) != accepted]
        if torn:
            raise InputError(
                f"{path}: {reviewer} decided {torn[0][0]} otherwise in another file; give the newer one alone"
            )
        earlier |= decisions
    return [Review(reviewer, decisions) for reviewer, decisions in sorted(reviews.items())]


def votes(reviews: Iterable[Review]) -> dict[Sample, tuple[int, int]]:
    """Sample -> (how many accept it, how many reject it), by qid."""
    accepted: Counter[Sample] = Counter()
    rejected: Counter[Sample] = Counter()
    for review in reviews:
        for sample, verdict in review.decisions.items():
            (accepted if verdict else rejected)[sample] += 1
    return {each: (accepted[each], rejected[each]) for each in sorted({*accepted, *rejected})}


def dropped(reviews: Iterable[Review]) -> frozenset[Sample]:
    """The samples that go: all but those that more people accept than reject."""
    return frozenset(sample for sample, (accepted, rejected) in votes(reviews).items() if accepted <= rejected)


def _read(path: Path) -> tuple[str, dict[Sample, bool]]:
    fix = "give a file that the page of `elva mrbench review` saved"
    try:
        content: Any = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise DataError(path, None, None, f"can't be read ({error.strerror})", fix) from error
    except ValueError as error:
        raise DataError(path, None, None, f"no JSON ({error})", fix) from error
    if not isinstance(content, dict) or content.get("schema") != SCHEMA:
        raise DataError(path, None, "schema", "no decisions about samples", fix)
    reviewer, rows = content.get("reviewer"), content.get("decisions")
    if not isinstance(reviewer, str) or not reviewer.strip():
        raise DataError(path, None, "reviewer", repr(reviewer), "write the name of who decided")
    if not isinstance(rows, list) or not all(map(_is_decision, rows)):
        raise DataError(path, None, "decisions", "not a list of {qid, shown, accepted}", fix)
    return reviewer.strip(), {(row["qid"], row["shown"]): row["accepted"] for row in rows}


def _is_decision(row: object) -> bool:
    kinds = {"qid": str, "shown": str, "accepted": bool}
    return isinstance(row, dict) and all(isinstance(row.get(name), kind) for name, kind in kinds.items())
