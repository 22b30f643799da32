"""Grids of small plots with two measured axes, for looking at the same thing many times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from elva.analysis.dots import glyph, legend_lines
from elva.analysis.figures import WIDTH, Points, round_scale, svg

_LEFT, _RIGHT, _TOP, _BOTTOM, _GAP = 40, 12, 18, 28, 8


@dataclass(frozen=True, slots=True)
class Track:
    """Points joined by a line, the last one with a glyph.

    Attributes:
        points: (x, y).
        colour: number of its CSS colour.
        glyph: number of its glyph.
        title: tooltip.
        dots: every point has the glyph.
    """

    points: Points
    colour: int
    glyph: int = 0
    title: str = ""
    dots: bool = False


@dataclass(frozen=True, slots=True)
class Panel:
    """One plot.

    Attributes:
        title: above it.
        tracks: what is drawn.
        cross: a point through which both axes are drawn; the quarter that is bad, right and worse, is tinted.
        strong: the title is bold.
    """

    title: str
    tracks: Sequence[Track]
    cross: tuple[float, float] | None = None
    strong: bool = False


def panel_grid(
    panels: Sequence[Panel],
    label: str,
    axes: tuple[str, str],
    *,
    columns: int = 2,
    side: float = 120,
    upside_down: bool = False,
    own_x: bool = False,
    legend: Sequence[tuple[str, int, int]] = (),
) -> str:
    """Draw panels side by side on shared scales.

    Args:
        panels: in reading order.
        label: what the chart shows, for people who can't see it.
        axes: what x and y are.
        columns: panels in a row.
        side: height of a panel's plot.
        upside_down: low values of y on top, as of a rank.
        own_x: every panel has its own scale of x, for figures of different kinds.
        legend: name, colour and glyph of each series.

    Returns:
        An `<svg>` element, or "" when there is nothing to draw.
    """
    points = [point for panel in panels for track in panel.tracks for point in track.points]
    if not points:
        return ""
    columns = min(columns, len(panels))
    whole = (WIDTH - _LEFT + _GAP) / columns - _GAP
    ys = round_scale(*_limits([y for _, y in points]))
    xs = round_scale(*_limits([x for x, _ in points]))
    parts = []
    for i, panel in enumerate(panels):
        left, top = _LEFT + (i % columns) * (whole + _GAP), 6 + (i // columns) * (side + _TOP + _BOTTOM) + _TOP
        own = round_scale(*_limits([x for track in panel.tracks for x, _ in track.points])) if own_x else xs
        frame = _Frame(left, top, whole - _RIGHT, side, own, ys, upside_down)
        parts.append(frame.draw(panel, i % columns == 0))
    rows = -(-len(panels) // columns)
    foot = 6 + rows * (side + _TOP + _BOTTOM)
    parts.append(f'<text class="tick mid" x="{(_LEFT + WIDTH) / 2}" y="{foot + 4}">{escape(axes[0])}</text>')
    parts.append(
        f'<text class="tick mid" transform="translate(10 {foot / 2:.1f}) rotate(-90)">{escape(axes[1])}</text>'
    )
    keys, height = legend_lines(legend, foot + 22)
    return svg("".join([*parts, keys]), height, label)


def _limits(values: Sequence[float]) -> tuple[float, float]:
    return min(values), max(values)


@dataclass(frozen=True, slots=True)
class _Frame:
    left: float
    top: float
    width: float
    height: float
    xs: tuple[float, float, float]
    ys: tuple[float, float, float]
    upside_down: bool

    def x(self, value: float) -> float:
        low, high, _ = self.xs
        return self.left + (value - low) / (high - low) * self.width

    def y(self, value: float) -> float:
        low, high, _ = self.ys
        share = (value - low) / (high - low)
        return self.top + self.height * (share if self.upside_down else 1 - share)

    def draw(self, panel: Panel, first: bool) -> str:
        parts = [self._title(panel), self._grid(first)]
        if panel.cross:
            parts.append(self._cross(*panel.cross))
        return "".join([*parts, *(self._track(each) for each in panel.tracks)])

    def _title(self, panel: Panel) -> str:
        strong = " strong" if panel.strong else ""
        return f'<text class="panel{strong}" x="{self.left:.1f}" y="{self.top - 5:.1f}">{escape(panel.title)}</text>'

    def _grid(self, first: bool) -> str:
        parts = []
        for value in _ticks(self.ys):
            parts.append(self._line("grid", (self.xs[0], value), (self.xs[1], value)))
            if first:
                y = self.y(value) + 3.5
                parts.append(f'<text class="tick end" x="{self.left - 5:.1f}" y="{y:.1f}">{value:g}</text>')
        low, high, _ = self.xs
        foot = self.top + self.height + 12
        parts.append(f'<text class="tick" x="{self.left:.1f}" y="{foot:.1f}">{low:g}</text>')
        parts.append(f'<text class="tick end" x="{self.left + self.width:.1f}" y="{foot:.1f}">{high:g}</text>')
        return "".join(parts)

    def _cross(self, x: float, y: float) -> str:
        bad = max(self.y(self.ys[0]), self.y(self.ys[1]))
        right, here, at = self.x(self.xs[1]), self.y(y), self.x(x)
        tint = f'<rect class="bad" x="{at:.1f}" y="{here:.1f}" width="{right - at:.1f}" height="{bad - here:.1f}"/>'
        lines = (
            self._line("level", (x, self.ys[0]), (x, self.ys[1])),
            self._line("level", (self.xs[0], y), (self.xs[1], y)),
        )
        return tint + "".join(lines)

    def _line(self, kind: str, one: tuple[float, float], other: tuple[float, float]) -> str:
        a, b, c, d = self.x(one[0]), self.y(one[1]), self.x(other[0]), self.y(other[1])
        return f'<line class="{kind}" x1="{a:.1f}" y1="{b:.1f}" x2="{c:.1f}" y2="{d:.1f}"/>'

    def _track(self, track: Track) -> str:
        at = [(self.x(x), self.y(y)) for x, y in track.points]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in at)
        line = f'<polyline class="track k{track.colour}" points="{path}"/>'
        marked = at if track.dots else at[-1:]
        return line + "".join(glyph(track.glyph, track.colour, x, y, 3.4, track.title) for x, y in marked)


def _ticks(scale: tuple[float, float, float]) -> list[float]:
    low, high, step = scale
    return [low + i * step for i in range(round((high - low) / step) + 1)]
