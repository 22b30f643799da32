"""The plots of the report, as inline SVG.

They are drawn here and not by matplotlib so that they follow the reader's light or dark scheme,
stay sharp and small, and can be read on a phone. Colours are the page's CSS variables --c0, --c1,
...; one number belongs to one row in every plot.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

WIDTH = 360
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 10, 8, 22
_HEIGHT = 170
_BAR = 9

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Bars:
    """One row's values in a bar chart.

    Attributes:
        name: the row, for the tooltip.
        colour: number of its CSS colour.
        values: category -> value, or None where there is none.
        mark: a value drawn as a dashed line across all categories, such as the paraphrase distance.
    """

    name: str
    colour: int
    values: Mapping[str, float | None]
    mark: float | None = None


def line_chart(series: Mapping[str, tuple[int, Points]], label: str) -> str:
    """Curves over training steps: thin as logged, thick as a running mean.

    Args:
        series: name -> (number of its CSS colour, points (step, value)).
        label: what the chart shows, for people who can't see it.

    Returns:
        An `<svg>` element, or "" when there is nothing to draw.
    """
    points = [point for _, each in series.values() for point in each]
    if not points:
        return ""
    right = max(x for x, _ in points) or 1
    low, high, step = round_scale(min(y for _, y in points), max(y for _, y in points))
    plot = _Plot(right, low, high)
    parts = [plot.grid(step)]
    for name, (colour, each) in series.items():
        parts.append(plot.curve(each, colour, "raw"))
        parts.append(plot.curve(running_mean(each), colour, "mean", name))
    return svg("".join(parts), _HEIGHT, label)


def bar_chart(
    bars: Sequence[Bars],
    categories: Sequence[str],
    label: str,
    top: float,
    line: float | None = None,
) -> str:
    """Horizontal bars from 0, grouped by category.

    Args:
        bars: the rows.
        categories: from top to bottom.
        label: what the chart shows, for people who can't see it.
        top: the value at the right edge.
        line: a value drawn as a dotted line, such as the chance level.
    """
    left, right = 84, 34
    scale = (WIDTH - left - right) / (top or 1)
    group = _BAR * len(bars) + 12
    height = group * len(categories) + 8
    parts: list[str] = []
    values: list[str] = []
    for g, category in enumerate(categories):
        y = g * group + 8
        middle = y + _BAR * len(bars) / 2 + 4
        parts.append(f'<text class="name" x="{left - 8}" y="{middle:.1f}">{escape(category)}</text>')
        for i, each in enumerate(bars):
            if (value := each.values.get(category)) is not None:
                at, end = y + i * _BAR, left + max(0.0, value * scale)
                shown = f"{value:.0f}" if top > 2 else f"{value:.3f}".removeprefix("0")
                parts.append(_bar(each, f"{category}: {shown}", left, end, at))
                values.append(_value(shown, end, at))
    parts += [_mark(left + each.mark * scale, height, f"mark k{each.colour}") for each in bars if each.mark is not None]
    if line is not None:
        parts.append(_mark(left + line * scale, height, "level"))
    return svg("".join(parts + values), height, label)


def running_mean(points: Points) -> list[tuple[float, float]]:
    """Centred mean over about a tenth of the points, so that noise does not hide the trend."""
    reach = len(points) // 20
    values = [y for _, y in points]
    return [(x, sum(part := values[max(0, i - reach) : i + reach + 1]) / len(part)) for i, (x, _) in enumerate(points)]


@dataclass(frozen=True, slots=True)
class _Plot:
    right: float
    low: float
    high: float

    def x(self, value: float) -> float:
        return _LEFT + value / self.right * (WIDTH - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return _HEIGHT - _BOTTOM - share * (_HEIGHT - _TOP - _BOTTOM)

    def grid(self, step: float) -> str:
        count = round((self.high - self.low) / step)
        lines = [self._line(self.low + i * step, step) for i in range(count + 1)]
        foot = _HEIGHT - 6
        ends = (
            f'<text class="tick" x="{_LEFT}" y="{foot}">0</text>'
            f'<text class="tick end" x="{WIDTH - _RIGHT}" y="{foot}">step {self.right:g}</text>'
        )
        return "".join(lines) + ends

    def _line(self, value: float, step: float) -> str:
        digits = max(0, -math.floor(math.log10(step)))
        y = self.y(value)
        return (
            f'<line class="grid" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
            f'<text class="tick end" x="{_LEFT - 6}" y="{y + 4:.1f}">{value:.{digits}f}</text>'
        )

    def curve(self, points: Points, colour: int, kind: str, name: str = "") -> str:
        path = " ".join(f"{self.x(x):.1f},{self.y(y):.1f}" for x, y in points)
        title = f"<title>{escape(name)}</title>" if name else ""
        return f'<polyline class="{kind} k{colour}" points="{path}">{title}</polyline>'


def _bar(bars: Bars, shown: str, left: float, right: float, y: float) -> str:
    return (
        f'<rect class="bar k{bars.colour}" x="{left}" y="{y:.1f}" width="{right - left:.1f}" '
        f'height="{_BAR - 1}" rx="1.5"><title>{escape(f"{bars.name}, {shown}")}</title></rect>'
    )


def _value(shown: str, right: float, y: float) -> str:
    return f'<text class="value" x="{right + 3:.1f}" y="{y + 7:.1f}">{shown}</text>'


def _mark(x: float, height: float, kind: str) -> str:
    return f'<line class="{kind}" x1="{x:.1f}" x2="{x:.1f}" y1="2" y2="{height - 4:.1f}"/>'


def round_scale(low: float, high: float) -> tuple[float, float, float]:
    """Round limits and the distance of about four grid lines."""
    spread = (high - low) or abs(high) or 1.0
    rough = spread / 4
    power = 10.0 ** math.floor(math.log10(rough))
    step = power * min(each for each in (1, 2, 5, 10) if each * power >= rough * 0.999)
    bottom, top = math.floor(low / step) * step, math.ceil(high / step) * step
    return bottom, top if top > bottom else bottom + step, step


def svg(body: str, height: float, label: str) -> str:
    """An `<svg>` element `WIDTH` wide; `label` is for people who can't see it."""
    return f'<svg viewBox="0 0 {WIDTH} {height:.0f}" role="img" aria-label="{escape(label)}">{body}</svg>'
