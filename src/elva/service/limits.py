"""What the service takes: every limit, its default and why."""

from __future__ import annotations

from dataclasses import dataclass, field

from elva.media import MediaLimits


@dataclass(frozen=True, slots=True)
class Limits:
    """What a request may cost.

    Attributes:
        body: bytes of a request, with its images.
        characters: of one text; models read far fewer, so more can only be a mistake.
        top: results of one query.
        rerank: candidates of one query; each costs a forward.
        items: to embed in one request.
        parts: texts and ids beside the query: what it should be like, and without.
        queue: requests that wait for the model; the next one is told to come back.
        batch: requests that are answered in one forward.
        gather: seconds that the first request of a batch waits for others.
        patience: seconds that a request waits for its answer.
        fetch: seconds that the pictures of a request take, all together, where they are fetched.
        media: of one image; smaller than for files, since anyone may send one.
    """

    body: int = 16_000_000
    characters: int = 10_000
    top: int = 200
    rerank: int = 200
    items: int = 128
    parts: int = 16
    queue: int = 64
    batch: int = 16
    gather: float = 0.004
    patience: float = 60.0
    fetch: float = 10.0
    media: MediaLimits = field(default_factory=lambda: MediaLimits(max_bytes=16_000_000, max_pixels=25_000_000))


LIMITS = Limits()
