"""Counters in Prometheus' text format. Written from the event loop alone, so nothing is locked."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
SIZES = (1, 2, 4, 8, 16, 32, 64)


class Histogram:
    """How often a measure was at most each of some bounds."""

    def __init__(self, bounds: Sequence[float]) -> None:
        """Start at nothing."""
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def see(self, value: float) -> None:
        """Count a measure."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def lines(self, name: str) -> Iterator[str]:
        """Its lines."""
        yield f"# TYPE {name} histogram"
        total = 0
        for bound, count in zip((*self._bounds, "+Inf"), self._counts, strict=True):
            total += count
            yield f'{name}_bucket{{le="{bound}"}} {total}'
        yield f"{name}_sum {self._sum:.6f}"
        yield f"{name}_count {total}"


class Metrics:
    """What the service did since it started."""

    def __init__(self) -> None:
        """Start at nothing."""
        self.fetched: Counter[str] = Counter()
        """Pictures that requests named by address, by what became of them."""
        self._requests: Counter[tuple[str, int]] = Counter()
        self.latency = Histogram(SECONDS)
        self.batches = Histogram(SIZES)
        self.dropped = 0
        """Requests whose client had gone, or whose time was up, before the model came to them."""

    def answered(self, route: str, status: int, seconds: float) -> None:
        """Count a request; `route` is the pattern of its path, never what a client wrote."""
        self._requests[route, status] += 1
        self.latency.see(seconds)

    def text(self, waiting: int, items: int) -> str:
        """The page that Prometheus reads."""
        lines = ["# TYPE elva_requests_total counter"]
        lines += [
            f'elva_requests_total{{route="{route}",status="{status}"}} {count}'
            for (route, status), count in sorted(self._requests.items())
        ]
        lines += self.latency.lines("elva_request_seconds")
        lines += self.batches.lines("elva_batch_requests")
        lines.append("# TYPE elva_fetched_total counter")
        lines += [f'elva_fetched_total{{outcome="{each}"}} {count}' for each, count in sorted(self.fetched.items())]
        lines += ["# TYPE elva_dropped_total counter", f"elva_dropped_total {self.dropped}"]
        lines += ["# TYPE elva_queue gauge", f"elva_queue {waiting}", "# TYPE elva_items gauge", f"elva_items {items}"]
        return "\n".join(lines) + "\n"
