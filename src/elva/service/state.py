"""What all routes share."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

from fastapi import Request

from elva.index.protocol import Index, Stats
from elva.items import Item
from elva.search.query import Answer, Query
from elva.search.searcher import Searcher
from elva.service.batching import Batcher, Work
from elva.service.bodies import About
from elva.service.errors import Refused
from elva.service.fetching import Fetcher, Host
from elva.service.limits import LIMITS, Limits
from elva.service.metrics import Metrics
from elva.service.pictures import Pictures

GONE = 499
"""What proxies log for a client that did not wait; nobody receives it."""


class Explains(Protocol):
    """What takes a query apart."""

    def explain(self, query: Item, k: int = 10, grains: Sequence[str] | None = None) -> Any:
        """An explanation, which has `to_row`."""


Spans = Sequence[tuple[int, int]]
Lacks = Callable[[str, Spans, Sequence[Item]], Sequence[Sequence[float | None]]]
"""How much more probable each span of a text is behind each candidate than behind the others: `span_likelihoods`."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How a service is run.

    Attributes:
        name: what the page calls the index.
        token: what clients have to send, or None.
        hosts: names that requests may be addressed to; empty: any. On loopback it keeps other people's pages, whose
            names can be made to point here, from asking.
        log_queries: whether addresses, which may hold a query, are logged whole.
        limits: what a request may cost.
        fetch_from: hosts that pictures may be fetched from; none: nothing is fetched.
    """

    name: str = "index"
    token: str | None = None
    hosts: tuple[str, ...] = ()
    log_queries: bool = False
    limits: Limits = LIMITS
    fetch_from: tuple[Host, ...] = ()


Parts = tuple[Searcher, Explains | None]
"""What answers over an index: the searcher, and what takes queries apart, if anything does."""


@dataclass(frozen=True, slots=True)
class Opened:
    """One published version of the index, and what of it is read once.

    Attributes:
        searcher: asks it.
        inspector: takes queries apart over it.
        stats: of it.
        ids: all of them, ascending.
    """

    searcher: Searcher
    inspector: Explains | None
    stats: Stats
    ids: Sequence[str]

    @classmethod
    def of(cls, searcher: Searcher, inspector: Explains | None) -> Opened:
        """Read what is to be known."""
        index = searcher.index
        return cls(searcher, inspector, index.stats(), sorted(index.contents()))


@dataclass
class State:
    """The parts of a running service. `opened` may be exchanged at any time: whoever needs it twice takes it once."""

    settings: Settings
    lacking: Lacks | None = None
    metrics: Metrics = field(default_factory=Metrics)
    opened: Opened = field(init=False)
    about: About = field(init=False)

    @cached_property
    def batcher(self) -> Batcher:
        """Where requests for the model wait."""
        works: Mapping[str, Work] = {
            "search": self._search,
            "embed": self._embed,
            "explain": lambda asked: [self._explain(*each) for each in asked],
            "lack": lambda asked: [self._lack(*each) for each in asked],
        }
        return Batcher(works, self.settings.limits, self.metrics)

    @cached_property
    def pictures(self) -> Pictures:
        """Where pictures are looked at."""
        limits = self.settings.limits
        return Pictures(limits.media, Fetcher(self.settings.fetch_from, limits, self.metrics))

    @property
    def index(self) -> Index:
        """What is searched."""
        return self.opened.searcher.index

    async def ask(self, request: Request, kind: str, payload: Any) -> Any:
        """Have the model do something for a client, for as long as the client waits."""
        work = asyncio.ensure_future(self.batcher.ask(kind, payload))
        gone = asyncio.ensure_future(_gone(request))
        try:
            await asyncio.wait({work, gone}, return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                raise Refused(GONE, "gone", "the client did not wait")
            return work.result()
        finally:
            work.cancel()
            gone.cancel()

    def _search(self, queries: Sequence[Query]) -> list[tuple[Answer, int]]:
        """The answers, each with the version of the index that gave it."""
        opened = self.opened
        return [(answer, opened.stats.version) for answer in opened.searcher.search(queries)]

    def _embed(self, asked: Sequence[Sequence[Item]]) -> list[Any]:
        """Items of several requests, embedded at once and handed back to each."""
        encoding = self.opened.searcher.encoder.embed([item for items in asked for item in items])
        ends = [sum(map(len, asked[: number + 1])) for number in range(len(asked))]
        parts = [slice(end - len(items), end) for end, items in zip(ends, asked, strict=True)]
        return [(encoding.vectors[part], encoding.summaries[part], encoding) for part in parts]

    def _explain(self, query: Item, top: int, grains: Sequence[str] | None) -> Any:
        inspector = self.opened.inspector
        assert inspector is not None  # its route says so first
        return inspector.explain(query, top, grains)

    def _lack(self, text: str, spans: Spans, ids: Sequence[str]) -> list[list[float | None]]:
        """Rows of numbers; of None for an item of which nothing is left to read."""
        assert self.lacking is not None  # its route says so first
        searcher = self.opened.searcher
        items = [searcher.candidate(each) for each in searcher.index.get(ids)]
        found = iter(self.lacking(text, spans, [each for each in items if each is not None]))
        return [[None] * len(spans) if each is None else list(next(found)) for each in items]


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
