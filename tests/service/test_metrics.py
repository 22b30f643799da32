"""Counters as Prometheus reads them."""

from __future__ import annotations

from elva.service.metrics import Histogram, Metrics


def test_a_histogram_counts_what_is_at_most_each_bound() -> None:
    histogram = Histogram((1, 2))
    for value in (0.5, 1, 1.5, 9):
        histogram.see(value)
    assert list(histogram.lines("h")) == [
        "# TYPE h histogram",
        'h_bucket{le="1"} 2',
        'h_bucket{le="2"} 3',
        'h_bucket{le="+Inf"} 4',
        "h_sum 12.000000",
        "h_count 4",
    ]


def test_requests_are_counted_by_route_and_status() -> None:
    metrics = Metrics()
    for status in (200, 200, 429):
        metrics.answered("/search", status, 0.1)
    metrics.dropped += 2
    text = metrics.text(waiting=3, items=7)
    assert 'elva_requests_total{route="/search",status="200"} 2\n' in text
    assert 'elva_requests_total{route="/search",status="429"} 1\n' in text
    assert "elva_queue 3\n" in text
    assert "elva_items 7\n" in text
    assert "elva_dropped_total 2\n" in text
