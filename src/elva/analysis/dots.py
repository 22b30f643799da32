"""Dot charts: a row per name, its figures as dots on a common scale, with intervals where there are any."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape

from elva.analysis.figures import WIDTH, round_scale, svg

GLYPHS = ("circle", "square", "diamond", "triangle", "cross")
"""Shapes that tell series apart without colour."""

_RIGHT, _ROW = 40, 19
_LETTER, _KEY_LETTER = 6.5, 6.0
"""How wide a letter of a name and of a legend is, at most, on average."""


@dataclass(frozen=True, slots=True)
class Dot:
    """One figure of a row: its value, the number of its CSS colour, its glyph's number, and its tooltip."""

    value: float
    colour: int
    glyph: int = 0
    title: str = ""


@dataclass(frozen=True, slots=True)
class DotRow:
    """A row of a dot chart.

    Attributes:
        name: at the left.
        dots: its figures, drawn in this order.
        small: further values, drawn as ticks beneath the dots, such as single seeds.
        span: an interval, drawn as a bar.
        shown: a text at the right.
        strong: the name is bold.
    """

    name: str
    dots: Sequence[Dot]
    small: Sequence[float] = ()
    span: tuple[float, float] | None = None
    shown: str = ""
    strong: bool = False


def dot_chart(
    rows: Sequence[DotRow],
    label: str,
    legend: Sequence[tuple[str, int, int]],
    lines: Mapping[str, float] | None = None,
) -> str:
    """Draw rows on one horizontal scale, which need not begin at 0.

    Args:
        rows: from top to bottom.
        label: what the chart shows, for people who can't see it.
        legend: name, colour and glyph of each series.
        lines: name -> value, drawn across all rows, such as the chance level.

    Returns:
        An `<svg>` element, or "" when there is nothing to draw.
    """
    lines = lines or {}
    held = [x for row in rows for x in (*(each.value for each in row.dots), *row.small, *(row.span or ()))]
    if not held:
        return ""
    low, high, step = round_scale(min([*held, *lines.values()]), max([*held, *lines.values()]))
    left = 16 + _LETTER * max(len(row.name) for row in rows)
    room = WIDTH - left - _RIGHT
    foot = 12 + _ROW * len(rows)

    def x(value: float) -> float:
        return left + (value - low) / (high - low) * room

    parts = []
    for i in range(round((high - low) / step) + 1):
        value = low + i * step
        parts.append(f'<line class="grid" x1="{x(value):.1f}" x2="{x(value):.1f}" y1="4" y2="{foot}"/>')
        parts.append(f'<text class="tick mid" x="{x(value):.1f}" y="{foot + 13}">{value:g}</text>')
    for name, value in lines.items():
        parts.append(
            f'<line class="level" x1="{x(value):.1f}" x2="{x(value):.1f}" y1="4" y2="{foot}">'
            f"<title>{escape(name)}: {value:g}</title></line>"
        )
    for i, row in enumerate(rows):
        parts.append(_row(row, left - 8, 8 + _ROW * (i + 0.5), x))
    keys, height = legend_lines(legend, foot + 30)
    return svg("".join([*parts, keys]), height, label)


def legend_lines(entries: Sequence[tuple[str, int, int]], top: float) -> tuple[str, float]:
    """Names with their glyphs, wrapped; gives the SVG and where it ends."""
    parts, at, y = [], 8.0, top
    for name, colour, shape in entries:
        width = 24 + len(name) * _KEY_LETTER
        if at > 8 and at + width > WIDTH:
            at, y = 8.0, y + 16
        parts.append(
            glyph(shape, colour, at + 5, y - 4, 3.6) + f'<text class="key" x="{at + 14}" y="{y}">{escape(name)}</text>'
        )
        at += width
    return "".join(parts), (y + 8 if entries else top - 10)


def glyph(number: int, colour: int, x: float, y: float, size: float, title: str = "", kind: str = "dot-mark") -> str:
    """A small shape of about radius `size`."""
    told = f"<title>{escape(title)}</title>" if title else ""
    r = size
    paths = {
        "circle": f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{r:.1f}"',
        "square": f'<rect x="{x - r * 0.9:.1f}" y="{y - r * 0.9:.1f}" width="{r * 1.8:.1f}" height="{r * 1.8:.1f}"',
        "diamond": f'<rect x="{x - r:.1f}" y="{y - r:.1f}" width="{r * 2:.1f}" height="{r * 2:.1f}" '
        f'transform="rotate(45 {x:.1f} {y:.1f})"',
        "triangle": f'<path d="M{x:.1f} {y - r * 1.2:.1f}l{r * 1.2:.1f} {r * 2.1:.1f}h{-r * 2.4:.1f}z"',
        "cross": f'<path d="M{x - r:.1f} {y - r:.1f}l{2 * r:.1f} {2 * r:.1f}m0 {-2 * r:.1f}l{-2 * r:.1f} {2 * r:.1f}"',
    }
    name = GLYPHS[number % len(GLYPHS)]
    return f'{paths[name]} class="{kind} {name} k{colour}">{told}</{paths[name][1:].split(" ", 1)[0]}>'


def _row(row: DotRow, name_end: float, y: float, x: Callable[[float], float]) -> str:
    strong = " strong" if row.strong else ""
    parts = [f'<text class="name small{strong}" x="{name_end:.1f}" y="{y + 4:.1f}">{escape(row.name)}</text>']
    colour = row.dots[0].colour if row.dots else 0
    if row.span:
        a, b = x(row.span[0]), x(row.span[1])
        parts.append(f'<line class="span k{colour}" x1="{a:.1f}" x2="{b:.1f}" y1="{y:.1f}" y2="{y:.1f}"/>')
    parts += [
        f'<line class="seed k{colour}" x1="{x(each):.1f}" x2="{x(each):.1f}" y1="{y - 5:.1f}" y2="{y + 5:.1f}"/>'
        for each in row.small
    ]
    parts += [glyph(each.glyph, each.colour, x(each.value), y, 4, each.title) for each in row.dots]
    if row.shown:
        parts.append(f'<text class="shown" x="{WIDTH - 4}" y="{y + 4:.1f}">{escape(row.shown)}</text>')
    return "".join(parts)
